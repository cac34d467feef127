from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service import config
from service import library as door
from service.errors import Rejected
from service.job_fields import UNBUILT, JobSettings
from service.jobfile import parse as parse_job
from service.presets import FIELDS, parse, preset_of
from service.reading import Dropped, read
from service.workflow import bind
from tests.shelf import flow, library

ROOT = Path(__file__).parent.parent
WORDS = flow("words", "text-to-video", "prompt steps frames fps cfg width", prompt=True)
OTHER = flow("other", "text-to-video", "prompt steps", prompt=True)
PICTURE = flow("svd", "image-to-video", "steps frames fps", image="picture")


def preset(text, name="film"):
    return parse(name, text.encode())


def shelf(*presets):
    return library(
        WORDS, OTHER, PICTURE, presets={each.name: each for each in presets}, defaults={"steps": 20, "fps": 12}
    )


def reading(text, *presets, task="text-to-video", grouping="", media=()):
    (found,) = read(Dropped(task, grouping, "cat", "job_file", text.encode(), media), shelf(*presets))
    return found


def refused(text):
    with pytest.raises(Rejected) as caught:
        preset(text)
    return caught.value.problems


def test_a_preset_holds_where_the_job_is_silent():
    found = reading("prompt: a\npreset: film\nsteps: 5", preset("steps: 30\ncfg: 4\nwidth: 640"))
    assert (found.settings.steps, found.settings.cfg, found.settings.width) == (5, 4, 640)
    assert (found.preset, found.left_out) == ("film", ())
    assert found.job.settings.cfg is None


def test_a_folder_of_its_name_applies_a_preset_and_the_job_wins_over_the_folder():
    two = preset("steps: 30"), preset("steps: 8", "quick")
    assert reading("prompt: a", *two, grouping="ann/quick").settings.steps == 8
    assert reading("prompt: a", *two, grouping="quick/film").settings.steps == 30
    assert reading("prompt: a\npreset: film", *two, grouping="quick").settings.steps == 30
    assert reading("prompt: a", *two, grouping="ann").preset is None


@pytest.mark.parametrize(
    ("job", "kept"),
    [("frames: 9", {"frames": 9}), ("seconds: 2", {"seconds": 2.0}), ("{}", {"seconds": 1.0})],
)
def test_a_length_is_one_thing_however_it_is_said(job, kept):
    settings = preset("seconds: 1").below(parse_job(job.encode()).settings)
    assert settings.asked() == kept


def test_what_the_workflow_does_not_take_is_left_out_and_said():
    found = reading(
        "steps: 5",
        preset("negative_prompt: blurry\nfps: 8"),
        task="image-to-video",
        grouping="film",
        media=("cat.jpg",),
    )
    assert found.left_out == ("negative_prompt of the preset film is left out: svd takes no negative_prompt",)
    assert (found.settings.fps, found.settings.negative_prompt) == (8, None)


def test_what_lies_beyond_the_workflows_limits_is_left_out_and_said():
    found = reading("prompt: a\npreset: film", preset("steps: 99\nseconds: 8\ncfg: 3"))
    assert (found.settings.steps, found.settings.seconds, found.settings.cfg) == (None, None, 3)
    assert found.left_out == (
        "steps of the preset film is left out: steps must be at most 50 with words, not 99",
        "seconds of the preset film is left out: seconds 8 at 12 frames a second is 96 frames, and words takes 1 to 64",
    )


def test_a_jobs_own_mistakes_stay_its_own():
    with pytest.raises(Rejected) as caught:
        reading("prompt: a\npreset: film\nsteps: 99", preset("steps: 98"))
    assert [(problem.field, problem.line) for problem in caught.value.problems] == [("steps", 3)]


def test_a_presets_workflow_is_taken_where_it_takes_the_job():
    film = preset("workflow: other\nsteps: 7")
    found = reading("prompt: a\npreset: film", film)
    assert (found.workflow.name, found.why) == ("other", "named by the preset film")
    found = reading("prompt: a\npreset: film\ncfg: 3", film)
    assert (found.workflow.name, found.settings.steps) == ("words", 7)
    assert found.left_out == ("workflow of the preset film is left out: other doesn't take this job",)
    found = reading("prompt: a\npreset: film\nworkflow: words", film)
    assert (found.workflow.name, found.left_out) == ("words", ())
    assert reading("prompt: a\npreset: film", preset("workflow: svd")).workflow.name == "words"


def test_an_unknown_preset_is_a_mistake_with_the_near_one():
    for text, cure in [("preset: flim", "Did you mean film?"), ("preset: zzz", "The presets are: film.")]:
        with pytest.raises(Rejected) as caught:
            reading(f"prompt: a\n{text}", preset("steps: 3"))
        (problem,) = caught.value.problems
        assert (problem.code, problem.line, problem.fix) == ("unknown_preset", 2, cure)
    with pytest.raises(Rejected, match="There are none; take the line out"):
        reading("prompt: a\npreset: film")


def test_a_preset_may_set_only_what_a_video_looks_like():
    for name in [*JobSettings.model_fields, *UNBUILT, "jobs"]:
        if name not in FIELDS and "." not in name:
            (problem,) = refused(f"steps: 3\n{name}: 1")
            assert (problem.title, problem.line) == (f"A preset can't set {name}.", 2)


def test_every_mistake_of_a_preset_is_named_at_once():
    found = refused("steps: many\nconsent: true\nframes: 3\nseconds: 3\nstpes: 3\n")
    assert [(problem.line, problem.field) for problem in found] == [
        (1, "steps"), (2, "consent"), (4, "seconds"), (5, "stpes"),
    ]  # fmt: skip
    assert ": prompt," not in refused("zzz: 3")[0].fix


@pytest.mark.parametrize("name", ["cinematic", "quick"])
def test_the_presets_that_come_with_us_fit_the_workflows_that_come_with_us(name):
    shipped = door.load(config.default(ROOT))
    for task, text, media, allowed in [
        ("text-to-video", "prompt: a", (), set()),
        ("image-to-video", "{}", ("cat.jpg",), {"negative_prompt"}),
    ]:
        (found,) = read(Dropped(task, name, "cat", "job_file", text.encode(), media), shipped)
        assert found.preset == name
        assert {told.split()[0] for told in found.left_out} <= allowed
    assert shipped.presets[name].title
    assert shipped.presets[name].description


def test_a_broken_preset_is_left_out_and_named(tmp_path):
    folder = tmp_path / "workflows" / "presets"
    folder.mkdir(parents=True)
    (folder / "good.yaml").write_text("steps: 3\n")
    (folder / "bad.yaml").write_text("steps: many\n")
    (folder / "worse.yaml").mkdir()
    (folder / ".hidden.yaml").write_text("{")
    library = door.load(config.default(tmp_path))
    assert list(library.presets) == ["good"]
    assert list(library.broken) == ["presets/bad.yaml", "presets/worse.yaml"]
    said = library.broken["presets/bad.yaml"][0].sentence()
    assert said.startswith("line 1, column 8: steps must be a whole number")
    assert library.broken["presets/worse.yaml"][0].code == "unreadable"


VALUES = {"steps": 9, "cfg": 2.5, "width": 640, "fps": 8.0, "frames": 16, "seconds": 1.5}


@given(st.sets(st.sampled_from(sorted(VALUES))), st.sets(st.sampled_from(sorted(VALUES))))
def test_a_job_below_a_preset_is_the_same_job_as_one_that_writes_it_out(of_job, of_preset):
    for names in (of_job, of_preset):
        if {"frames", "seconds"} <= names:
            names.discard("seconds")
    job = JobSettings.model_validate({name: VALUES[name] for name in of_job})
    text = "".join(f"{name}: {VALUES[name]}\n" for name in of_preset) or "title: nothing\n"
    merged = preset(text).below(job).asked()
    lengths = {"frames", "seconds"} if {"frames", "seconds"} & of_job else set()
    assert merged == {name: VALUES[name] for name in of_job | (of_preset - lengths)}


def test_the_folder_names_a_preset_as_the_drop_room_reads_it():
    film = preset("steps: 3")
    assert preset_of(JobSettings.model_validate({}), "a/film/b", {"film": film}) is film


def test_a_style_is_put_behind_the_jobs_prompt_and_nowhere_else():
    film = preset("style: ink lines, {flat|pale} colours\nsteps: 30")
    assert reading("prompt: a cat\npreset: film", film).settings.prompt == "a cat, ink lines, {flat|pale} colours"
    assert reading("prompt: a cat", film).settings.prompt == "a cat"
    found = reading("steps: 5", film, task="image-to-video", grouping="film", media=("cat.jpg",))
    assert found.settings.prompt is None
    assert len(reading(f"prompt: {'a' * 9_990}\npreset: film", film).settings.prompt) == 9_990


def test_each_slider_and_switch_of_a_preset_counts_by_itself():
    film = preset("sliders: {age: 0.5, body: 0.1}\nswitches: {restore: true, upscale: true}\nloras: [{name: ink}]")
    job = parse_job(b"sliders: {age: -0.5}\nswitches: {upscale: false, other: true}").settings
    settings = film.below(job, without=["sliders.body"])
    assert (settings.sliders.age, settings.sliders.body) == (-0.5, None)
    assert settings.switches == {"restore": True, "upscale": False, "other": True}
    assert [lora.name for lora in settings.loras] == ["ink"]
    assert film.below(parse_job(b"loras: []").settings).loras == ()
    assert film.below(job).sliders.body == 0.1


def test_sliders_of_a_preset_that_a_workflow_lacks_are_left_out_and_said():
    found = reading("prompt: a\npreset: film", preset("sliders: {age: 0.5}\nloras: [{name: ink}]"))
    assert (found.settings.sliders, found.settings.loras) == (None, None)
    assert [line.partition(" ")[0] for line in found.left_out] == ["loras", "sliders.age"]


def test_the_same_rules_are_asked_of_a_presets_slider_as_of_a_jobs():
    ours = door.load(config.parse(f"workflows_dir: {ROOT / 'workflows'}\nmodels_dir: {ROOT / 'models'}\n", ROOT))
    ours.presets = {"young": preset("sliders: {age: -0.5}", "young")}
    (found,) = read(Dropped("text-to-video", "", "x", "job_file", b"prompt: a\npreset: young", ()), ours)
    made = bind(found.workflow, found.settings, 1, {}, "p", ours.defaults)
    assert made.settings["sliders"]["age"] == -0.5
    assert made.graph["lora-age"]["inputs"]["strength_model"] == -1.5

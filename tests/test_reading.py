import json
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.config import parse as config_parse
from service.errors import Rejected
from service.job_fields import JobSettings
from service.jobfile import parse as parse_job
from service.library import load
from service.reading import Dropped, Missing, named_files, parse, read
from service.workflow import bind
from tests.shelf import flow, library

ROOT = Path(__file__).resolve().parents[1]
TEXT = flow("words", "text-to-video", "prompt steps frames fps", prompt=True)
PICTURE = flow("svd", "image-to-video", "steps frames fps", image="picture")
SWAP = flow("swap", "face-swap", "steps", source="picture", target="picture")
FILM_SWAP = flow("film_swap", "face-swap", "steps cfg", source="picture", target="video")
MIMIC = flow("mimic", "motion-mimic", "steps", image="picture", reference="video")
ALL = library(TEXT, PICTURE, SWAP, FILM_SWAP, MIMIC)


def dropped(task, text, *media, found=(), animated=(), kind="job_file", name="cat", grouping=""):
    data = text.encode() if text is not None else None
    found = {file: f"media/{file}" for file in found}
    return Dropped(task, grouping, name, kind, data, media, found, frozenset(animated))


def readings(*args, **named):
    return read(dropped(*args, **named), ALL)


def only(*args, **named):
    (reading,) = readings(*args, **named)
    return reading


def refused(*args, **named):
    with pytest.raises(Rejected) as caught:
        readings(*args, **named)
    return caught.value.problems


def missing(*args, **named):
    with pytest.raises(Missing) as caught:
        readings(*args, **named)
    return f"{caught.value.title} {caught.value.fix}"


alone = partial(only, kind="media")


def test_a_job_gets_the_first_workflow_that_takes_everything():
    reading = only("text-to-video", "prompt: a")
    assert (reading.workflow.name, reading.why) == ("words", "first of text-to-video's list")
    reading = only("face-swap", "cfg: 2", "cat.source.jpg", "cat.target.mp4")
    assert reading.workflow.name == "film_swap"
    assert reading.why == "first of face-swap's list that takes everything that the job sets"
    assert only("text-to-video", "prompt: a\nworkflow: words").why == "named by the job"


@pytest.mark.parametrize(
    ("task", "files", "roles", "chosen"),
    [
        ("image-to-video", "cat.jpg", "image", "svd"),
        ("image-to-video", "cat.image.jpg", "image", "svd"),
        ("motion-mimic", "cat.mp4 cat.jpg", "reference image", "mimic"),
        ("motion-mimic", "cat.reference.mp4 cat.jpg", "reference image", "mimic"),
        ("face-swap", "cat.source.jpg cat.target.png", "source target", "swap"),
        ("face-swap", "cat.SOURCE.jpg Cat.Target.png", "source target", "swap"),
        ("face-swap", "cat.target.jpg cat.png", "target source", "swap"),
        ("face-swap", "cat.jpg cat.mp4", "source target", "film_swap"),
    ],
)
def test_files_of_the_drops_name_play_by_role_or_by_kind(task, files, roles, chosen):
    reading = only(task, "{steps: 3}", *files.split())
    assert reading.roles == dict(zip(roles.split(), files.split(), strict=True))
    assert reading.workflow.name == chosen


def test_files_of_a_dropped_folder_play_by_the_roles_that_they_are_named():
    reading = only("face-swap", "{steps: 3}", "source.jpg", "the film.target.mp4", name="holiday")
    assert reading.roles == {"source": "source.jpg", "target": "the film.target.mp4"}
    assert only("face-swap", "{steps: 3}", "source.jpg", "b.jpg", name="x").roles == {
        "source": "source.jpg",
        "target": "b.jpg",
    }


def test_a_drop_whose_own_name_is_a_role_gives_no_role_by_it():
    assert only("image-to-video", "{steps: 3}", "target.jpg", name="target").roles == {"image": "target.jpg"}


def test_two_files_that_could_both_be_either_are_refused_with_the_renaming():
    (problem,) = refused("face-swap", "workflow: swap", "cat.jpg", "cat.png")
    assert problem.code == "media_ambiguous"
    assert problem.fix == "Rename cat.jpg to cat.source.jpg and cat.png to cat.target.png, or the other way round."


def test_two_files_for_one_role_are_refused():
    (problem,) = refused("image-to-video", "{steps: 3}", "cat.jpg", "cat.png")
    assert "cat.jpg, cat.png is the image" in problem.title
    assert "cat.jpg to cat.image.jpg" in problem.fix
    (problem,) = refused("image-to-video", "{steps: 3}", "cat.image.jpg", "cat.image.png")
    assert "both the image" in problem.title
    (problem,) = refused("image-to-video", "{steps: 3}", "cat.image.jpg", "cat.png")
    assert problem.code == "media_ambiguous"


def test_one_picture_where_two_are_needed_waits_and_says_how_to_name_them():
    said = missing("face-swap", "workflow: swap", "cat.jpg")
    assert "needs 2 pictures (source, target), and only cat.jpg is here" in said
    assert "cat.source.jpg and cat.target.jpg" in said


def test_media_that_is_still_to_come_is_named_by_its_role_and_kind():
    assert "needs a picture (image), and none of the name cat" in missing("image-to-video", "{steps: 3}")
    assert "Drop cat.target.mp4" not in missing("face-swap", "workflow: film_swap", "cat.source.jpg")
    assert "Drop cat.mp4 beside it" in missing("face-swap", "workflow: film_swap", "cat.source.jpg")


def test_named_files_are_found_or_waited_for_with_the_places_that_were_searched():
    reading = only("image-to-video", "image: cats/tom.jpg", found=["cats/tom.jpg"])
    assert reading.roles == {"image": "cats/tom.jpg"}
    said = missing("image-to-video", "image: cats/tom.jpg")
    assert said.startswith("image names cats/tom.jpg, and there is no such file in the job's folder, in inbox/media")
    assert "media_roots" in said


def test_a_named_file_wins_over_one_of_the_drops_own_name_which_moves_along():
    reading = only("image-to-video", "image: tom.jpg", "cat.jpg", found=["tom.jpg"])
    assert reading.roles == {"image": "tom.jpg"}
    reading = only("image-to-video", "image: tom.jpg", "cat.image.jpg", found=["tom.jpg"])
    assert reading.roles == {"image": "tom.jpg"}


def test_a_named_file_leaves_the_other_role_to_the_drops_own():
    reading = only("face-swap", "source: anna.jpg", "cat.png", found=["anna.jpg"])
    assert reading.roles == {"source": "anna.jpg", "target": "cat.png"}


def test_a_job_may_name_what_its_drop_owns_in_any_unicode_form():
    assert only("image-to-video", "image: cat.jpg", "cat.jpg").roles == {"image": "cat.jpg"}
    assert only("image-to-video", "image: Zo\u00eb.JPG", "Zoe\u0308.jpg", name="x").roles == {"image": "Zoe\u0308.jpg"}


def test_jobs_of_one_file_share_what_the_drop_owns_unless_one_of_them_names_it():
    text = "jobs: [{image: a.jpg}, {image: b.jpg}]"
    found = readings("image-to-video", text, "a.jpg", "b.jpg", name="holiday")
    assert [reading.roles["image"] for reading in found] == ["a.jpg", "b.jpg"]
    text = "workflow: swap\nsource: a.jpg\njobs: [{target: b.jpg}, {workflow: film_swap, target: c.mp4}]"
    found = readings("face-swap", text, "a.jpg", "b.jpg", "c.mp4", name="holiday")
    assert [reading.roles["target"] for reading in found] == ["b.jpg", "c.mp4"]
    found = readings("image-to-video", "jobs: [{image: cat.jpg}, {steps: 2}]", "cat.jpg")
    assert [reading.roles["image"] for reading in found] == ["cat.jpg", "cat.jpg"]
    found = readings("image-to-video", "jobs: [{image: a.jpg}, {steps: 2}]", "a.jpg", "b.jpg", name="holiday")
    assert [reading.roles["image"] for reading in found] == ["a.jpg", "b.jpg"]
    found = readings("image-to-video", "jobs: [{steps: 1}, {steps: 2}]", "cat.jpg")
    assert [(reading.number, reading.roles["image"]) for reading in found] == [(0, "cat.jpg"), (1, "cat.jpg")]


def test_a_file_of_the_wrong_kind_is_refused_where_it_is_named():
    (problem,) = refused("image-to-video", "steps: 2\nimage: tom.mp4", found=["tom.mp4"])
    assert (problem.code, problem.line) == ("media_kind", 2)
    assert problem.title == "image takes a picture, and tom.mp4 is a video."
    (problem,) = refused("image-to-video", "image: notes.txt", found=["notes.txt"])
    assert "no picture by its ending" in problem.title
    (problem,) = refused("motion-mimic", "{steps: 3}", "cat.image.mp4", "cat.jpg")
    assert problem.title == "image takes a picture, and cat.image.mp4 is a video."


def test_media_that_the_task_has_no_role_for_is_refused_with_the_folders_that_take_it():
    (problem,) = refused("image-to-video", None, "cat.mp4", kind="media")
    assert problem.fix == "Drop it into inbox/face-swap/, inbox/motion-mimic/."
    (problem,) = refused("text-to-video", None, "cat.jpg", kind="media")
    assert problem.fix == "Drop it into inbox/image-to-video/, inbox/face-swap/, inbox/motion-mimic/."
    (problem,) = refused("text-to-video", "prompt: a", "cat.jpg")
    assert problem.title == "text-to-video takes no picture such as cat.jpg."
    (problem,) = refused("image-to-video", "{steps: 3}", "cat.target.jpg")
    assert problem.fix == "Rename it to cat.image.jpg."
    (problem,) = refused("motion-mimic", "{steps: 3}", "cat.target.mp4", "cat.jpg")
    assert problem.fix == "Rename it to cat.reference.mp4."


def test_a_role_that_the_workflow_lacks_is_a_mistake_where_it_is_written():
    (problem,) = refused("image-to-video", "image: a.jpg\nreference: b.mp4", found=["a.jpg", "b.mp4"])
    assert (problem.code, problem.line) == ("field_not_taken", 2)


def test_of_a_live_photo_the_half_that_the_task_takes_plays():
    assert alone("image-to-video", None, "cat.jpg", "cat.mov").roles == {"image": "cat.jpg"}
    assert only("image-to-video", "{steps: 3}", "a.jpg", "a.mov", name="holiday").roles == {"image": "a.jpg"}
    (problem,) = refused("image-to-video", "{steps: 3}", "a.jpg", "b.mov", name="holiday")
    assert problem.title == "image-to-video takes no video such as b.mov."
    assert only("motion-mimic", "{steps: 3}", "cat.jpg", "cat.mov").roles == {
        "image": "cat.jpg",
        "reference": "cat.mov",
    }


def test_a_picture_that_moves_plays_a_video_or_by_its_first_frame_a_picture():
    assert alone("image-to-video", None, "cat.gif", animated=["cat.gif"]).roles == {"image": "cat.gif"}
    assert only("motion-mimic", "{steps: 3}", "cat.gif", "cat.jpg", animated=["cat.gif"]).roles == {
        "image": "cat.jpg", "reference": "cat.gif",
    }  # fmt: skip
    assert only("motion-mimic", "{steps: 3}", "cat.gif", "cat.mp4", animated=["cat.gif"]).roles == {
        "image": "cat.gif", "reference": "cat.mp4",
    }  # fmt: skip
    named = "image: a.jpg\nreference: b.webp"
    assert only("motion-mimic", named, found=["a.jpg", "b.webp"], animated=["b.webp"]).workflow.name == "mimic"
    (problem,) = refused("motion-mimic", named, found=["a.jpg", "b.webp"])
    assert problem.title == "reference takes a video, and b.webp is a picture."


def test_media_alone_is_a_job_only_where_the_default_workflow_needs_just_that():
    assert alone("image-to-video", None, "cat.jpg").workflow.name == "svd"
    for files in (["cat.jpg"], ["cat.mp4"], ["cat.jpg", "cat.mp4"]):
        assert missing("motion-mimic", None, *files, kind="media")
    assert missing("face-swap", None, "cat.source.jpg", "cat.target.jpg", kind="media")


def test_media_alone_waits_for_the_words_that_its_workflow_needs():
    shelf = library(flow("wan", "image-to-video", "prompt", prompt=True, image="picture"))
    with pytest.raises(Missing, match="needs more than cat alone"):
        read(dropped("image-to-video", None, "cat.jpg", kind="media"), shelf)
    assert read(dropped("image-to-video", "a cat", "cat.jpg", kind="text"), shelf)[0].roles == {"image": "cat.jpg"}


def test_every_mistake_of_every_job_is_named_at_once_with_the_workflows_limits():
    found = refused(
        "text-to-video", "steps: 90\nprompt: a\njobs:\n  - seed: x\n  - frames: 99\n  - widht: 3\n    prompt: b\n"
    )
    assert [(problem.code, problem.line, problem.field) for problem in found] == [
        ("out_of_range", 1, "steps"),
        ("wrong_type", 4, "seed"),
        ("out_of_range", 5, "frames"),
        ("unknown_field", 6, "widht"),
    ]


def test_a_field_that_is_wrong_already_is_not_called_missing_too():
    assert [problem.field for problem in refused("text-to-video", "prompt: [a]\nsteps: 90")] == ["prompt", "steps"]
    assert [problem.field for problem in refused("text-to-video", "promt: a")] == ["promt"]
    assert [problem.field for problem in refused("image-to-video", "image: ../a.jpg")] == ["image"]
    assert [problem.field for problem in refused("image-to-video", "steps: 90", "cat.jpg")] == ["steps"]


def test_of_several_jobs_each_without_a_prompt_is_pointed_at():
    found = refused("text-to-video", "jobs:\n  - prompt: a\n  - steps: 3\n  - steps: 4\n")
    assert [(problem.code, problem.line) for problem in found] == [("missing_field", 3), ("missing_field", 4)]


def test_an_unknown_preset_hides_no_other_mistake():
    assert [problem.field for problem in refused("text-to-video", "preset: x\nprompt: a\nsteps: 90")] == [
        "preset",
        "steps",
    ]
    assert [problem.field for problem in refused("image-to-video", "preset: x")] == ["preset"]
    assert [problem.field for problem in refused("text-to-video", "preset: x\nprompt: a")] == ["preset"]


def test_limits_are_told_before_media_is_waited_for():
    assert [problem.field for problem in refused("image-to-video", "steps: 90")] == ["steps"]


def test_a_task_without_workflows_says_which_have_some():
    shelf = library(TEXT)
    shelf.tasks["combined"] = []
    with pytest.raises(
        Rejected, match=r"No workflow for combined is built yet\. Drop it into one of: inbox/text-to-video/"
    ):
        read(dropped("combined", "prompt: a"), shelf)


@pytest.mark.parametrize(
    ("task", "wanted", "code"),
    [("text-to-video", "word", "unknown_workflow"), ("text-to-video", "svd", "wrong_task")],
)
def test_a_workflow_that_the_task_does_not_have_is_a_mistake(task, wanted, code):
    (problem,) = refused(task, f"prompt: a\nworkflow: {wanted}")
    assert (problem.code, problem.line) == (code, 2)


def test_a_job_that_was_parsed_already_is_not_parsed_again():
    job = parse_job(b"prompt: a")
    (reading,) = read(dropped("text-to-video", None), ALL, job)
    assert reading.job is job
    assert parse("text", b"a cat").settings.prompt == "a cat"
    with pytest.raises(Rejected):
        parse("job_file", b"seed: x")


def test_a_status_file_of_ours_is_read_as_the_job_that_it_tells_of():
    told = {"schema": 1, "kind": "job", "job": "1", "state": "done", "workflow": "words", "seed": 7}
    text = json.dumps({**told, "settings": {"prompt": "a", "steps": 3}})
    reading = only("text-to-video", text, kind="again", name="cat.status")
    assert (reading.settings.seed, reading.settings.rerun, reading.why) == (7, True, "named by the job")
    assert parse("again", text.encode()) == reading.job
    (problem,) = refused("text-to-video", "prompt: a", kind="again")
    assert problem.code == "not_ours"


def test_a_word_that_is_not_known_is_never_the_job_of_an_empty_file():
    for kind in ("job_file", "text", "again"):
        (problem,) = refused("image-to-video", None, "cat.jpg", kind=kind)
        assert problem.code == "not_readable"


def test_the_files_that_jobs_name_are_listed_once_each():
    job = parse_job(b"image: a.jpg\njobs: [{source: b/c.jpg}, {image: d.jpg, target: b/c.jpg}]")
    assert named_files(job) == ("a.jpg", "b/c.jpg", "d.jpg")


FILES = [
    f"{stem}.{ending}"
    for stem in ("cat", "cat.source", "cat.target", "source", "b")
    for ending in ("jpg", "mp4", "gif")
]


@given(
    st.sampled_from(["text-to-video", "image-to-video", "face-swap", "motion-mimic"]),
    st.lists(st.sampled_from(FILES), max_size=5, unique=True),
    st.sets(st.sampled_from(FILES)),
    st.sampled_from(["job_file", "text", "media"]),
    st.sampled_from([b"steps: 3", b"image: b.jpg", b"jobs: [{source: b.jpg}, {}]", b"{", b"target: no.mp4"]),
)
def test_any_files_are_read_refused_or_waited_for(task, files, animated, kind, text):
    drop = Dropped(task, "", "cat", kind, None if kind == "media" else text, tuple(files), {}, frozenset(animated))
    try:
        found = read(drop, ALL)
    except Missing as missing:
        assert missing.title.endswith(".")  # noqa: PT017
        assert missing.fix.endswith(".")  # noqa: PT017
        return
    except Rejected as refused:
        assert all(problem.title.endswith(".") and problem.fix for problem in refused.problems)  # noqa: PT017
        return
    for reading in found:
        assert reading.workflow.required_roles <= set(reading.roles)
        assert len(set(reading.roles.values())) == len(reading.roles)
        assert all(reading.workflow.roles[role] in drop.kinds(file) for role, file in reading.roles.items())


TEXTS = st.binary(max_size=80) | st.text("jobspresetimagewokflu: -[]{}\n#'\",19~", max_size=60).map(str.encode)


@given(st.sampled_from(["text-to-video", "face-swap"]), TEXTS, st.sampled_from(["job_file", "text", "again"]))
def test_any_bytes_are_read_refused_or_waited_for(task, data, kind):
    drop = Dropped(task, "a/b", "cat", kind, data, ("cat.jpg",))
    with suppress(Rejected, Missing):
        assert read(drop, ALL)


def test_an_earlier_job_with_switches_sliders_and_loras_is_read_again_as_it_ran():
    ours = load(config_parse(f"workflows_dir: {ROOT / 'workflows'}\nmodels_dir: {ROOT / 'models'}\n", ROOT))
    flow = ours.workflows["combined_pipeline"]
    asked = JobSettings.model_validate(
        {
            "prompt": "a",
            "sliders": {"age": 0.5},
            "loras": ({"name": "film", "weight": 0.5},),
            "switches": {"upscale": True},
        }
    )
    made = bind(flow, asked, 5, {"reference": "r [temp]"}, "p", ours.defaults)
    status = {
        "schema": 1, "kind": "job", "job": "x", "state": "done", "workflow": flow.name, "seed": 5,
        "settings": made.settings, "inputs": [{"role": "reference", "file": "r.mp4", "sha256": "0"}],
    }  # fmt: skip
    dropped = Dropped(flow.task, "", "x", "again", json.dumps(status).encode(), (), {"r.mp4": "media/r.mp4"})
    (again,) = read(dropped, ours)
    same = bind(flow, again.settings, 5, {"reference": "r [temp]"}, "p", ours.defaults)
    assert (same.graph, same.settings) == (made.graph, made.settings)

import copy
import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service import graph as graphs
from service import manifest as manifests
from service import manifest_keys, manifest_loras, manifest_needs, manifest_switches, switching
from service.choosing import choose
from service.declaration import reference
from service.errors import Rejected
from service.job import Expected, MediaFacts, MediaKind
from service.jobfile import JobSettings
from service.workflow import bind, check, parse
from tests import pages

FOLDER = Path(__file__).parent.parent / "workflows"
DEFAULTS = {
    "fps": 12, "frames": 16, "max_frames": 64, "steps": 20, "cfg": 7.5, "sampler": "euler_ancestral",
    "checkpoint": "realisticVision_v51.safetensors", "vae": "vae-ft-mse-840000-ema-pruned.safetensors",
}  # fmt: skip


def shipped(name):
    return parse(name, (FOLDER / f"{name}.json").read_bytes(), (FOLDER / f"{name}.yaml").read_bytes())


TEXT = shipped("text_to_video_basic")
SVD = shipped("image_to_video_svd")
BOTH = [TEXT, SVD]
SHIPPED = [shipped(path.stem) for path in sorted(FOLDER.glob("*.yaml"))]

GRAPH = {
    "1": {"class_type": "Loader", "inputs": {"name": "a"}},
    "2": {"class_type": "Lora", "inputs": {"model": ["1", 0], "clip": ["1", 1], "strength": 0}},
    "3": {
        "class_type": "Sampler",
        "inputs": {"model": ["2", 0], "clip": ["2", 1], "steps": 20, "frames": 81},
        "_meta": {"title": "S"},
    },
    "4": {"class_type": "Save", "inputs": {"images": ["3", 0], "filename_prefix": "x"}},
}
MANIFEST = """\
schema: 1
title: T
parameters:
  frames: {type: whole, minimum: 5, maximum: 161, multiple_of: 4, base: 1, to: {title: S, input: frames}}
  steps: {type: whole, minimum: 1, maximum: 50, to: {node: '3', input: steps}}
optional_nodes: [{node: '2', strength: strength, passes: [model, clip]}]
output: {node: '4'}
"""


def made(manifest=MANIFEST, graph=None):
    return parse("my_flow", json.dumps(graph or GRAPH).encode(), manifest.encode())


def settings(**fields):
    return JobSettings.model_validate(fields)


def picture(width, height):
    return {"image": MediaFacts(MediaKind.PICTURE, "png", width, height, 1, None, None, "png", audio=False)}


def text_bound(**fields):
    return bind(TEXT, settings(prompt="a harbour", **fields), 5, {}, "reeldrop/j", DEFAULTS)


def svd_bound(facts=None, **fields):
    return bind(SVD, settings(**fields), 5, {"image": "cat.png [temp]"}, "reeldrop/j", DEFAULTS, facts)


def problems_of(act):
    with pytest.raises(Rejected) as caught:
        act()
    return caught.value.problems


MODELS = [
    "Manifest",
    "Parameter",
    "Target",
    "MediaRole",
    "Sizes",
    "Length",
    "Switch",
    "SwitchedNode",
    "SetValue",
    "Configured",
    "OptionalNode",
    "LoraPlace",
    "OutputOf",
    "SliderFiles",
    "SliderFile",
    "Chunks",
    "Output",
    "Needs",
    "Pack",
    "ModelFile",
]


def takes(flow):
    everywhere = {"workflow", "count", "preset", "priority", "output", "rerun", "consent", "shrink", "matrix"}
    return ", ".join(sorted(field for field in flow.fields - everywhere if "." not in field))


def workflow_parts():
    rows = ["| workflow | task | takes |", "| --- | --- | --- |"]
    rows += [f"| `{flow.name}`: {flow.title} | `{flow.task}` | {takes(flow)} |" for flow in SHIPPED]
    rooms = (manifests, manifest_keys, manifest_needs, manifest_switches, manifest_loras)
    declared = {name: found for room in rooms for name in MODELS if (found := getattr(room, name, None)) is not None}
    tables = {f"manifest {name}": reference(declared[name]) for name in MODELS}
    return {"workflows": "\n".join(rows) + "\n", **tables}


# what comes with us


def test_a_workflow_knows_what_it_is():
    assert (TEXT.task, TEXT.needs_prompt, TEXT.roles, TEXT.required_roles) == ("text-to-video", True, {}, frozenset())
    assert (SVD.task, SVD.needs_prompt, SVD.roles) == ("image-to-video", False, {"image": MediaKind.PICTURE})
    assert SVD.required_roles == {"image"}


def test_the_hash_is_of_the_graph_and_not_of_the_files_layout():
    canonical = json.dumps(dict(TEXT.graph), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert TEXT.graph_hash == hashlib.sha256(canonical).hexdigest()
    loose = json.dumps(dict(reversed(GRAPH.items())), indent=3).encode()
    assert parse("a", loose, MANIFEST.encode()).graph_hash == made().graph_hash


def test_every_model_in_a_graph_is_listed_as_needed():
    for flow in BOTH:
        needed = {model.file for model in flow.manifest.needs.models}
        bound = bind(
            flow,
            settings(**({"prompt": "a"} if flow.needs_prompt else {})),
            1,
            dict.fromkeys(flow.roles, "x"),
            "p",
            DEFAULTS,
        )
        named = {
            value
            for node in bound.graph.values()
            for value in node["inputs"].values()
            if str(value).endswith((".safetensors", ".ckpt"))
        }
        assert named == needed


# choosing


def test_the_first_of_the_tasks_list_is_chosen():
    flow, why = choose(BOTH, "text-to-video", ["text_to_video_basic"], None, {}, {"prompt", "count", "seconds"})
    assert (flow.name, why) == ("text_to_video_basic", "first of text-to-video's list")


def test_the_first_that_takes_everything_is_chosen():
    flow, why = choose(BOTH, "any", ["missing", "image_to_video_svd", "text_to_video_basic"], None, {}, {"prompt"})
    assert (flow.name, why) == ("text_to_video_basic", "first of any's list that takes everything that the job sets")


def test_the_one_that_the_job_names_is_chosen():
    flow, why = choose(BOTH, "text-to-video", [], "text_to_video_basic", {}, {"prompt", "workflow"})
    assert (flow.name, why) == ("text_to_video_basic", "named by the job")


@pytest.mark.parametrize(
    ("task", "wanted", "media", "fields", "code", "words"),
    [
        ("image-to-video", None, {"image": MediaKind.PICTURE}, {"prompt"}, "field_not_taken", "Take prompt out."),
        ("image-to-video", None, {}, set(), "media_missing", "needs a picture as image"),
        ("image-to-video", None, {"image": MediaKind.VIDEO}, set(), "media_kind", "not a video"),
        ("text-to-video", None, {"image": MediaKind.PICTURE}, set(), "media_unwanted", "takes no picture"),
        ("text-to-video", None, {"image": MediaKind.PICTURE}, {"image"}, "field_not_taken", "Take image out."),
        ("text-to-video", "text_to_vidoe_basic", {}, set(), "unknown_workflow", "Did you mean text_to_video_basic?"),
        ("text-to-video", "image_to_video_svd", {}, set(), "wrong_task", "inbox/image-to-video/"),
        ("text-to-video", "text_to_video_nsfw", {}, set(), "unknown_workflow", "text_to_video_nsfw"),
        ("face-swap", None, {}, set(), "not_built_yet", "face-swap"),
    ],
)
def test_a_job_that_no_workflow_takes_is_told_why(task, wanted, media, fields, code, words):
    order = {"image-to-video": ["image_to_video_svd"], "text-to-video": ["text_to_video_basic"]}.get(task, [])
    (problem,) = problems_of(lambda: choose(BOTH, task, order, wanted, media, fields))
    assert problem.code == code
    assert words in problem.sentence()


def test_of_several_refusals_the_shortest_is_told():
    fields = {"prompt", "negative_prompt", "image"}
    found = problems_of(
        lambda: choose(
            BOTH, "any", ["image_to_video_svd", "text_to_video_basic"], None, {"image": MediaKind.PICTURE}, fields
        )
    )
    assert [problem.field for problem in found] == ["image"]


def test_all_nine_names_of_the_design_are_known():
    design = {
        "text_to_video_basic", "text_to_video_nsfw", "image_to_video_animatediff", "image_to_video_svd",
        "face_swap_basic", "face_swap_video", "pose_guided_generation", "motion_transfer_magicanimate",
        "combined_pipeline",
    }  # fmt: skip
    assert design <= {flow.name for flow in SHIPPED}


# checking


def test_a_prompt_that_is_needed_is_asked_for():
    assert [(problem.code, problem.field) for problem in check(TEXT, settings(seed=3))] == [("missing_field", "prompt")]


@pytest.mark.parametrize(
    ("flow", "fields", "field", "words"),
    [
        (TEXT, {"width": 1025}, "width", "at most 1024"),
        (TEXT, {"width": 63}, "width", "at least 64"),
        (TEXT, {"steps": 151}, "steps", "Write steps: 150."),
        (TEXT, {"fps": 0.5}, "fps", "at least 1"),
        (TEXT, {"frames": 65}, "frames", "max_frames in config.yaml"),
        (SVD, {"seconds": 0.1}, "seconds", "Write seconds: 0.25 or more."),
        (TEXT, {"seconds": 10}, "seconds", "120 frames, and text_to_video_basic takes 1 to 64. Write seconds: 5.33"),
        (SVD, {"frames": 51}, "frames", "Write frames: 50."),
        (SVD, {"vae": "x"}, "vae", "takes no vae"),
        (SVD, {"cfg": 11.0}, "cfg", "at most 10"),
    ],
)  # fmt: skip
def test_a_value_beyond_the_limits_is_refused(flow, fields, field, words):
    given_fields = {**fields, **({"prompt": "a"} if flow is TEXT else {})}
    (problem,) = check(flow, settings(**given_fields), DEFAULTS)
    assert problem.field == field
    assert words in problem.sentence()


def test_every_problem_is_named_at_once():
    found = check(TEXT, settings(width=5000, height=1, image="a.jpg", fps=100.0), DEFAULTS)
    assert {problem.field for problem in found} == {"prompt", "width", "height", "image", "fps"}


def test_a_fraction_where_a_whole_number_goes_is_refused():
    flow = made(MANIFEST.replace("frames: {type", "fps: {type: whole, to: {node: '3', input: steps}}\n  frames: {type"))
    (problem,) = check(flow, settings(fps=12.5))
    assert (problem.field, problem.fix) == ("fps", "Write fps: 12.")


# binding


def test_everything_goes_where_the_manifest_says():
    bound = text_bound(
        negative_prompt="fog", width=768, height=512, frames=24, fps=8.0, steps=4, cfg=6.0, sampler="ddim",
        scheduler="karras",
        checkpoint="c.safetensors", vae="v.safetensors",
    )  # fmt: skip
    inputs = {name: node["inputs"] for name, node in bound.graph.items()}
    assert (inputs["5"]["text"], inputs["6"]["text"]) == ("a harbour", "fog")
    assert (inputs["11"]["width"], inputs["11"]["height"], inputs["11"]["batch_size"]) == (768, 512, 24)
    assert {key: inputs["12"][key] for key in ("seed", "steps", "cfg", "sampler_name", "scheduler")} == {
        "seed": 5, "steps": 4, "cfg": 6, "sampler_name": "ddim", "scheduler": "karras",
    }  # fmt: skip
    assert (inputs["1"]["ckpt_name"], inputs["2"]["vae_name"]) == ("c.safetensors", "v.safetensors")
    assert (inputs["14"]["frame_rate"], inputs["14"]["filename_prefix"], inputs["14"]["crf"]) == (8, "reeldrop/j", 19)
    assert bound.expected == Expected(768, 512, 8, 24, audio=False)
    assert bound.output_node == "14"
    assert bound.adjusted == []


def test_what_a_job_leaves_open_comes_from_the_configuration_where_the_manifest_is_silent():
    bound = bind(
        TEXT, settings(prompt="a"), 5, {}, "p", {**DEFAULTS, "fps": 10, "frames": 20, "steps": 9, "sampler": "lcm"}
    )
    keys = ("fps", "frames", "steps", "sampler", "scheduler", "width", "seconds")
    assert {key: bound.settings[key] for key in keys} == {
        "fps": 10, "frames": 20, "steps": 9, "sampler": "lcm", "scheduler": "normal", "width": 512, "seconds": 2.0,
    }  # fmt: skip
    assert bound.settings["negative_prompt"] == TEXT.graph["6"]["inputs"]["text"]


def test_the_manifests_own_values_win_over_the_configuration():
    bound = svd_bound()
    assert bound.settings == {
        "seed": 5, "steps": 20, "cfg": 2.5, "sampler": "euler", "scheduler": "karras", "fps": 8, "frames": 25,
        "checkpoint": "svd_xt.safetensors", "width": 1024, "height": 576, "seconds": 3.125,
    }  # fmt: skip
    assert bound.graph["2"]["inputs"]["image"] == "cat.png [temp]"
    assert bound.graph["3"]["inputs"]["fps"] == 6


def test_without_a_configuration_the_graph_decides():
    bound = bind(TEXT, settings(prompt="a"), 1, {}, "p", {})
    assert (bound.settings["frames"], bound.settings["cfg"]) == (16, 7.5)


def test_a_configuration_beyond_the_workflows_limits_is_brought_within_them():
    bound = bind(TEXT, settings(prompt="a"), 1, {}, "p", {**DEFAULTS, "steps": 900, "frames": 16})
    assert bound.settings["steps"] == 150
    assert bound.adjusted == ["steps 900 became 150: the limit of text_to_video_basic"]


@pytest.mark.parametrize(
    ("facts", "fields", "size"),
    [
        ((600, 800), {}, (576, 1024)),
        ((800, 600), {}, (1024, 576)),
        ((500, 500), {}, (1024, 576)),
        ((1, 16384), {}, (576, 1024)),
        ((600, 800), {"width": 512}, (512, 912)),
        ((600, 800), {"height": 512}, (288, 512)),
        ((600, 800), {"width": 1280}, (1280, 1280)),
        ((800, 600), {"width": 512, "height": 512}, (512, 512)),
        (None, {}, (1024, 576)),
        (None, {"width": 512}, (512, 576)),
    ],
)
def test_sizes_follow_the_picture_where_the_job_leaves_them_open(facts, fields, size):
    bound = svd_bound(picture(*facts) if facts else None, **fields)
    assert (bound.settings["width"], bound.settings["height"]) == size
    assert bound.adjusted == []


def test_a_value_that_misses_its_rule_is_moved_and_said():
    bound = text_bound(width=500, height=516)
    assert (bound.settings["width"], bound.settings["height"]) == (504, 520)
    assert bound.adjusted == ["width 500 became 504: a multiple of 8", "height 516 became 520: a multiple of 8"]


@pytest.mark.parametrize(("asked", "kept"), [(80, 81), (81, 81), (82, 81), (83, 85), (5, 5), (6, 5), (161, 161)])
def test_frames_follow_4n_plus_1(asked, kept):
    bound = bind(made(), settings(frames=asked), 1, {}, "p", {})
    assert bound.settings["frames"] == kept
    assert bound.adjusted == ([] if asked == kept else [f"frames {asked} became {kept}: 4n + 1"])


@pytest.mark.parametrize(
    ("seconds", "fps", "frames"), [(1.3, None, 16), (1.0, None, 12), (0.01, None, 1), (2.0, 8.0, 16), (1.0, 12.5, 13)]
)
def test_seconds_become_frames_by_the_rate(seconds, fps, frames):
    bound = text_bound(seconds=seconds, **({"fps": fps} if fps else {}))
    assert bound.settings["frames"] == bound.graph["11"]["inputs"]["batch_size"] == frames
    assert bound.expected.frames == frames


def test_seconds_that_miss_the_rule_are_said():
    manifest = MANIFEST.replace("steps: {type: whole, minimum: 1, maximum: 50", "fps: {type: number, default: 16")
    bound = bind(made(manifest), settings(seconds=1.3), 1, {}, "p", {})
    assert (bound.settings["frames"], bound.adjusted) == (21, [])
    bound = bind(made(manifest), settings(seconds=1.4), 1, {}, "p", {})
    assert (bound.settings["frames"], bound.adjusted) == (21, ["seconds 1.4 became 1.31: frames are 4n + 1"])


def test_a_lora_of_strength_nothing_is_left_out_and_linked_around():
    bound = text_bound()
    assert not {"3", "4"} & set(bound.graph)
    assert bound.graph["10"]["inputs"]["model"] == ["1", 0]
    small = bind(made(), settings(), 1, {}, "p", {})
    assert small.graph["3"]["inputs"]["model"] == ["1", 0]
    assert small.graph["3"]["inputs"]["clip"] == ["1", 1]


def test_a_lora_with_a_strength_stays():
    graph = copy.deepcopy(GRAPH)
    graph["2"]["inputs"]["strength"] = 0.5
    assert bind(made(graph=graph), settings(), 1, {}, "p", {}).graph["3"]["inputs"]["model"] == ["2", 0]


def test_binding_never_changes_the_workflow():
    before = json.dumps(TEXT.graph)
    text_bound(width=64).graph["5"]["inputs"].clear()
    assert json.dumps(TEXT.graph) == before


def test_the_weights_cover_the_graph_and_lean_on_the_sampler():
    bound = text_bound()
    assert set(bound.weights) == set(bound.graph)
    assert sum(bound.weights.values()) == pytest.approx(1)
    assert max(bound.weights, key=bound.weights.get) == "12"


def test_binding_refuses_what_checking_would():
    found = problems_of(lambda: bind(SVD, settings(prompt="a", frames=99), 1, {}, "p", DEFAULTS))
    assert [problem.code for problem in found] == ["field_not_taken", "out_of_range", "media_missing"]


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "width": st.integers(1, 2000), "height": st.integers(1, 2000), "frames": st.integers(1, 200),
            "steps": st.integers(1, 300), "cfg": st.floats(0, 100), "fps": st.floats(0.1, 500),
            "prompt": st.text(min_size=1, max_size=9),
        },
    ),
    st.tuples(st.integers(1, 9000), st.integers(1, 9000)),
)  # fmt: skip
def test_what_is_bound_is_within_the_limits_and_the_rules(fields, size):
    try:
        asked = settings(**fields)
    except ValueError:
        return
    for flow in BOTH:
        problems = check(flow, asked, DEFAULTS)
        if problems:
            assert all(problem.fix and problem.field for problem in problems)
            continue
        bound = bind(flow, asked, 1, dict.fromkeys(flow.roles, "x"), "p", DEFAULTS, picture(*size))
        for name, parameter in flow.manifest.parameters.declared().items():
            value = bound.settings[name]
            assert parameter.minimum is None or value >= parameter.minimum
            assert parameter.maximum is None or value <= parameter.maximum
            assert parameter.multiple_of is None or value % parameter.multiple_of == 0
        assert all(source in bound.graph for _, _, source, _ in graphs.links(bound.graph))


# files that are wrong


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("node: '3'", "node: '7'", 5, "The graph has no node 7."),
        ("input: steps", "input: step", 5, "Did you mean steps?"),
        ("input: steps", "input: model", 5, "is a link"),
        ("title: S, input", "title: Z, input", 4, "No nodes of the graph have the title 'Z'."),
        ("passes: [model, clip]", "passes: [model]", 6, "output 1"),
        ("passes: [model, clip]", "passes: [model, strength]", 6, "no link strength"),
        ("node: '2'", "node: '0'", 6, "no node 0"),
        ("output: {node: '4'}", "output: {node: '3'}", 7, "no input filename_prefix"),
        ("output:", "progress: {'8': 3}\noutput:", 7, "no node 8"),
        ("output:", "media: {image: {kind: picture, node: '9', input: image}}\noutput:", 7, "no node 9"),
        ("output:", "sizes: {follow: image, shapes: [[64, 64]]}\noutput:", 7, "media doesn't have"),
        ("output:", "needs: {models: [{folder: vae, file: x, parameter: vae}]}\noutput:", 7, "no parameter vae"),
    ],
)
def test_a_manifest_that_does_not_fit_its_graph_is_refused(old, new, line, words):
    assert old in MANIFEST
    (problem,) = problems_of(lambda: made(MANIFEST.replace(old, new)))
    assert (problem.code, problem.line) == ("bad_manifest", line)
    assert words in problem.sentence()


def test_a_workflow_without_a_task_has_a_folder_of_its_own():
    assert made().task == "my-flow"


@pytest.mark.parametrize(
    ("graph", "code"),
    [
        (b"", "not_json"),
        (b"{", "not_json"),
        (b"[]", "bad_graph"),
        (b"{}", "bad_graph"),
        (b"\xff\xfe{", "not_utf8"),
        (b'{"1": {"class_type": "A", "inputs": {}}, "1": {"class_type": "B", "inputs": {}}}', "not_json"),
        (b'{"1": {"class_type": "A", "inputs": {"x": NaN}}}', "not_json"),
        (b"[" * 100_000, "not_json"),
        (b'{"1": {"class_type": "A"}}', "bad_graph"),
        (b'{"1": 3}', "bad_graph"),
        (b'{"1": {"class_type": "A", "inputs": {"x": ["2", 0]}}}', "bad_graph"),
        (b'{"nodes": [], "links": [], "version": 0.4}', "ui_format"),
        (b" " * 5_000_001, "too_large"),
    ],
)
def test_a_file_that_is_no_graph_is_refused(graph, code):
    assert problems_of(lambda: parse("x", graph, MANIFEST.encode()))[0].code == code


# the documentation


def test_the_documentation_lists_the_manifests_keys_as_declared():
    assert pages.parts("workflows.md") == workflow_parts()


def test_the_manifest_in_the_documentation_fits_the_graph_that_it_is_about():
    (text,) = (text for text in pages.examples("workflows.md") if text.startswith("schema: 1\n"))
    flow = parse("tiny", (FOLDER / "text_to_video_basic.json").read_bytes(), text.encode())
    assert bind(flow, settings(prompt="a"), 1, {}, "p", DEFAULTS).settings["frames"] == 16


def silent(flow, audio):
    facts = MediaFacts(MediaKind.VIDEO, "mp4", 64, 64, 24, 12.0, 2.0, "h264", audio)
    return bind(
        flow, settings(consent=True), 1, {"target": "t.mp4", "source": "s.png"}, "p", DEFAULTS, {"target": facts}
    )


def test_the_sound_of_a_silent_video_is_asked_of_nobody():
    flow = next(flow for flow in SHIPPED if flow.name == "face_swap_video")
    assert "audio" in silent(flow, audio=True).graph["6"]["inputs"]
    bound = silent(flow, audio=False)
    assert "audio" not in bound.graph["6"]["inputs"]
    assert bound.expected.audio is False


def test_the_sound_of_a_silent_video_that_is_taken_apart_is_asked_of_nobody():
    graph = {
        "1": {"class_type": "LoadVideo", "inputs": {"file": "t.mp4"}},
        "2": {"class_type": "GetVideoComponents", "inputs": {"video": ["1", 0]}},
        "3": {"class_type": "CreateVideo", "inputs": {"images": ["2", 0], "fps": 12, "audio": ["2", 1]}},
        "4": {"class_type": "CreateVideo", "inputs": {"images": ["2", 0], "fps": 12, "audio": ["9", 0]}},
    }
    switching.leave_out_sound(graph, {"1"})
    assert "audio" not in graph["3"]["inputs"]
    assert "audio" in graph["4"]["inputs"]

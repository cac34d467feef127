from pathlib import Path

import pytest

from service import config
from service.config import Backend, Config, default, generate, parse
from service.config_keys import GROUPS, TASKS
from service.errors import Rejected
from tests import pages

HERE = Path("/srv/reeldrop")
#: The first design's own file, word for word; what each of its keys does: tests/line/test_design_config.py.
DESIGN = (Path(__file__).parent / "design-config.yaml").read_text(encoding="utf-8")


def problems_of(text):
    with pytest.raises(Rejected) as caught:
        parse(text, HERE)
    return caught.value.problems


def only(text):
    (problem,) = problems_of(text)
    return problem


def config_parts():
    tasks = ["| folder | workflows |", "| --- | --- |"]
    tasks += [
        f"| `{task}` | {', '.join(f'`{name}`' for name in names) or 'not built yet'} |" for task, names in TASKS.items()
    ]
    return {"config keys": config.reference(), "tasks": "\n".join(tasks) + "\n"}


def test_the_file_that_comes_with_us_is_what_the_declaration_generates():
    assert (Path(__file__).parent.parent / "config.yaml").read_text(encoding="utf-8") == generate()


def test_the_generated_file_reads_as_the_defaults():
    assert parse(generate(), HERE) == default(HERE)


@pytest.mark.parametrize("text", ["", "# nothing\n", "{}"])
def test_an_empty_file_has_the_defaults(text):
    assert parse(text, HERE) == default(HERE)


def test_every_key_is_generated_once_with_a_word_on_it():
    names = [name for group in GROUPS.values() for name in group]
    assert sorted(names) == sorted(Config.model_fields)
    lines = generate().splitlines()
    for name in names:
        # A key whose default is its absence can only stand there as a comment.
        begins = f"{name}:" if Config.model_fields[name].default is not None else f"# For example: {name}:"
        (at,) = [number for number, line in enumerate(lines) if line.startswith(begins)]
        assert lines[at - 1].startswith("# ")


def test_the_designs_own_file_loads_as_it_is():
    loaded = parse(DESIGN, HERE)
    assert loaded.output_dir == HERE / "outputs"
    assert loaded.model_copy(update={"output_dir": HERE / "outbox"}) == default(HERE)


def test_the_designs_keys_come_first_and_in_its_order():
    keys = [line.split(":")[0] for line in DESIGN.splitlines() if ":" in line]
    assert [name for group in GROUPS.values() for name in group][: len(keys)] == keys


def test_relative_paths_start_at_the_files_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ann")
    loaded = parse("inbox_dir: ../share/in\noutput_dir: /mnt/out\nstate_dir: ~/state\n", HERE)
    assert (loaded.inbox_dir, loaded.output_dir, loaded.state_dir) == (
        Path("/srv/share/in"), Path("/mnt/out"), Path("/home/ann/state"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "code", "place", "words"),
    [
        ("nsfw_enabled: yes", "wrong_type", (1, 15), "Write nsfw_enabled: true."),
        ("a: 1\n", "unknown_field", (1, 1), "There is no key a. The keys are"),
        ("inbox: x", "unknown_field", (1, 1), "Did you mean inbox_dir?"),
        ("watch: {mode: poll}", "bad_value", (1, 15), "Did you mean polling?"),
        ("log_level: info", "bad_value", (1, 12), "Did you mean INFO?"),
        ("watch:\n  quiet_second: 3", "unknown_field", (2, 3), "Did you mean quiet_seconds?"),
        ("watch:\n  quiet_seconds: -3", "out_of_range", (2, 18), "0 or more"),
        ("watch: 3", "wrong_type", (1, 8), "watch must be keys, not 3."),
        ("default_frames: 99", "conflict", (1, 1), "max_frames"),
        ("max_frames: 8", "conflict", (1, 1), "max_frames"),
        ("backends: http://a", "wrong_type", (1, 11), "backends: [{name: gpu-1"),
        ("backends:\n- name: a\n", "missing_field", (2, 3), "Add for example url:"),
        ("backends: [{name: A b, url: http://a}]", "bad_value", (1, 19), "a-z"),
        ("backends: [{name: embedded, url: http://a}]", "bad_value", (1, 12), "gpu-1"),
        ("backends: [{name: a, url: 'a:8188'}]", "bad_value", (1, 27), "http://"),
        ("backends: [{name: a, url: 'http://'}]", "bad_value", (1, 27), "http://"),
        ("backends: [{name: a, url: 'http://u:p@h'}]", "bad_value", (1, 27), "password"),
        ("backends: [{name: a, url: 'http://h:99999'}]", "bad_value", (1, 27), "http://"),
        ("backends: [{name: a, url: 'http://a'}, {name: a, url: 'http://b'}]", "conflict", (1, 47), "name of its own"),
        ("backends: [{name: a, url: 'http://a/'}, {name: b, url: 'HTTP://A'}]", "conflict", (1, 56), "server once"),
        ("backends: [{name: a, url: 'http://a', windows: [noon]}]", "bad_value", (1, 49), "mon-fri 22:00-06:00"),
        ("backends: [{name: a, url: 'http://a', windows: 'mo 1:00-2:00'}]", "bad_value", (1, 48), "mo is no day"),
        ("backends: [{name: a, url: 'http://a', weight: 0}]", "out_of_range", (1, 47), "0.01 or more"),
        ("backends: [{name: a, url: 'http://a', tls_verify: 1}]", "wrong_type", (1, 51), "tls_verify: true"),
        ("backends: [{name: a, url: 'http://a', token: x, token_file: y}]", "conflict", (1, 12), "Keep one of them"),
        ("backends: [{name: a, url: 'http://a', token_variable: a b}]", "bad_value", (1, 55), "GPU_1_TOKEN"),
        ("backends: [{name: a, url: 'http://a', headers: {a b: c}}]", "bad_value", (1, 48), "X-Api-Key"),
        ("backends: [{name: a, url: 'http://a', headers: {Authorization: c}}]", "bad_value", (1, 48), "token_file"),
        ("backends: [{name: a, url: 'http://a', headers: {Host: c}}]", "bad_value", (1, 48), "Take it out"),
        ("backends: [{name: a, url: 'http://a', shared_folder: var}]", "conflict", (1, 39), "state_dir overlap"),
        (
            "output_dir: c/output/x\nbackends:\n- name: a\n  url: http://a\n  shared_folder: c",
            "conflict",
            (5, 3),
            "overlap",
        ),
        ("backends: [{name: a, url: 'http://a', restart_command: reboot}]", "wrong_type", (1, 56), "systemctl"),
        ("engine: embedded\nbackends: [{name: a, url: 'http://a'}]", "conflict", (1, 1), "engine: auto"),
        ("tasks: {Bad Name: [x]}", "bad_value", (1, 19), "a-z"),
        ("tasks: {done: [x]}", "bad_value", (1, 8), "another name"),
        ("tasks: {adult: [x]}", "bad_value", (1, 8), "nsfw_enabled: true"),
        ("tasks: {x: [text_to_video_nsfw]}", "bad_value", (1, 8), "Take the line out"),
        ("default_checkpoint: a/PonydiffusionV6XL.ckpt", "conflict", (1, 1), "another default_checkpoint"),
        ("tasks: {text-to-video: x}", "wrong_type", (1, 24), "text-to-video: [text_to_video_basic]"),
        ("output_dir: $HOME/x", "bad_path", (1, 13), "whole path"),
        ("output_dir: ~ann/x", "bad_path", (1, 13), "whole path"),
        ("output_dir: 5", "wrong_type", (1, 13), "./outbox"),
        ("output_dir: ''", "bad_path", (1, 13), "folder"),
        ("log_level:", "empty_field", (1, 1), "take the line out"),
        ("age_slider_range: [0, 1, 2]", "bad_value", (1, 19), "not 3"),
        ("age_slider_range: [0.5, 1]", "conflict", (1, 1), "a default between the two"),
        ("body_slider_range: [1, -1]", "conflict", (1, 1), "the smaller limit first"),
        ("body_slider_range: [-3, 1]", "out_of_range", (1, 21), "-1"),
        ("age_slider_default: 1.5", "out_of_range", (1, 21), "1"),
        ("max_cells: 0", "out_of_range", (1, 12), "1"),
        ("- a", "not_fields", (1, 1), "Write keys as name: value, without a dash"),
        ("a b c", "not_fields", (1, 1), "holds no keys"),
        ("media_roots: /mnt/photos", "wrong_type", (1, 14), "media_roots: [/mnt/photos]"),
        ("media_roots: [5]", "wrong_type", (1, 15), "a folder's path"),
        ("media_roots: [a, $HOME/x]", "bad_path", (1, 18), "whole path"),
        ("media_roots: [a, ./var/work]", "conflict", (1, 18), "lies inside state_dir"),
        ("media_roots: [/]", "conflict", (1, 15), "/ in media_roots holds inbox_dir."),
        ("media_roots: [./inbox]", "conflict", (1, 15), "media_roots is inbox_dir."),
    ],
)
def test_a_mistake_has_its_code_place_and_cure(text, code, place, words):
    problem = only(text)
    assert (problem.code, (problem.line, problem.column)) == (code, place)
    assert words in problem.sentence()
    assert problem.sentence().startswith(f"config.yaml, line {place[0]}, column {place[1]}: ")
    assert "field" not in problem.sentence()


def test_every_mistake_is_named_at_once():
    found = problems_of("log_level: info\nfoo: 1\nvideo_format: mkv\ndefault_fps: '12'\nbackends: [{}, {}]\n")
    assert [problem.line for problem in found] == [1, 2, 3, 4, 5, 5, 5, 5]
    assert len({problem.sentence() for problem in found}) == len(found)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("output_dir: inbox/x", "output_dir lies inside inbox_dir."),
        ("output_dir: ./inbox", "inbox_dir and output_dir are the same folder."),
        ("inbox_dir: outbox/../outbox/in", "inbox_dir lies inside output_dir."),
        ("state_dir: outbox/var", "state_dir lies inside output_dir."),
        ("models_dir: inbox/models", "models_dir lies inside inbox_dir."),
        ("temp_dir: var", "state_dir and temp_dir are the same folder."),
    ],
)
def test_folders_inside_one_another_are_refused(text, said):
    problem = only(text)
    assert (problem.code, problem.title, problem.line) == ("conflict", said, 1)


def test_media_roots_are_folders_like_all_others(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ann")
    roots = parse("media_roots: [/mnt/photos, ../clips/, ~/pictures, outbox]", HERE).media_roots
    assert roots == (Path("/mnt/photos"), Path("/srv/clips"), Path("/home/ann/pictures"), HERE / "outbox")


def test_a_configuration_of_another_name_is_called_by_it():
    with pytest.raises(Rejected, match=r"^mine\.yaml, line 2, column 1: There is no key b"):
        parse("log_level: INFO\nb: 1\n", HERE, "mine.yaml")
    with pytest.raises(Rejected, match=r"^config\.yaml, line 1, column 4: "):
        parse("a: 'x\n", HERE)


def test_names_that_only_begin_alike_do_not_overlap():
    assert parse("inbox_dir: /a/in\noutput_dir: /a/inbox\ntemp_dir: ./var/tmp\n", HERE)


def test_tasks_add_to_the_usual_ones():
    loaded = parse("tasks: {image-to-video: [mine, image_to_video_svd], my-own: [my_own]}", HERE)
    assert loaded.tasks == {
        **TASKS,
        "image-to-video": ("mine", "image_to_video_svd"),
        "my-own": ("my_own",),
    }
    assert default(HERE).tasks["face-swap"] == TASKS["face-swap"]


def test_workflows_that_nobody_listed_come_after_ours():
    found = {
        "b_flow": "text-to-video",
        "a_flow": "text-to-video",
        "text_to_video_basic": "text-to-video",
        "my_own": "my-own",
    }
    assert default(HERE).task_lists(found) == {
        **TASKS,
        "text-to-video": (*TASKS["text-to-video"], "a_flow", "b_flow"),
        "my-own": ("my_own",),
    }


def test_a_list_in_the_configuration_stays_as_it_is_written():
    loaded = parse("tasks: {text-to-video: [mine]}", HERE)
    assert loaded.task_lists({"text_to_video_basic": "text-to-video", "mine": "text-to-video"}) == loaded.tasks


def test_backends_are_read_with_their_address_tidied():
    (backend,) = parse("backends: [{name: gpu-1, url: 'http://10.0.0.5:8188/'}]", HERE).backends
    assert (backend.name, backend.url) == ("gpu-1", "http://10.0.0.5:8188")


def test_what_workflows_leave_open_comes_from_here():
    assert parse("default_fps: 8\nvae: other.safetensors\n", HERE).workflow_defaults() == {
        "fps": 8, "frames": 16, "max_frames": 64, "steps": 20, "cfg": 7.5, "sampler": "euler_ancestral",
        "checkpoint": "realisticVision_v51.safetensors", "vae": "other.safetensors",
        "video_format": "mp4", "video_codec": "libx264", "face_enhancer": "gfpgan", "face_swap_model": "inswapper_128",
        "adult_checkpoint": "ponyDiffusionV6XL.safetensors",
        "age_slider_default": 0.0, "age_slider_range": (-1.0, 1.0),
        "body_slider_default": 0.0, "body_slider_range": (-1.0, 1.0),
    }  # fmt: skip


def test_a_configuration_never_changes():
    with pytest.raises(ValueError, match="frozen"):
        default(HERE).default_fps = 3


def test_the_documentation_lists_the_keys_as_declared():
    assert pages.parts("configuration.md") == config_parts()


@pytest.mark.parametrize("text", pages.examples("configuration.md"))
def test_the_configurations_in_the_documentation_are_right(text):
    assert parse(text, HERE).backends


SECRETS = (
    "token: [hush]", "token: {a: hush}", "token: 'hü hush'", "headers: {X: [hush]}", "headers: hush", "headers: [hush]",
    "token: hush: hush", "token: *hush", "token: @hush", "token: !hush a", "token: ${hush}", "token: `hush",
    "headers: {Host: hush}", "headers:\n    X: @hush", "headers:\n    X: 'hüsh hush'", "token:\n    - hush",
    "headers:\n    - X: *hush", "tokn: hush", "token: hush\n  token_file: x", "token: hush\n  token: hush",
)  # fmt: skip


@pytest.mark.parametrize("line", SECRETS)
@pytest.mark.parametrize(
    "form", ["backends: [{name: a, url: 'http://a', %s}]", "backends:\n- name: a\n  url: http://a\n  %s\n"]
)
def test_no_mistake_shows_a_secret(line, form):
    try:
        loaded = parse(form % line, HERE)
        told = repr(loaded) + str(loaded) + str(loaded.model_dump())
    except Rejected as refused:
        told = "".join(str(problem.as_json()) for problem in refused.problems)
    assert "hush" not in told


def test_a_secret_is_hidden_wherever_a_configuration_is_written():
    (backend,) = parse("backends: [{name: a, url: 'http://a', token: hush, headers: {X-Api-Key: hush}}]", HERE).backends
    assert backend.token.get_secret_value() == backend.headers["X-Api-Key"].get_secret_value() == "hush"
    assert "hush" not in repr(backend) + str(backend) + backend.model_dump_json()


def test_everything_of_a_backend_is_read_with_its_paths_from_the_files_folder():
    text = """
backends:
- name: gpu-1
  url: https://gpu.example/comfy/
  tags: [large-memory]
  weight: 2
  windows: ["mon-fri 22:00-06:00", "sat,sun 00:00-24:00"]
  shared_folder: shared
  headers: {X-Api-Key: key}
  token_file: token
  tls_verify: ca.pem
  previews: false
  stall_minutes: 5
  move_after_minutes: 1.5
  restart_command: [ssh, gpu, "systemctl restart comfyui"]
- {name: gpu-2, url: 'http://b', windows: "22:00-06:00", tls_verify: false}
"""
    one, two = parse(text, HERE).backends
    assert (one.shared_folder, one.token_file, one.tls_verify) == (HERE / "shared", HERE / "token", HERE / "ca.pem")
    assert (one.weight, one.tags, one.restart_command[0]) == (2, ("large-memory",), "ssh")
    assert (two.windows, two.tls_verify, two.weight, two.move_after_minutes) == (("22:00-06:00",), False, 1, 30)


def test_the_generated_file_says_of_every_key_of_a_backend_what_it_does():
    said = generate()
    for name in Backend.model_fields:
        assert f"#   {name}: " in said

from pathlib import Path

import pytest

from service import model_list, workflow
from service.declaration import reference
from service.engine import catalogue
from service.errors import Rejected
from tests import pages

ROOT = Path(__file__).parent.parent


def problems_of(text):
    with pytest.raises(Rejected) as caught:
        model_list.parse(text.encode())
    return caught.value.problems


def test_models_are_listed_by_folder():
    text = b"- {name: a, folder: vae}\n- {name: b, folder: checkpoints, workflows: [x]}\n- {name: c, folder: vae}\n"
    assert model_list.parse(text) == {"vae": ["a", "c"], "checkpoints": ["b"]}


def shipped():
    flows = {}
    for path in (ROOT / "workflows").glob("*.yaml"):
        flows[path.stem] = workflow.parse(path.stem, path.with_suffix(".json").read_bytes(), path.read_bytes())
    return flows


def listed():
    return model_list.models((ROOT / "models/models.yaml").read_bytes())


def test_the_list_has_every_model_that_our_workflows_need():
    found = {(model.folder, model.name, name) for model in listed() for name in model.workflows}
    needed = {
        (model.folder, model.file, flow.name) for flow in shipped().values() for model in flow.manifest.needs.models
    }
    needed |= {
        ("loras", slider.file, flow.name)
        for flow in shipped().values()
        for slider in flow.manifest.sliders.declared().values()
    }
    assert needed - found == set()


def test_the_list_names_only_workflows_that_are_there():
    assert {name for model in listed() for name in model.workflows} - shipped().keys() == set()


def test_the_embedded_engine_lists_every_name_in_its_folder():
    offered = catalogue.read_models(ROOT / "models/models.yaml")
    for model in listed():
        assert model.name in offered[model.folder]


def test_the_documentation_has_the_columns_as_declared():
    assert pages.parts("models.md")["models.yaml columns"] == reference(model_list.Model)


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("name: a", "not_a_list", 1),
        ("- {name: a, folder: vae}\n- {name: b}\n", "missing_field", 2),
        ("- {name: a, folder: vae}\n- b\n", "not_fields", 2),
        ("- {name: a, folder: vae, file: x}\n", "unknown_field", 1),
        ("- {name: a, folder: vae}\n- {name: a, folder: vae}\n", "duplicate_key", 2),
        ("- {name: a, folder: ../vae}\n", "bad_value", 1),
        ("- {name: ../a, folder: vae}\n", "bad_value", 1),
        ("- {name: /a, folder: vae}\n", "bad_value", 1),
        ("- {name: 'c:a', folder: vae}\n", "bad_value", 1),
        ("- {name: a\\b, folder: vae}\n", "bad_value", 1),
        ("- name: a\n  folder: vae\n- name: A\n  folder: vae\n", "duplicate_key", 3),
        ("- name: a\n  folder: vae\n  sha256: xyz\n", "bad_value", 3),
        ("- name: a\n  folder: vae\n  sha256:\n", "empty_field", 3),
        ("- name: a\n  folder: vae\n  size_bytes: 0\n", "out_of_range", 3),
        ("- name: a\n  folder: vae\n  size_bytes: 2 GB\n", "wrong_type", 3),
        ("- name: a\n  folder: vae\n  commercial: maybe\n", "bad_value", 3),
        ("- name: a\n  folder: vae\n  kind: chekpoint\n", "bad_value", 3),
        ("- name: a\n  folder: vae\n  licence_: MIT\n", "unknown_field", 3),
        ("- name: a\n  folder: vae\n  source: 'http://a/b'\n", "bad_value", 3),
        ("- name: a\n  folder: vae\n  source: 'https://u:p@a/b'\n", "bad_value", 3),
        ("- name: a\n  folder: vae\n  url: 'https://a/b'\n", "missing_field", 3),
    ],
)
def test_a_mistake_has_its_code_and_line(text, code, line):
    (problem,) = problems_of(text)
    assert (problem.code, problem.line) == (code, line)


def test_what_is_not_known_is_left_out_and_what_is_meant_is_said():
    (model,) = model_list.models(b"- {name: models/a/b.onnx, folder: insightface, commercial: no}\n")
    assert (model.size_bytes, model.sha256, model.url, model.commercial) == (None, None, None, "no")
    assert model.place == "insightface/models/a/b.onnx"
    (problem,) = problems_of("- {name: a, folder: vae, comercial: no}\n")
    assert problem.fix == "Did you mean commercial?"

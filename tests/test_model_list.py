from pathlib import Path

import pytest

from service import model_list, workflow
from service.errors import Rejected

ROOT = Path(__file__).parent.parent


def problems_of(text):
    with pytest.raises(Rejected) as caught:
        model_list.parse(text.encode())
    return caught.value.problems


def test_models_are_listed_by_folder():
    text = b"- {name: a, folder: vae}\n- {name: b, folder: checkpoints, workflows: [x]}\n- {name: c, folder: vae}\n"
    assert model_list.parse(text) == {"vae": ["a", "c"], "checkpoints": ["b"]}


def test_the_list_has_what_our_workflows_need_and_nothing_else():
    models = model_list.models((ROOT / "models/models.yaml").read_bytes())
    listed = {(model.folder, model.name, name) for model in models for name in model.workflows}
    needed = set()
    for path in (ROOT / "workflows").glob("*.yaml"):
        flow = workflow.parse(path.stem, path.with_suffix(".json").read_bytes(), path.read_bytes())
        needed |= {(model.folder, model.file, flow.name) for model in flow.manifest.needs.models}
    assert listed == needed


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("name: a", "not_a_list", 1),
        ("- {name: a, folder: vae}\n- {name: b}\n", "missing_field", 2),
        ("- {name: a, folder: vae}\n- b\n", "not_fields", 2),
        ("- {name: a, folder: vae, file: x}\n", "unknown_field", 1),
        ("- {name: a, folder: vae}\n- {name: a, folder: vae}\n", "duplicate_key", 2),
        ("- {name: a, folder: ../vae}\n", "bad_value", 1),
    ],
)
def test_a_mistake_has_its_code_and_line(text, code, line):
    (problem,) = problems_of(text)
    assert (problem.code, problem.line) == (code, line)

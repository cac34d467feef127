import pytest

from service import manifest
from service.errors import Rejected
from service.manifest import Manifest, parse

SMALL = "schema: 1\ntitle: T\noutput: {node: '9'}\n"


def problems_of(text):
    with pytest.raises(Rejected) as caught:
        parse(text.encode())
    return caught.value.problems


def only(text):
    (problem,) = problems_of(text)
    return problem


def parameter(name, rest):
    return f"{SMALL}parameters:\n  {name}: {{{rest}, to: {{node: '1', input: x}}}}\n"


def test_a_small_manifest_is_enough():
    made = parse(SMALL.encode())
    assert (made.version, made.title, made.task, made.output.prefix) == (1, "T", None, "filename_prefix")
    assert made.parameters.declared() == {}


def test_a_target_may_be_one_input_or_a_list():
    text = (
        SMALL
        + "parameters:\n  seed: {type: whole, to: [{node: 1, input: a}, {title: B, input: b}]}\n"
        + "  steps: {type: whole, to: {node: 2, input: c}}\n"
    )
    made = parse(text.encode())
    assert [(to.node, to.title, to.input) for to in made.parameters.seed.to] == [("1", None, "a"), (None, "B", "b")]
    assert [(to.node, to.input) for to in made.parameters.steps.to] == [("2", "c")]


@pytest.mark.parametrize(
    ("text", "code", "line", "words"),
    [
        ("title: T\noutput: {node: '9'}\n", "missing_field", 1, "schema is missing. Add for example schema: 1."),
        (SMALL.replace("schema: 1", "schema: 2"), "bad_value", 1, "one of 1"),
        (SMALL + "taks: a\n", "unknown_field", 4, "Did you mean task?"),
        (SMALL + "task: Text to video\n", "bad_value", 4, "a-z"),
        (SMALL + "task: media\n", "bad_value", 4, "another use"),
        (parameter("strength", "type: number"), "unknown_field", 5, "The fields are: prompt"),
        (parameter("promt", "type: text"), "unknown_field", 5, "Did you mean prompt?"),
        (parameter("seed", "type: text"), "bad_value", 5, "type whole"),
        (parameter("seed", "type: int"), "bad_value", 5, "text, whole or number"),
        (parameter("steps", "type: whole, minimum: 5, maximum: 1"), "conflict", 5, "minimum above its maximum"),
        (parameter("steps", "type: whole, default: 0, minimum: 1"), "bad_value", 5, "default"),
        (parameter("steps", "type: whole, default: 2.5"), "bad_value", 5, "default"),
        (parameter("steps", "type: whole, default: [1]"), "wrong_type", 5, "number or text"),
        (parameter("width", "type: whole, default: 100, multiple_of: 8"), "bad_value", 5, "default"),
        (parameter("sampler", "type: text, minimum: 3"), "conflict", 5, "no limits"),
        (SMALL + "parameters: {seed: {type: whole, to: {input: x}}}\n", "conflict", 4, "by id or by title"),
        (SMALL + "parameters: {seed: {type: whole, to: []}}\n", "bad_value", 4, "1 or more, not 0"),
        (
            SMALL + "parameters: {seed: {type: whole, to: {node: '1', input: x, inputs: y}}}\n",
            "unknown_field",
            4,
            "input?",
        ),
        (SMALL + "media: {picture: {kind: picture, node: '1', input: image}}\n", "unknown_field", 4, "source"),
        (SMALL + "media: {image: {kind: photo, node: '1', input: image}}\n", "bad_value", 4, "picture or video"),
        (SMALL + "progress: {'1': 0}\n", "out_of_range", 4, "more than 0"),
        (SMALL + "needs: {comfyui: newest}\n", "bad_value", 4, "0.3.64"),
        (SMALL + "sizes: {follow: image, shapes: [[8, 512]]}\n", "out_of_range", 4, "16 or more"),
        (SMALL + "sizes: {follow: image, shapes: [[512]]}\n", "bad_value", 4, "too few entries"),
    ],
)
def test_a_mistake_has_its_code_line_and_cure(text, code, line, words):
    problem = problems_of(text)[0]
    assert (problem.code, problem.line) == (code, line)
    assert words in problem.sentence()


def test_every_mistake_is_named_at_once():
    found = problems_of("schema: 1\noutput: {}\nfamily: A B\nprogress: {'1': x}\n")
    assert [(problem.field, problem.line) for problem in found] == [
        ("title", 1), ("output.node", 2), ("family", 3), ("progress.1", 4),
    ]  # fmt: skip


def test_the_schema_names_every_key():
    document = manifest.schema()
    assert set(document["properties"]) == {field.alias or name for name, field in Manifest.model_fields.items()}
    assert document["required"] == ["schema", "title", "output"]
    assert document["$defs"]["Parameter"]["additionalProperties"] is False

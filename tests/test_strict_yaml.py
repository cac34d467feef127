import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import Rejected
from service.plain_text import MAX_BYTES
from service.strict_yaml import MAX_PROBLEMS, load, read


def refusal(data):
    with pytest.raises(Rejected) as caught:
        load(data if isinstance(data, bytes) else data.encode())
    return caught.value.problems


def only(data):
    (problem,) = refusal(data)
    return problem


@pytest.mark.parametrize(
    ("written", "kind", "value"),
    [
        ("16:9", "text", "16:9"),
        ("1:30", "text", "1:30"),
        ("no", "text", "no"),
        ("yes", "text", "yes"),
        ("2026-01-02", "text", "2026-01-02"),
        ("2026-13-45", "text", "2026-13-45"),
        ("010", "text", "010"),
        ("0x1F", "text", "0x1F"),
        ("1_000", "text", "1_000"),
        ("1e3", "number", 1000.0),
        ("-.5", "number", -0.5),
        ("7.5", "number", 7.5),
        ("-7", "whole", -7),
        ("0", "whole", 0),
        ("true", "truth", True),
        ("False", "truth", False),
        ("null", "nothing", None),
        ("~", "nothing", None),
        ("'16'", "text", "16"),
        ('"true"', "text", "true"),
        ("=", "text", "="),
        ("[1, a]", "list", (1, "a")),
        ("{b: 1.5}", "fields", {"b": 1.5}),
    ],
)
def test_only_json_like_values_are_more_than_text(written, kind, value):
    node = load(f"a: {written}\n".encode()).fields["a"]
    assert (node.kind, node.value()) == (kind, value)


def test_every_key_and_value_has_its_place():
    root = load("# ä\né: 1\nb:\n  - x\n  - ü: y\n".encode())
    assert root.keys == {"é": (2, 1), "b": (3, 1)}
    assert (root.fields["é"].line, root.fields["é"].column) == (2, 4)
    inner = root.fields["b"].items[1]
    assert (inner.fields["ü"].line, inner.fields["ü"].column) == (5, 8)


def test_keys_are_text_whatever_they_look_like():
    assert load(b"1: a\ntrue: b\nnull: c\n").value() == {"1": "a", "true": "b", "null": "c"}


def test_a_field_written_twice_names_both_lines():
    problem = only("a: 1\nb: 2\na: 3\n")
    assert (problem.code, problem.line, problem.column) == ("duplicate_key", 3, 1)
    assert "line 1" in problem.title


@pytest.mark.parametrize("written", ["&x b", "*x", "!x b", "!!int 3", "! b"])
def test_anchors_aliases_and_tags_are_refused_with_their_place(written):
    problem = only(f"a: {written}\n")
    assert (problem.code, problem.line, problem.column) == ("yaml_feature", 1, 4)
    assert "quotes" in problem.fix


@pytest.mark.parametrize("text", ["<<: {a: 1}\n", "? [a]\n: b\n", "{[a]: b}\n"])
def test_merge_keys_and_keys_that_are_not_text_are_refused(text):
    assert {problem.code for problem in refusal(text)} == {"yaml_feature"}


def test_a_quoted_merge_sign_is_a_key_like_any_other():
    assert load(b"'<<': 1").value() == {"<<": 1}


def test_what_is_refused_does_not_hide_what_follows():
    problems = refusal("a: &x {b: [1, 2]}\nc: 1\nc: 2\nd: !t e\n")
    assert [(problem.code, problem.line) for problem in problems] == [
        ("yaml_feature", 1),
        ("duplicate_key", 3),
        ("yaml_feature", 4),
    ]


def test_several_documents_are_refused_but_a_start_and_an_end_are_fine():
    assert only("a: 1\n---\nb: 2\n").code == "several_documents"
    assert load(b"---\na: 1\n...\n").value() == {"a": 1}


@pytest.mark.parametrize("data", [b"", b"\n\n", b"# only a comment\n", b"\xef\xbb\xbf"])
def test_a_file_that_says_nothing_is_empty(data):
    assert only(data).code == "empty"


def test_a_byte_order_mark_is_taken_off():
    assert load(b"\xef\xbb\xbfa: 1").keys == {"a": (1, 1)}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_wide_encodings_are_named(encoding):
    problem = only("prompt: a".encode(encoding))
    assert problem.code == "not_utf8"
    assert "UTF-16" in problem.title


def test_bytes_that_are_no_text_are_refused_at_their_place():
    problem = only(b"a: 1\nb: gr\xfcn\n")
    assert (problem.code, problem.line, problem.column) == ("not_utf8", 2, 6)


@pytest.mark.parametrize("text", ["a: b\x00", "a: \x07", "a: \x1b[0m", "\x00" * 8])
def test_control_characters_are_refused_at_their_place(text):
    problem = only(text)
    assert (problem.code, problem.column) == (
        "control_character",
        text.index(text.strip("a: b")[0]) + 1 if ":" in text else 1,
    )


@pytest.mark.parametrize(
    ("text", "line", "cure"),
    [
        ("prompt: a cat: on a mat", 1, 'Write prompt: "a cat: on a mat"'),
        ("x: 1\nprompt: @home", 2, 'Write prompt: "@home"'),
        ("prompt: *bold* text", 1, 'Write prompt: "*bold* text"'),
        ("prompt: {a|b} and c", 1, 'Write prompt: "{a|b} and c"'),
        ("prompt: 'don't'", 1, 'Write prompt: "don\'t"'),
        ('prompt: "a" and "b": c', 1, 'Write prompt: \'"a" and "b": c\''),
        ("a:\n\tb: 1", 2, "Indent with spaces."),
        ("\tseed: 1", 1, "Indent with spaces."),
        ('prompt: "open\nseed: 1\n', 1, "Close it at the end of the text."),
        ("prompt: a\non a mat\nseed: 4", 2, "indent it with spaces"),
        ("seed: 1\n  steps: 2", 2, "Begin each field in the first column."),
        ('path: "C:\\windows"', 1, "two backslashes"),
    ],
)
def test_the_usual_slips_are_explained(text, line, cure):
    problem = refusal(text)[-1]
    assert (problem.code, problem.line) == ("not_yaml", line)
    assert cure in problem.fix


@pytest.mark.parametrize("text", ["[[[", "{a", "a: [1, 2", "a: b\n c: d\n", "- a\nb: c\n", "%FOO\n", "a: |x\n b"])
def test_other_syntax_errors_have_a_place_and_a_cure(text):
    problem = refusal(text)[-1]
    assert problem.line is not None
    assert problem.fix


def test_json_is_read_with_its_tabs_and_its_escapes():
    document = {"prompt": '🎬 a "cat"\n/', "seed": 42, "nested": [1.5, True, None]}
    for text in (json.dumps(document), json.dumps(document, indent="\t"), json.dumps(document, ensure_ascii=False)):
        value = load(text.encode()).value()
        assert value == {**document, "nested": (1.5, True, None)}


def test_a_lone_half_of_an_emoji_is_refused():
    assert only('{"prompt": "\\ud83d"}').code == "not_yaml"


@pytest.mark.parametrize(
    "data",
    [
        b"a: [" + b"1," * 400_000 + b"]",
        b"a: " + b"[" * 300_000,
        b"{a: " * 200_000,
        b"- " * 400_000,
        b"? " * 400_000,
        b"a: 1\n" * 190_000,
        b"- *a\n" * 190_000,
        b"a: 1\n" * 10 + b"x" * MAX_BYTES,
    ],
    ids=["values", "lists", "fields", "dashes", "questions", "twice", "aliases", "bytes"],
)
def test_bombs_are_refused_at_once(data):
    started = time.monotonic()
    assert len(refusal(data)) <= MAX_PROBLEMS + 1
    assert time.monotonic() - started < 10


def test_a_number_of_thousands_of_digits_is_a_large_number():
    assert load(b"a: " + b"9" * 5000).value()["a"] > 10**30
    assert load(b"a: -" + b"9" * 300).value()["a"] < -(10**30)


def test_a_comment_that_was_meant_as_text_is_noticed():
    document = read(b"a: red #ff0000\nb: red # a note\nc: 'x' #y\nd: red#f\n")
    swallowed = {key: document.swallowed(node) for key, node in document.root.fields.items()}
    assert swallowed == {"a": "#ff0000", "b": "", "c": "", "d": ""}


@given(st.text(max_size=60) | st.text("ab:-#[]{}&*!|>'\"%@`, \n\t0.1~?", max_size=60))
def test_any_text_is_read_or_refused_with_a_cure(text):
    problems = []
    try:
        load(text.encode("utf-8", "surrogatepass"))
    except Rejected as refused:
        problems = refused.problems
    assert all(problem.title and problem.fix for problem in problems)


@given(
    st.recursive(
        st.booleans() | st.integers() | st.text() | st.none(), lambda each: st.lists(each, max_size=4), max_leaves=20
    )
)
def test_whatever_json_writes_reads_back_the_same(value):
    def frozen(each):
        return tuple(map(frozen, each)) if isinstance(each, list) else each

    text = json.dumps({"a": value})
    if any(escape in text for escape in ("\\u00", "\\u007f")) or len(text) > 200:
        return  # control characters can be written as escapes; long numbers are cut
    try:
        read_back = load(text.encode()).value()["a"]
    except Rejected:
        assert "\\ud" in text  # half an emoji is no text
        return
    assert read_back == frozen(value)

"""The server's answer to a graph that it refuses, as problems for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.comfy.folders import folder_of, looks_like_a_model
from service.comfy.packs import pack_of
from service.errors import Problem
from service.foreign import without_paths

_LONGEST_TEXT = 300
_LONGEST_NAME = 100
#: A graph has hundreds of nodes at most, and nobody reads more than this.
_MOST_PROBLEMS = 50


def problems_of(answer: Mapping[str, Any], graph: Mapping[str, Any]) -> tuple[Problem, ...]:
    """Given the answer to POST /prompt, return every problem that it names, at least one.

    Newer and older servers word the same mistake differently; what is unknown is handed on in the server's words.
    """
    found: list[Problem] = []
    node_errors = answer.get("node_errors")
    for node, errors_of in node_errors.items() if isinstance(node_errors, dict) else ():
        said = errors_of if isinstance(errors_of, dict) else {}
        class_type = str(said.get("class_type") or _class_of(node, graph))[:_LONGEST_NAME]
        errors = said.get("errors")
        errors = (
            [error for error in errors if isinstance(error, dict)][:_MOST_PROBLEMS] if isinstance(errors, list) else []
        )
        if len(found) >= _MOST_PROBLEMS:
            break
        found += [_node_problem(str(node)[:_LONGEST_NAME], class_type, error) for error in errors[:_MOST_PROBLEMS]]
    return tuple(dict.fromkeys(found)) or (_whole_problem(answer.get("error"), graph),)


def _class_of(node: Any, graph: Mapping[str, Any]) -> str:
    of = graph.get(str(node))
    return str(of.get("class_type", "?")) if isinstance(of, Mapping) else "?"


def _node_problem(node: str, class_type: str, error: Mapping[str, Any]) -> Problem:
    kind = _text(error.get("type"))
    extra = error.get("extra_info")
    extra = extra if isinstance(extra, dict) else {}
    name, value = str(extra.get("input_name") or "")[:_LONGEST_NAME], extra.get("received_value")
    at = f"node {node} ({class_type})"
    if kind == "value_not_in_list" and looks_like_a_model(class_type, name, value):
        folder = folder_of(class_type, name)
        return Problem(
            "model_missing",
            f"The server lacks the model {_text(value)}, which {at} needs.",
            f"Put it into ComfyUI's models/{folder or '…'} folder, or name another one.",
            _text(error.get("details")),
        )
    if kind == "required_input_missing":
        title = f"At {at} the input {name} is missing."
    else:
        title = f"The server refuses {f'{name} of ' if name else ''}{at}: {_text(error.get('message')) or kind}."
    return Problem("bad_value", title, "Correct the workflow or the job's value for it.", _text(error.get("details")))


def _whole_problem(error: Any, graph: Mapping[str, Any]) -> Problem:
    error = error if isinstance(error, dict) else {"message": str(error or "no reason given")}
    kind, message = _text(error.get("type")), _text(error.get("message"))
    extra = error.get("extra_info")
    class_type = extra.get("class_type") if isinstance(extra, dict) else None
    # Servers up to 0.8 say only "invalid_prompt" here and name the node in the details: "Node ID '#9'".
    node = _text(error.get("details")).partition("#")[2].strip("'")
    if kind == "missing_node_type" or (kind == "invalid_prompt" and "does not exist" in message):
        missing = class_type[:_LONGEST_NAME] if isinstance(class_type, str) else _class_of(node, graph)
        pack = pack_of(missing)
        return Problem(
            "node_missing",
            f"The server lacks the node {missing}.",
            f"Install the node pack {pack.name if pack else 'that brings it'}, restart ComfyUI, and retry.",
            message,
        )
    return Problem(
        "bad_value",
        f"The server refuses the workflow: {message or kind}.",
        "Correct the workflow.",
        _text(error.get("details")),
    )


def _text(value: Any) -> str:
    # Cut before it is looked through, too: it may be megabytes.
    return without_paths(str(value or "")[: 10 * _LONGEST_TEXT].strip().rstrip("."))[:_LONGEST_TEXT]

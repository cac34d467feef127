"""Judge a prompt before it is queued, in ComfyUI's words: the same error types, sentences and places."""

from __future__ import annotations

import traceback
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from service.engine.catalogue import Catalogue, Snapshot

#: Longer option lists are not sent back in an error.
LONGEST_LIST_TOLD = 20

Problem = dict[str, Any]


@dataclass
class Verdict:
    """What validation found: an error if nothing can run, the outputs that can, and the problems by node id."""

    error: Problem | None = None
    outputs: list[str] = field(default_factory=list)
    node_errors: dict[str, dict[str, Any]] = field(default_factory=dict)


def prompt_problem(kind: str, message: str, details: str = "") -> Problem:
    """Return an error about the whole prompt."""
    return {"type": kind, "message": message, "details": details, "extra_info": {}}


def validate_prompt(prompt: dict[str, Any], catalogue: Catalogue, targets: Collection[str] | None = None) -> Verdict:
    """Judge the graph and write coerced values into it; only outputs in targets count, if given.

    Raises TypeError or AttributeError for graphs that aren't an object of objects, as the true server answers 500.
    """
    snapshot = catalogue.snapshot()
    outputs = []
    for node_id, node in prompt.items():
        problem = _class_problem(node_id, node, catalogue)
        if problem:
            return Verdict(problem)
        if snapshot.is_output(node["class_type"]) and (targets is None or node_id in targets):
            outputs.append(node_id)
    if not outputs:
        return Verdict(prompt_problem("prompt_no_outputs", "Prompt has no outputs"))
    return _judge_outputs(prompt, outputs, snapshot)


def shape_problem(prompt: dict[str, Any]) -> Problem | None:
    """Return what would kill the true server's worker: a node, however unreachable, without an inputs object."""
    for node_id, node in prompt.items():
        if not isinstance(node.get("inputs"), dict):
            return prompt_problem(
                "invalid_prompt",
                "Cannot execute because a node has no inputs object. Give each node one, {} if it needs none.",
                f"Node ID '#{node_id}'",
            )
    return None


def _class_problem(node_id: str, node: dict[str, Any], catalogue: Catalogue) -> Problem | None:
    place = f"Node ID '#{node_id}'"
    if "class_type" not in node:
        message = "Cannot execute because a node is missing the class_type property."
        return prompt_problem("invalid_prompt", message, place)
    name = node["class_type"]
    if not isinstance(name, str) or name not in catalogue:
        return prompt_problem("invalid_prompt", f"Cannot execute because node {name} does not exist.", place)
    return None


def _judge_outputs(prompt: dict[str, Any], outputs: list[str], snapshot: Snapshot) -> Verdict:
    verdict = Verdict()
    judge = _Judge(prompt, snapshot)
    sentences = []
    for output in outputs:
        try:
            good, problems = judge.node(output)
        except Exception as trouble:  # noqa: BLE001 — whatever a graph can trigger is an answer, not an accident
            good, problems = False, [_exception_problem(trouble)]
            judge.judged[output] = (False, problems)
        if good:
            verdict.outputs.append(output)
            continue
        sentences += [f"{problem['message']}: {problem['details']}" for problem in problems]
        for node_id, (fine, found) in judge.judged.items():
            if not fine and found:
                name = prompt[node_id]["class_type"]
                entry = {"errors": found, "dependent_outputs": [], "class_type": name}
                verdict.node_errors.setdefault(node_id, entry)["dependent_outputs"].append(output)
    if not verdict.outputs:
        message = "Prompt outputs failed validation"
        verdict.error = prompt_problem("prompt_outputs_failed_validation", message, "\n".join(sentences))
    return verdict


def _exception_problem(trouble: Exception) -> Problem:
    extra = {"exception_type": type_name(trouble), "traceback": traceback.format_tb(trouble.__traceback__)}
    return {
        "type": "exception_during_validation",
        "message": "Exception when validating node",
        "details": str(trouble),
        "extra_info": extra,
    }


def type_name(trouble: BaseException) -> str:
    """Return the exception's type as ComfyUI writes it: with its module, unless it is built in."""
    kind = type(trouble)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def accepts(received: Any, wanted: Any) -> bool:
    """Return whether an output of one type may be linked to an input of another; types may be unions "A,B"."""
    if received == wanted:
        return True
    if not (isinstance(received, str) and isinstance(wanted, str)):
        return False
    given = {part.strip() for part in received.split(",")}
    taken = {part.strip() for part in wanted.split(",")}
    return "*" in given | taken or bool(given & taken)


class _Judge:
    """Judges nodes from an output upwards, each once."""

    def __init__(self, prompt: dict[str, Any], snapshot: Snapshot) -> None:
        self.prompt = prompt
        self.snapshot = snapshot
        self.judged: dict[str, tuple[bool, list[Problem]]] = {}
        self._open: set[str] = set()

    def node(self, node_id: str) -> tuple[bool, list[Problem]]:
        """Return whether the node and all above it are good, and this node's own problems."""
        if node_id in self.judged:
            return self.judged[node_id]
        if node_id in self._open:
            # A cycle: the true server recurses until it breaks and keeps no sentence of it.
            return False, []
        self._open.add(node_id)
        try:
            self.judged[node_id] = self._inputs(node_id)
        finally:
            self._open.discard(node_id)
        return self.judged[node_id]

    def _inputs(self, node_id: str) -> tuple[bool, list[Problem]]:
        node = self.prompt[node_id]
        inputs = node["inputs"]
        declared = self.snapshot.info(node["class_type"])["input"]
        self_checked = self.snapshot.catalogue.node(node["class_type"]).self_checked
        problems: list[Problem] = []
        good = True
        for category in ("required", "optional"):
            for name, declaration in declared.get(category, {}).items():
                config = [declaration[0], declaration[1] if len(declaration) > 1 else {}]
                if name not in inputs:
                    if category == "required":
                        problems.append(_problem("required_input_missing", "Required input is missing", name, name))
                    continue
                if isinstance(inputs[name], list):
                    above, problem = self._link(inputs[name], name, config)
                    good = good and above
                else:
                    problem = _value_problem(inputs, name, config, listed=name not in self_checked)
                if problem:
                    problems.append(problem)
        problems += self._own_check(node)
        return good and not problems, problems

    def _link(self, link: list[Any], name: str, config: Any) -> tuple[bool, Problem | None]:
        """Return whether what is above a link is good, and this link's own problem."""
        if len(link) != 2:
            message = "Bad linked input, must be a length-2 list of [node_id, slot_index]"
            return True, _problem("bad_linked_input", message, name, name, config, received_value=link)
        above_id, slot = link
        above = self.prompt[above_id]
        received = tuple(self.snapshot.info(above["class_type"])["output"])[slot]
        wanted = config[0]
        if not accepts(received, wanted):
            details = f"{name}, received_type({received}) mismatch input_type({wanted})"
            message = "Return type mismatch between linked nodes"
            more = {"received_type": received, "linked_node": link}
            return True, _problem("return_type_mismatch", message, details, name, config, **more)
        try:
            return self.node(above_id)[0], None
        except Exception as trouble:  # noqa: BLE001 — as above: it becomes the linked node's answer
            more = {
                "exception_message": str(trouble),
                "exception_type": type_name(trouble),
                "traceback": traceback.format_tb(trouble.__traceback__),
                "linked_node": link,
            }
            message = "Exception when validating inner node"
            problem = _problem("exception_during_inner_validation", message, str(trouble), name, config, **more)
            self.judged[above_id] = (False, [problem])
            return False, None

    def _own_check(self, node: dict[str, Any]) -> list[Problem]:
        node_class = self.snapshot.catalogue.node(node["class_type"])
        if node_class.validate is None:
            return []
        values = {name: value for name, value in node["inputs"].items() if not isinstance(value, list)}
        answer = node_class.validate(values, self.snapshot.catalogue.folders)
        if answer is True:
            return []
        tail = "" if answer is False else f" - {answer}"
        names = [name for name in node["inputs"] if name in node_class.self_checked] or list(values)[:1]
        message = "Custom validation failed for node"
        return [_problem("custom_validation_failed", message, f"{name}{tail}", name) for name in names]


def _problem(kind: str, message: str, details: str, name: str, config: Any = ..., **more: Any) -> Problem:
    extra: dict[str, Any] = {"input_name": name}
    if config is not ...:
        extra["input_config"] = config
    return {"type": kind, "message": message, "details": details, "extra_info": extra | more}


_COERCIONS = {"INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool}


def _value_problem(inputs: dict[str, Any], name: str, config: Any, *, listed: bool) -> Problem | None:
    """Coerce one literal in place and return what is wrong with it; listed is False where the class checks itself."""
    kind, facts = config
    value = inputs[name]
    if isinstance(value, dict) and "__value__" in value:
        value = inputs[name] = value["__value__"]
    try:
        if isinstance(kind, str) and kind in _COERCIONS:
            value = inputs[name] = _COERCIONS[kind](value)
    except (TypeError, ValueError, OverflowError) as trouble:
        message = f"Failed to convert an input value to a {kind} value"
        more = {"received_value": value, "exception_message": str(trouble)}
        return _problem("invalid_input_type", message, f"{name}, {value}, {trouble}", name, config, **more)
    if not listed:
        return None
    if "min" in facts and value < facts["min"]:
        message = f"Value {value} smaller than min of {facts['min']}"
        return _problem("value_smaller_than_min", message, name, name, config, received_value=value)
    if "max" in facts and value > facts["max"]:
        message = f"Value {value} bigger than max of {facts['max']}"
        return _problem("value_bigger_than_max", message, name, name, config, received_value=value)
    return _option_problem(value, name, kind, facts)


def _option_problem(value: Any, name: str, kind: Any, facts: dict[str, Any]) -> Problem | None:
    options = kind if isinstance(kind, list) else facts.get("options", []) if kind == "COMBO" else None
    if options is None or value in options:
        return None
    told: Any = [kind, facts]
    listing = str(options)
    if len(options) > LONGEST_LIST_TOLD:
        told, listing = None, f"(list of length {len(options)})"
    details = f"{name}: '{value}' not in {listing}"
    return _problem("value_not_in_list", "Value not in list", details, name, told, received_value=value)

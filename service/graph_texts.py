"""Texts in a graph: every prompt that its nodes hold, wanted or unwanted there, and every model that it names."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from service.graph import is_link
from service.node_classes import HARMLESS, IDENTITY
from service.prompt_rules import Asked

#: Harmless classes whose texts are prompts, by how their names begin; other harmless ones hold settings and names.
_TEXTUAL: Final = ("CLIPTextEncode", "PrimitiveString")
_MODEL_ENDINGS: Final = (
    ".safetensors", ".sft", ".ckpt", ".pt", ".pt2", ".pth", ".bin", ".onnx", ".gguf", ".pkl",
)  # fmt: skip
#: At less than this a sampler leans towards what is unwanted.
_LEAST_CFG: Final = 1
_CFG_INPUTS: Final = frozenset({"cfg", "cfg_conds", "min_cfg", "cfg_scale", "guidance_scale"})
_CONDITIONING: Final = "CONDITIONING"

Graph = Mapping[str, Mapping[str, Any]]
Place = tuple[str, str]


def asked_of(graph: Graph, fields: Mapping[Place, str], own: Collection[str]) -> Asked:
    """
    Return what a graph asks for; `fields` names the job's field at (node, input), `own` are its own files' references.

    What leads only to inputs called negative is unwanted, unless a sampler's guidance turns it round. A text that comes
    through links is read where it stands, and together with what is put beside it.
    """
    wanted: dict[str, str] = {}
    unwanted: dict[str, str] = {}
    names: dict[str, str] = {}
    reversed_too = _is_reversed(graph)
    for (node, key), text in texts_in(graph, own):
        label = fields.get((node, key)) or f"the workflow's node {node[:40]} ({_class(graph, node)[:60]})"
        if _is_name(text):
            names[_free(names, label)] = text
        elif _is_prompt(graph, node):
            negative = _is_unwanted(graph, node)
            if negative:
                unwanted[_free(unwanted, label)] = text
            if not negative or reversed_too:
                wanted[_free(wanted, label)] = text
    wanted |= {f"the workflow's node {node[:40]}": text for node, text in _put_together(graph, own)}
    return Asked(wanted, unwanted, names)


def _class(graph: Graph, node: str) -> str:
    return str(graph[node].get("class_type", ""))


def _free(taken: Mapping[str, str], label: str) -> str:
    return label if label not in taken else _free(taken, f"{label}'")


def texts_in(graph: Graph, own: Collection[str]) -> Iterator[tuple[Place, str]]:
    """Yield every text of a graph with its (node, input), but for the references of the job's own files."""
    for node, content in graph.items():
        for key, value in (content.get("inputs") or {}).items():
            for text in _strings(value):
                if text.strip() and text not in own:
                    yield (node, key), text


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _strings(each)
    elif isinstance(value, list | tuple) and not is_link(value):
        for each in value:
            yield from _strings(each)


def _is_name(text: str) -> bool:
    return text.strip().lower().endswith(_MODEL_ENDINGS)


def _is_prompt(graph: Graph, node: str) -> bool:
    class_type = _class(graph, node)
    return class_type not in HARMLESS or class_type.startswith(_TEXTUAL)


def _is_reversed(graph: Graph) -> bool:
    """Say whether some guidance is, or may be, so low that what is unwanted is drawn."""
    for content in graph.values():
        for key, value in (content.get("inputs") or {}).items():
            if key in _CFG_INPUTS and not (
                isinstance(value, int | float) and not isinstance(value, bool) and value >= _LEAST_CFG
            ):
                return True
    return False


def _is_unwanted(graph: Graph, node: str) -> bool:
    """Say whether everything that a node's outputs reach takes it as negative."""
    ends = set(_ends(graph, node, None, frozenset()))
    return ends == {"negative"}


def _ends(graph: Graph, node: str, slot: int | None, passed: frozenset[tuple[str, int | None]]) -> Iterator[str]:
    """Yield under which input each way from an output (None: from any) ends; "" where that can't be told."""
    if (node, slot) in passed:
        return
    passed |= {(node, slot)}
    for other, content in graph.items():
        for key, value in (content.get("inputs") or {}).items():
            if not is_link(value) or value[0] != node or (slot is not None and value[1] != slot):
                continue
            yield from _end(graph, other, key, passed)


def _end(graph: Graph, node: str, key: str, passed: frozenset[tuple[str, int | None]]) -> Iterator[str]:
    class_type = _class(graph, node)
    outputs = HARMLESS.get(class_type, IDENTITY.get(class_type))
    if outputs is None:
        yield ""
        yield from _ends(graph, node, None, passed)
        return
    pairs = outputs[:2] == (_CONDITIONING, _CONDITIONING)
    if pairs and key in ("positive", "negative"):
        yield from _ends(graph, node, 0 if key == "positive" else 1, passed)
    elif _CONDITIONING in outputs or outputs == ("STRING",):
        yield from _ends(graph, node, None, passed)
    else:
        yield key


def _put_together(graph: Graph, own: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield for each node that gets a text by a link all texts that can reach it, run together in both ways."""
    texts: dict[str, list[str]] = {}
    for (node, _), text in texts_in(graph, own):
        texts.setdefault(node, []).append(text)
    for node, content in graph.items():
        sources = [value[0] for value in (content.get("inputs") or {}).values() if is_link(value) and value[0] in graph]
        said = [
            text for source in _upstream(graph, sources) if _is_prompt(graph, source) for text in texts.get(source, ())
        ]
        if len(said) > 1 and _class(graph, node).startswith("CLIPTextEncode") and not _is_unwanted(graph, node):
            yield node, f"{''.join(said)} {' '.join(said)}"


def _upstream(graph: Graph, sources: list[str]) -> list[str]:
    found = dict.fromkeys(sources)
    waiting = list(found)
    while waiting:
        for value in (graph[waiting.pop()].get("inputs") or {}).values():
            if is_link(value) and value[0] in graph and value[0] not in found:
                found[value[0]] = None
                waiting.append(value[0])
    return list(found)

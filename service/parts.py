"""Parts: a render too long for one prompt is sent as several, each with its own frames of the same video.

Pure. The plan always holds the graph of the part that comes next, so whatever sends, loses and repeats prompts need not
know that there are parts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from service.job import Expected, Parts, Render, Span

Place = tuple[str, str]
#: Parts are not made smaller than that: what runs out of memory with so few frames lacks it for something else.
_FEWEST = 16


def spans(frames: int, most: int) -> tuple[Span, ...]:
    """Return as few parts of at most so many frames as there can be, nearly alike: a last one of one frame is none."""
    count = math.ceil(frames / most)
    edges = [frames * number // count for number in range(count + 1)]
    return tuple(Span(first, following - first) for first, following in pairwise(edges))


def parted(
    frames: int, most: int, skip: Sequence[Place], take: Sequence[Place], sound: str | None = None
) -> Parts | None:
    """Return the parts of a render of so many frames; None where one prompt is enough."""
    return Parts(spans(frames, most), tuple(skip), tuple(take), sound) if frames > most else None


def smaller(render: Render) -> Render | None:
    """Return a render with its remaining frames in parts half as long; None where that is no use any more."""
    if render.parts is None:
        return None
    made, left = render.parts.spans[: len(render.parts.made)], render.parts.spans[len(render.parts.made) :]
    longest = max((span.frames for span in left), default=0)
    if longest < 2 * _FEWEST:
        return None
    first = left[0].skip
    again = spans(sum(span.frames for span in left), longest // 2)
    moved = tuple(Span(first + span.skip, span.frames) for span in again)
    parts = replace(render.parts, spans=(*made, *moved))
    return _with(render, parts, render.prompt_id)


def put(graph: dict[str, dict[str, Any]], parts: Parts) -> None:
    """Let a graph (changed in place) work on the frames of the part that comes next."""
    span = parts.spans[min(len(parts.made), len(parts.spans) - 1)]
    for places, value in ((parts.skip, span.skip), (parts.take, span.frames)):
        for node, key in places:
            graph[node]["inputs"][key] = value


def is_last(render: Render) -> bool:
    """Return whether nothing is left to be rendered once this prompt is."""
    return render.parts is None or len(render.parts.made) + 1 >= len(render.parts.spans)


def is_going_on(render: Render) -> bool:
    """Return whether earlier parts of it are made already."""
    return render.parts is not None and bool(render.parts.made)


def expected_of(render: Render) -> Expected:
    """Return what this very prompt's result must be."""
    if render.parts is None or len(render.parts.made) >= len(render.parts.spans):
        return render.expected
    return replace(render.expected, frames=render.parts.spans[len(render.parts.made)].frames)


def after(render: Render, file: str, sha256: str, prompt_id: str) -> Render:
    """Return the plan once a part lies in the work folder: the next part's graph, under the id of a new prompt."""
    assert render.parts is not None
    return _with(render, replace(render.parts, made=(*render.parts.made, (file, sha256))), prompt_id)


def anew(render: Render, prompt_id: str) -> Render:
    """Return the plan from its first part on, under the id of a new prompt."""
    if render.parts is None:
        return replace(render, prompt_id=prompt_id)
    return _with(render, replace(render.parts, made=()), prompt_id)


def overall(render: Render | None, fraction: float) -> float:
    """Return how far a job is when this very prompt and what follows it are so far; both from 0 to 1."""
    if render is None or render.parts is None:
        return fraction
    return (len(render.parts.made) + fraction) / len(render.parts.spans)


def later(render: Render | None) -> int:
    """Return how many prompts are still to be sent after this one."""
    return 0 if render is None or render.parts is None else len(render.parts.spans) - len(render.parts.made) - 1


def told(render: Render | None, stage: str) -> str:
    """Return a stage with the part that it is of."""
    if render is None or render.parts is None:
        return stage
    return f"part {len(render.parts.made) + 1} of {len(render.parts.spans)}: {stage}"


def settings_of(settings: Mapping[str, Any], render: Render) -> dict[str, Any]:
    """Return a job's settings as this very prompt has them: it takes as long as its own frames do."""
    frames = expected_of(render).frames if render.parts is not None else None
    return dict(settings) if frames is None else {**settings, "frames": frames}


def _with(render: Render, parts: Parts, prompt_id: str) -> Render:
    graph = {name: {**node, "inputs": dict(node["inputs"])} for name, node in render.graph.items()}
    put(graph, parts)
    return replace(render, prompt_id=prompt_id, graph=graph, parts=parts)

"""Fit: whether a backend has everything that a graph needs; what is missing is preflight's to say."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from service.comfy import preflight


def fits(render_graph: Mapping[str, Any], object_info: Mapping[str, Any], uploads: Collection[str] = ()) -> bool:
    """Tell whether a server that says `object_info` of itself can run a graph whose own files are `uploads`."""
    return not preflight.check(render_graph, object_info, uploads=uploads)

"""The answers that several endpoints share."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Routes = list[tuple[str, str, Handler]]

#: What the true server says wherever a request trips it.
TROUBLE = "500 Internal Server Error\n\nServer got itself in trouble"


def stumble() -> web.HTTPInternalServerError:
    """Return the answer to a request that the true server trips over."""
    answer = web.HTTPInternalServerError(text=TROUBLE)
    answer.force_close()
    return answer


async def read_json(request: web.Request) -> Any:
    """Return the body as JSON, whatever its content type says; raises the true server's 500 for anything else."""
    try:
        return json.loads(await request.text())
    except (ValueError, RecursionError):
        raise stumble() from None


async def read_object(request: web.Request) -> dict[str, Any]:
    """Return the body as a JSON object; raises the true server's 500 for anything else."""
    said = await read_json(request)
    if not isinstance(said, dict):
        raise stumble()
    return said

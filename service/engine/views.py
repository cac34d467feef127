"""GET /view: a file of the engine's folders, whole, by range, as a small preview, or one channel of a picture."""

from __future__ import annotations

import asyncio
import io
import mimetypes
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from aiohttp import web

from service.engine.answers import Routes, stumble
from service.engine.node import Folders

#: A browser would run these as pages of our origin.
_ACTIVE_TYPES = {"text/html", "text/html-sandboxed", "application/xhtml+xml", "text/javascript", "text/css"}
_ANNOTATION = re.compile(r"^(?P<name>.*) \[(?P<kind>input|output|temp)\]$")
_DEFAULT_QUALITY = 90

Drawing = Callable[[Path, str], tuple[str, bytes]]


class Views:
    """The endpoint that gives files out."""

    def __init__(self, folders: Folders) -> None:
        self._folders = folders

    def routes(self) -> Routes:
        """Return method, path and handler of each endpoint."""
        return [("GET", "/view", self.get_view)]

    async def get_view(self, request: web.Request) -> web.StreamResponse:
        """Give a file out; 400 for odd names and types, 403 outside the folder, 404 where nothing is."""
        if "filename" not in request.query:
            return web.Response(status=404)
        path = self._path(request.query)
        if isinstance(path, int):
            return web.Response(status=path)
        disposition = {"Content-Disposition": f'filename="{path.name}"'}
        if "preview" in request.query:
            return await _drawn(_preview, path, request.query["preview"], disposition)
        channel = request.query.get("channel", "rgba")
        if channel in ("rgb", "a"):
            return await _drawn(_channel, path, channel, disposition)
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        disposition["Content-Type"] = "application/octet-stream" if kind in _ACTIVE_TYPES else kind
        return web.FileResponse(path, headers=disposition)

    def _path(self, query: Mapping[str, str]) -> Path | int:
        """Return the file that is asked for, or the status that says why not."""
        filename, kind = query["filename"], query.get("type", "output")
        annotated = _ANNOTATION.match(filename)
        if annotated:
            filename, kind = annotated["name"], annotated["kind"]
        root = self._folders.of(kind)
        if root is None or not filename or filename.startswith("/") or ".." in filename or "\0" in filename:
            return 400
        folder = Path(os.path.normpath(root / query.get("subfolder", "")))
        if not folder.is_relative_to(root):
            return 403
        path = folder / Path(filename).name
        return path if path.is_file() else 404


async def _drawn(draw: Drawing, path: Path, wish: str, headers: dict[str, str]) -> web.Response:
    from PIL import UnidentifiedImageError  # noqa: PLC0415 — only these requests need Pillow

    try:
        kind, body = await asyncio.to_thread(draw, path, wish)
    except (UnidentifiedImageError, OSError):
        raise stumble() from None
    return web.Response(body=body, headers={**headers, "Content-Type": kind})


def _preview(path: Path, wish: str) -> tuple[str, bytes]:
    """Return the picture as WebP, or as JPEG if the wish begins with it; "webp;75" sets the quality."""
    from PIL import Image  # noqa: PLC0415

    kind, _, quality = wish.partition(";")
    kind = kind if kind in ("webp", "jpeg") else "webp"
    number = int(quality) if quality.isdecimal() and len(quality) < 4 else _DEFAULT_QUALITY
    with Image.open(path) as picture:
        drawn = picture.convert("RGB") if kind == "jpeg" or picture.mode not in ("RGB", "RGBA") else picture
        buffer = io.BytesIO()
        drawn.save(buffer, kind.upper(), quality=number)
    return f"image/{kind}", buffer.getvalue()


def _channel(path: Path, channel: str) -> tuple[str, bytes]:
    """Return a PNG of the colours alone, or of the alpha channel alone on black."""
    from PIL import Image  # noqa: PLC0415

    with Image.open(path) as picture:
        if channel == "rgb":
            drawn = picture.convert("RGB")
        else:
            drawn = Image.new("RGBA", picture.size)
            drawn.putalpha(picture.convert("RGBA").getchannel("A"))
        buffer = io.BytesIO()
        drawn.save(buffer, "PNG")
    return "image/png", buffer.getvalue()

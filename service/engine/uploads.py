"""POST /upload/image: a file into one of the engine's folders, under a name that may be changed."""

from __future__ import annotations

import asyncio
import filecmp
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.web_request import FileField

from service.engine.answers import Routes, stumble
from service.engine.node import Folders


class Uploads:
    """The endpoint that takes pictures and videos."""

    def __init__(self, folders: Folders) -> None:
        self._folders = folders

    def routes(self) -> Routes:
        """Return method, path and handler of each endpoint."""
        return [("POST", "/upload/image", self.post_image)]

    async def post_image(self, request: web.Request) -> web.Response:
        """Store a file; the answer names it, for it may have become "name (1).png"."""
        form = await request.post()
        image = form.get("image")
        if not image:
            return web.Response(status=400)
        kind = str(form.get("type") or "input")
        root = self._folders.of(kind)
        if root is None or not isinstance(image, FileField):
            raise stumble()
        subfolder = str(form.get("subfolder") or "")
        folder = Path(os.path.normpath(root / os.path.normpath(subfolder)))
        target = Path(os.path.normpath(folder / image.filename))
        if "\0" in image.filename or not target.is_relative_to(root) or not folder.is_relative_to(root):
            return web.Response(status=400)
        overwrite = form.get("overwrite") in ("true", "1")
        try:
            stored = await asyncio.to_thread(self._store, image.file, folder, image.filename, overwrite=overwrite)
        except OSError:
            raise stumble() from None
        return web.json_response({"name": stored, "subfolder": subfolder, "type": kind})

    def _store(self, source: Any, folder: Path, filename: str, *, overwrite: bool) -> str:
        """Write the file whole under a free name and return that name; the same bytes under the same name are reused.

        Raises OSError where the name holds a folder that doesn't exist.
        """
        folder.mkdir(parents=True, exist_ok=True)
        # In temp, which the next start empties, should this process be killed meanwhile.
        with tempfile.TemporaryDirectory(dir=self._folders.temp, prefix="upload-") as apart:
            draft = Path(apart, "draft")
            with draft.open("xb") as file:
                shutil.copyfileobj(source, file)
            name = filename if overwrite else _free_name(folder, filename, draft)
            draft.replace(folder / name)
        return name


def _free_name(folder: Path, filename: str, draft: Path) -> str:
    """Return the name itself, or "name (1).png" and so on: the first that is free or holds the same bytes."""
    ending = Path(filename).suffix
    stem = filename.removesuffix(ending)
    name, count = filename, 0
    while (folder / name).exists() and not _same(folder / name, draft):
        count += 1
        name = f"{stem} ({count}){ending}"
    return name


def _same(one: Path, other: Path) -> bool:
    return one.is_file() and filecmp.cmp(one, other, shallow=False)

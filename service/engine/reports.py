"""What the engine says about itself: its node classes, models, machine and features."""

from __future__ import annotations

import os
import sys
from pathlib import PurePath
from typing import Any

from aiohttp import web

from service import __version__
from service.engine.answers import Routes
from service.engine.catalogue import Catalogue
from service.engine.websocket import FEATURES

#: The version whose behaviour is copied.
COMFYUI_VERSION = "0.3.64"


class Reports:
    """The endpoints that only tell."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def routes(self) -> Routes:
        """Return method, path and handler of each endpoint."""
        return [
            ("GET", "/object_info", self.get_all_info),
            ("GET", "/object_info/{name}", self.get_info),
            ("GET", "/models", self.get_folders),
            ("GET", "/models/{folder}", self.get_models),
            ("GET", "/embeddings", self.get_embeddings),
            ("GET", "/system_stats", self.get_machine),
            ("GET", "/features", self.get_features),
        ]

    async def get_all_info(self, _request: web.Request) -> web.Response:
        """Describe every node class."""
        return web.json_response({name: self._catalogue.info(name) for name in self._catalogue.classes})

    async def get_info(self, request: web.Request) -> web.Response:
        """Describe one node class; {} for an unknown one."""
        name = request.match_info["name"]
        return web.json_response({name: self._catalogue.info(name)} if name in self._catalogue else {})

    async def get_folders(self, _request: web.Request) -> web.Response:
        """List the model folders."""
        return web.json_response(list(self._catalogue.models))

    async def get_models(self, request: web.Request) -> web.Response:
        """List the models of one folder; 404 for an unknown one."""
        names = self._catalogue.models_in(request.match_info["folder"])
        return web.Response(status=404) if names is None else web.json_response(names)

    async def get_embeddings(self, _request: web.Request) -> web.Response:
        """List the embeddings without their endings."""
        return web.json_response([PurePath(name).stem for name in self._catalogue.models_in("embeddings") or []])

    async def get_features(self, _request: web.Request) -> web.Response:
        """Say what the server can do besides."""
        return web.json_response(FEATURES)

    async def get_machine(self, _request: web.Request) -> web.Response:
        """Describe the machine, the version copied, and that this is the embedded engine."""
        total, free = _memory_bytes("SC_PHYS_PAGES"), _memory_bytes("SC_AVPHYS_PAGES")
        device: dict[str, Any] = {"name": "cpu", "type": "cpu", "index": None, "vram_total": total, "vram_free": free}
        device |= {"torch_vram_total": total, "torch_vram_free": free}
        system = {
            "os": os.name,
            "ram_total": total,
            "ram_free": free,
            "comfyui_version": COMFYUI_VERSION,
            "reeldrop_engine": __version__,
            "required_frontend_version": "none",
            "installed_templates_version": "none",
            "required_templates_version": "none",
            "python_version": sys.version,
            "pytorch_version": "none",
            "embedded_python": False,
            "argv": ["service.engine"],
        }
        return web.json_response({"system": system, "devices": [device]})


def _memory_bytes(pages: str) -> int:
    """Return physical memory by sysconf's name, or 0 where the system doesn't tell (macOS has no free pages)."""
    try:
        return os.sysconf(pages) * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return 0

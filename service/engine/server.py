"""The HTTP face: routes with and without /api, the prompt and queue endpoints, and who may ask at all."""

from __future__ import annotations

import ipaddress
import uuid
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from service.engine.answers import Handler, Routes, read_json, read_object, stumble
from service.engine.catalogue import Catalogue
from service.engine.prompt_queue import PromptQueue
from service.engine.reports import Reports
from service.engine.uploads import Uploads
from service.engine.validate import Verdict, prompt_problem, shape_problem, validate_prompt
from service.engine.views import Views
from service.engine.websocket import FEATURES, Hub

LARGEST_BODY_BYTES = FEATURES["max_upload_size"]


class PromptFace:
    """The endpoints that queue, watch and stop prompts."""

    def __init__(self, queue: PromptQueue, catalogue: Catalogue) -> None:
        self._queue = queue
        self._catalogue = catalogue
        self._counter = 0

    def routes(self) -> Routes:
        """Return method, path and handler of each endpoint."""
        return [
            ("GET", "/prompt", self.get_prompt),
            ("POST", "/prompt", self.post_prompt),
            ("GET", "/queue", self.get_queue),
            ("POST", "/queue", self.post_queue),
            ("GET", "/history", self.get_history),
            ("GET", "/history/{prompt_id}", self.get_entry),
            ("POST", "/history", self.post_history),
            ("POST", "/interrupt", self.post_interrupt),
            ("POST", "/free", self.post_free),
        ]

    async def get_prompt(self, _request: web.Request) -> web.Response:
        """Say how many prompts run or wait."""
        return web.json_response({"exec_info": {"queue_remaining": self._queue.remaining}})

    async def post_prompt(self, request: web.Request) -> web.Response:
        """Judge a prompt and queue it."""
        said = await read_json(request)
        if not isinstance(said, dict | list | str):
            raise stumble()
        number = self._number(said)
        if not isinstance(said, dict) or "prompt" not in said:
            details = "No prompt provided"
            return _refusal(prompt_problem("no_prompt", details, details))
        prompt_id = str(said.get("prompt_id", uuid.uuid4()))
        problem = _envelope_problem(said)
        if problem:
            return _refusal(problem)
        verdict = self._judge(said)
        if verdict.error:
            return _refusal(verdict.error, verdict.node_errors)
        extra = dict(said.get("extra_data", {}))
        if "client_id" in said:
            extra["client_id"] = said["client_id"]
        self._queue.put(number, prompt_id, said["prompt"], extra, verdict.outputs)
        return web.json_response({"prompt_id": prompt_id, "number": number, "node_errors": verdict.node_errors})

    def _number(self, said: Any) -> float:
        """Return the place in the queue: as asked, or counted up from the server's start; negative means in front."""
        if "number" in said:
            try:
                return float(said["number"])
            except (TypeError, ValueError):
                raise stumble() from None
        number = self._counter
        self._counter += 1
        return -number if isinstance(said, dict) and said.get("front") else number

    def _judge(self, said: dict[str, Any]) -> Verdict:
        prompt, targets = said["prompt"], said.get("partial_execution_targets")
        if prompt == []:
            prompt = {}
        if not isinstance(prompt, dict) or not all(isinstance(node, dict) for node in prompt.values()):
            raise stumble()
        verdict = validate_prompt(prompt, self._catalogue, targets if isinstance(targets, list) else None)
        if verdict.error is None:
            verdict.error = shape_problem(prompt)
        return verdict

    async def get_queue(self, _request: web.Request) -> web.Response:
        """Show what runs and waits."""
        running, waiting = self._queue.rows()
        return web.json_response({"queue_running": running, "queue_pending": waiting})

    async def post_queue(self, request: web.Request) -> web.Response:
        """Clear the waiting prompts, or delete some of them."""
        said = await read_object(request)
        if said.get("clear"):
            self._queue.clear()
        self._queue.delete(_ids(said))
        return web.Response()

    async def get_history(self, request: web.Request) -> web.Response:
        """Show ended prompts, the last max_items of them if that is asked."""
        try:
            most = int(request.query["max_items"]) if "max_items" in request.query else None
            offset = int(request.query.get("offset", -1))
        except ValueError:
            raise stumble() from None
        return web.json_response(self._queue.history(most, offset))

    async def get_entry(self, request: web.Request) -> web.Response:
        """Show one ended prompt, or {}."""
        return web.json_response(self._queue.entry(request.match_info["prompt_id"]))

    async def post_history(self, request: web.Request) -> web.Response:
        """Forget all ended prompts, or some of them."""
        said = await read_object(request)
        if said.get("clear"):
            self._queue.wipe_history()
        self._queue.drop_history(_ids(said))
        return web.Response()

    async def post_interrupt(self, request: web.Request) -> web.Response:
        """Stop the running prompt; with a prompt id only that one, and for any other id nothing happens."""
        said = await read_object(request) if (await request.text()).strip() else {}
        prompt_id = said.get("prompt_id")
        self._queue.interrupt(str(prompt_id) if prompt_id else None)
        return web.Response()

    async def post_free(self, request: web.Request) -> web.Response:
        """Forget the cache, if asked to free memory or models."""
        said = await read_object(request)
        if said.get("free_memory") or said.get("unload_models"):
            self._queue.forget()
        return web.Response()


def _ids(said: dict[str, Any]) -> list[str]:
    ids = said.get("delete", [])
    if not isinstance(ids, list):
        raise stumble()
    return [prompt_id for prompt_id in ids if isinstance(prompt_id, str)]


def _envelope_problem(said: dict[str, Any]) -> dict[str, Any] | None:
    """Return what would wedge or kill the true server: it is refused here."""
    if not isinstance(said.get("extra_data", {}), dict):
        message = "extra_data must be an object. Leave it out or write {}."
        return prompt_problem("invalid_extra_data", message, "extra_data")
    for place in (said, said.get("extra_data", {})):
        if isinstance(place.get("client_id"), list | dict):
            message = "client_id must be text. Send the clientId that your WebSocket used."
            return prompt_problem("invalid_client_id", message, "client_id")
    return None


def _refusal(error: dict[str, Any], node_errors: dict[str, Any] | None = None) -> web.Response:
    return web.json_response({"error": error, "node_errors": node_errors or {}}, status=400)


@web.middleware
async def refuse_strangers(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer 403 where a web page of another origin asks, or one that had a name pointed at our address."""
    host = urlsplit(f"//{request.headers.get('Host', '')}")
    origin = request.headers.get("Origin")
    if origin is not None:
        asked = urlsplit(origin)
        same = asked.netloc == host.netloc if asked.port is not None else asked.hostname == host.hostname
        if not same:
            return web.Response(status=403)
    if request.app[LOOPBACK_ONLY] and not _is_loopback(host.hostname or ""):
        return web.Response(status=403)
    return await handler(request)


LOOPBACK_ONLY: web.AppKey[bool] = web.AppKey("loopback_only", bool)


def _is_loopback(hostname: str) -> bool:
    try:
        return ipaddress.ip_address(hostname).is_loopback
    except ValueError:
        return hostname in {"localhost", ""}


def make_app(queue: PromptQueue, catalogue: Catalogue, hub: Hub, *, loopback_only: bool) -> web.Application:
    """Return the application with every route twice: bare, and under /api."""
    app = web.Application(middlewares=[refuse_strangers], client_max_size=LARGEST_BODY_BYTES)
    app[LOOPBACK_ONLY] = loopback_only
    routes: Routes = [("GET", "/ws", hub.serve)]
    routes += PromptFace(queue, catalogue).routes()
    routes += Reports(catalogue).routes()
    routes += Uploads(catalogue.folders).routes()
    routes += Views(catalogue.folders).routes()
    for method, path, handler in routes:
        for prefix in ("", "/api"):
            if method == "GET":
                app.router.add_get(prefix + path, handler)
            else:
                app.router.add_route(method, prefix + path, handler)
    return app

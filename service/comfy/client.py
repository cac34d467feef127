"""ComfyUI over HTTP: upload, submit, ask, fetch. It decides nothing; each call ends within its deadline.

Trouble of time or address is Unavailable; a graph that the server refuses is Refused; a result that is gone is Failed.
`POST /prompt` is not idempotent and a 500 may still have queued: after any Unavailable from `submit` the caller looks
(queue, then history) before it sends again.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

import requests
from requests_toolbelt import MultipartEncoder

from service.comfy.answers import Queue, bad_status, number_of, object_in, queue_in
from service.comfy.fetch import fetch
from service.comfy.prompt import EXTRA_DATA, body_of
from service.comfy.protocol import POST_DEADLINE_S
from service.comfy.refusal import problems_of
from service.comfy.verdict import OutputFile
from service.comfy.wire import Wire
from service.comfy.wire_trouble import words_of
from service.errors import Failed, Problem, Rejected, Unavailable

#: So many times as long as a question may take, for what is long: 60 s and 30 s as configured.
_OBJECT_INFO_ASKS = 4
_UPLOAD_ASKS = 2
#: 0.84 MB with 681 classes; a server with very many packs and models has some 10 MB.
_LONGEST_OBJECT_INFO_BYTES = 64 * 1024 * 1024
#: Before this version an interrupt stops whatever runs.
_INTERRUPTS_BY_ID = (0, 3, 57)
_SLOWEST_BYTES_PER_S = 250_000
#: Below this size no server refuses an upload, so nobody is asked for its limit (100 MB unless changed there).
_SMALL_UPLOAD_BYTES = 50_000_000


class Refused(Rejected):
    """The server's own validation refuses the graph: nothing of it was or will be run."""


class Client:
    """One ComfyUI, by its address; may be used from any thread.

    `connect_s` and `read_s` bound each single wait, `ask_s` a question as a whole. `headers` go with every request and
    to this address alone: no redirect is followed. `tls_verify` is whose certificates count: everybody's (True), those
    vouched for by one file, or any (False). ValueError: address or headers are none. Every call raises Unavailable if
    the server can't be reached, is slow, breaks off, or isn't ComfyUI.
    """

    def __init__(
        self,
        base_url: str,
        *,
        connect_s: float = 2,
        read_s: float = 10,
        headers: Mapping[str, str] = MappingProxyType({}),
        tls_verify: bool | Path = True,
        ask_s: float = 15,
    ) -> None:
        self._ask_s = ask_s
        self._wire = Wire(base_url, connect_s, read_s, headers=headers, tls_verify=tls_verify)
        #: Whether the server has a door for cancelling; None until it was asked for the first time.
        self._cancels: bool | None = None
        #: Whether an interrupt touches the prompt it names alone; until a version was seen, that of today is assumed.
        self._interrupts_by_id = True

    def close(self) -> None:
        """Close all connections; a later call opens new ones."""
        self._wire.close()

    # ── asking ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def system_stats(self) -> dict[str, Any]:
        """Return GET /system_stats, surely ComfyUI's: its `system` names a `comfyui_version`."""
        stats = self._get_object("/system_stats")
        system = stats.get("system")
        if not isinstance(system, dict) or "comfyui_version" not in system:
            raise self._wire.not_comfyui("its system report lacks ComfyUI's version")
        system["comfyui_version"] = words_of(system["comfyui_version"])
        self._interrupts_by_id = _version_of(system["comfyui_version"]) >= _INTERRUPTS_BY_ID
        return stats

    def object_info(self) -> dict[str, Any]:
        """Return GET /object_info: every node class that the server has, with its inputs and options.

        Unavailable (no_output_nodes): none of them saves anything, so no render could ever come out.
        """
        said = self._get_object(
            "/object_info", overall_s=_OBJECT_INFO_ASKS * self._ask_s, longest_bytes=_LONGEST_OBJECT_INFO_BYTES
        )
        classes = {name: of for name, of in said.items() if isinstance(of, dict)}
        if not any(of.get("output_node") is True for of in classes.values()):
            raise Unavailable(
                "no_output_nodes",
                f"The server at {self._wire.shown} has no node that saves anything.",
                "Look into its log for what kept its nodes from loading, and restart it.",
            )
        return classes

    def features(self) -> dict[str, Any]:
        """Return GET /features, for example `max_upload_size` in bytes."""
        return self._get_object("/features")

    def queue(self) -> Queue:
        """Return the ids that run and wait. Ask this before `history`: a prompt only moves from here to there."""
        return queue_in(self._wire, self._get_object("/queue"))

    def history(self, prompt_id: str) -> dict[str, Any] | None:
        """Return the prompt's whole history entry, or None while it is unknown there."""
        entry = self._get_object(f"/history/{quote(prompt_id, safe='')}").get(prompt_id)
        if entry is not None and not isinstance(entry, dict):
            raise self._wire.not_comfyui("its history entry is no object")
        return entry

    # ── acting ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def submit(
        self,
        prompt_id: str,
        graph: Mapping[str, Any],
        client_id: str,
        extra_data: Mapping[str, Any] = EXTRA_DATA,
    ) -> float:
        """Send a prompt under our own id and return its number in the server's order, within POST_DEADLINE_S.

        ValueError: the graph, an id or `extra_data` is malformed (some servers wedge on it, so it isn't sent).
        Refused: with all the server's reasons; nothing of it runs. Unavailable: nobody knows, unless `refused`: then
        nothing was sent.
        """
        body = body_of(prompt_id, graph, client_id, extra_data)
        headers = {"Content-Type": "application/json"}
        answer, raw = self._wire.ask("POST", "/prompt", overall_s=POST_DEADLINE_S, data=body, headers=headers)
        if answer.status_code not in {200, 400}:
            raise bad_status(self._wire, answer)
        said = object_in(self._wire, answer, raw)
        if answer.status_code == 400:
            if "node_errors" not in said:
                raise self._wire.not_comfyui("it refuses a workflow without saying which node", answer.headers)
            raise Refused(*problems_of(said, graph))
        return self._accepted(said, prompt_id, graph)

    def upload(self, path: Path, name: str, subfolder: str, kind: str = "temp") -> str:
        """Stream a file to the server's folder `kind` and return the reference that a loader node takes.

        Same name and subfolder overwrite. Failed (upload_too_large): the server takes no file of this size.
        """
        size = path.stat().st_size
        self._check_size(size, path.name)
        with path.open("rb") as source:
            fields = {"image": (name, source, "application/octet-stream"), "type": kind, "subfolder": subfolder}
            encoder = MultipartEncoder({**fields, "overwrite": "true"})
            answer, raw = self._wire.ask(
                "POST",
                "/upload/image",
                overall_s=_UPLOAD_ASKS * self._ask_s + size / _SLOWEST_BYTES_PER_S,
                data=encoder,
                headers={"Content-Type": encoder.content_type},
            )
        if answer.status_code == 413:
            raise Failed(_too_large(path.name, raw.decode("utf-8", "replace")[:200]))
        return self._reference(self._expect_object(answer, raw), kind)

    def fetch(
        self, file: OutputFile, target: Path, *, overall_s: float = 600, stop: threading.Event | None = None
    ) -> int:
        """Stream a result to `target`, whole or not at all, and return its size in bytes.

        A break is resumed where it was. Failed (result_missing): the server has no such file. Once `stop` is set it
        ends within a moment: Unavailable (stopping).
        """
        return fetch(self._wire, file, target, overall_s=overall_s, stop=stop)

    def interrupt(self, prompt_id: str) -> bool:
        """Stop this prompt if it runs now; return whether it did. It may still end well: its history says how."""
        return self._interrupt(prompt_id, self.queue())

    def _interrupt(self, prompt_id: str, waiting: Queue) -> bool:
        if prompt_id not in waiting.running:
            return False
        # An older server stops whatever runs by then: ours, as long as nothing else can follow it.
        if not self._interrupts_by_id and waiting.pending:
            return False
        self._post("/interrupt", {"prompt_id": prompt_id})
        return True

    def delete(self, prompt_id: str) -> None:
        """Take a waiting prompt out of the queue; one that runs or is over stays as it is."""
        self._post("/queue", {"delete": [prompt_id]})

    def cancel(self, prompt_id: str) -> bool:
        """Take this prompt out of the queue or stop it, whichever it takes; return whether it waited or ran.

        True promises nothing yet: a prompt in its last node ends well all the same. Look until it is in neither queue
        nor history, or in history. Nobody else's prompt is touched.
        """
        if self._cancels is not False:
            path = f"/api/jobs/{quote(prompt_id, safe='')}/cancel"
            answer, raw = self._wire.ask("POST", path, overall_s=self._ask_s, json={})
            self._cancels = answer.status_code not in {404, 405}
            if self._cancels:
                return self._expect_object(answer, raw).get("cancelled") is True
        waiting = self.queue()
        if prompt_id in waiting.pending:
            # It may begin between the two; asking again says so.
            self.delete(prompt_id)
        else:
            self._interrupt(prompt_id, waiting)
        return prompt_id in waiting.pending | waiting.running

    def forget(self, prompt_ids: Collection[str]) -> None:
        """Take prompts that are over out of the server's history; unknown ones are no trouble, files stay."""
        if prompt_ids:
            self._post("/history", {"delete": list(prompt_ids)})

    def free(self) -> None:
        """Ask the server to unload its models; it does so between two prompts."""
        self._post("/free", {"unload_models": True, "free_memory": True})

    # ── reading answers ─────────────────────────────────────────────────────────────────────────────────────────────

    def _get_object(self, path: str, *, overall_s: float | None = None, **limits: int) -> dict[str, Any]:
        overall_s = self._ask_s if overall_s is None else overall_s
        try:
            answer, raw = self._wire.ask("GET", path, overall_s=overall_s, **limits)
        except Unavailable as trouble:
            if trouble.code != "cut_off":
                raise
            # A kept connection may have been closed just now; asking twice is harmless.
            answer, raw = self._wire.ask("GET", path, overall_s=overall_s, **limits)
        return self._expect_object(answer, raw)

    def _post(self, path: str, said: Mapping[str, Any]) -> None:
        answer, _ = self._wire.ask("POST", path, overall_s=self._ask_s, json=said)
        if answer.status_code != 200:
            raise bad_status(self._wire, answer)

    def _expect_object(self, answer: requests.Response, raw: bytes) -> dict[str, Any]:
        if answer.status_code != 200:
            raise bad_status(self._wire, answer)
        return object_in(self._wire, answer, raw)

    def _accepted(self, said: Mapping[str, Any], prompt_id: str, graph: Mapping[str, Any]) -> float:
        if said.get("prompt_id") != prompt_id:
            self._take_back(said.get("prompt_id"))
            raise Unavailable(
                "server_too_old",
                f"The server at {self._wire.shown} doesn't take prompt ids from us.",
                "Update ComfyUI to 0.3.45 or newer.",
            )
        if said.get("node_errors"):
            # Some outputs are dropped and the rest runs: half a job is none.
            self._take_back(prompt_id)
            raise Refused(*problems_of(said, graph))
        return number_of(said.get("number"))

    def _take_back(self, prompt_id: Any) -> None:
        if isinstance(prompt_id, str):
            self.delete(prompt_id)
            self.interrupt(prompt_id)

    def _check_size(self, size: int, name: str) -> None:
        if size < _SMALL_UPLOAD_BYTES:
            return
        try:
            limit = self.features().get("max_upload_size")
        except Unavailable as trouble:
            if trouble.code != "not_comfyui":
                raise
            return  # older servers have no such page
        if isinstance(limit, int | float) and size > limit:
            raise Failed(_too_large(name, f"{size} bytes, its limit is {limit:.0f}"))

    def _reference(self, said: Mapping[str, Any], kind: str) -> str:
        name, subfolder, landed = said.get("name"), said.get("subfolder") or "", said.get("type")
        if not isinstance(name, str) or not name or landed != kind:
            raise self._wire.not_comfyui("its answer to an upload has another shape")
        path = f"{subfolder}/{name}" if subfolder else name
        return path if kind == "input" else f"{path} [{kind}]"


def _version_of(said: Any) -> tuple[int, ...]:
    """Return a version's numbers; one that can't be read is older than any."""
    try:
        return tuple(int(part) for part in str(said).split(".")[:3])
    except ValueError:
        return ()


def _too_large(name: str, detail: str) -> Problem:
    return Problem(
        "upload_too_large",
        f"The server takes no file as large as {name}.",
        "Drop a smaller file, or start ComfyUI with a higher --max-upload-size.",
        detail,
    )

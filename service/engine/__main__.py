"""Run the embedded engine: one JSON line says where it listens, then it serves until its parent goes."""

from __future__ import annotations

import argparse
import asyncio
import errno
import ipaddress
import json
import logging
import os
import shutil
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from aiohttp import web

from service.engine.catalogue import Catalogue, ModelsUnreadable, read_models
from service.engine.execute import Executor
from service.engine.node import Folders, NodeClass
from service.engine.prompt_queue import PromptQueue
from service.engine.server import make_app
from service.engine.websocket import Hub
from service.engine.worker import start_worker

WRONG_USE = 2


def main(arguments: Sequence[str] | None = None, classes: Mapping[str, NodeClass] | None = None) -> int:
    """Serve until the parent's pipe closes or SIGTERM comes; return 2 with one sentence if it can't start."""
    options = _parse(arguments)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        models = read_models(options.models)
        folders = _prepare(options.base)
    except (ModelsUnreadable, OSError) as trouble:
        return _refuse(f"The engine can't start: {trouble}")
    try:
        asyncio.run(_serve(options, Catalogue(_all_classes() if classes is None else classes, models, folders)))
    except OSError as trouble:
        return _refuse(_cannot_listen(options.host, options.port, trouble))
    return 0


def _all_classes() -> Mapping[str, NodeClass]:
    from service.engine.nodes import NODE_CLASSES  # noqa: PLC0415 — brings the decoders, which --help can do without

    return NODE_CLASSES


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m service.engine", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 takes a free one (default)")
    parser.add_argument("--base", type=Path, required=True, help="folder for input/, output/ and temp/")
    parser.add_argument("--models", type=Path, help="models.yaml: the models to list")
    parser.add_argument("--stay", action="store_true", help="go on when standard input closes")
    return parser.parse_args(arguments)


def _prepare(base: Path) -> Folders:
    """Return the folders, made where missing; what an earlier run left in temp and scratch goes, as there."""
    base = base.resolve()
    for name in ("temp", "scratch"):
        shutil.rmtree(base / name, ignore_errors=True)
    for name in ("input", "output", "temp", "scratch"):
        (base / name).mkdir(parents=True, exist_ok=True)
    return Folders(base / "input", base / "output", base / "temp")


async def _serve(options: argparse.Namespace, catalogue: Catalogue) -> None:
    loop = asyncio.get_running_loop()
    queue = PromptQueue(lambda remaining: hub.tell_status(remaining))  # noqa: PLW0108 — the hub is made next
    hub = Hub(loop, lambda: queue.remaining)
    app = make_app(queue, catalogue, hub, loopback_only=_is_loopback(options.host))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, options.host, options.port)
    await site.start()
    start_worker(queue, Executor(catalogue, queue, hub, catalogue.folders.temp.parent / "scratch"), hub)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _leave)
    _announce(options.host, runner)
    if not options.stay:
        threading.Thread(target=_leave_with_parent, name="parent", daemon=True).start()
    await loop.create_future()


def _announce(host: str, runner: web.AppRunner) -> None:
    port = runner.addresses[0][1]
    where = f"[{host}]" if ":" in host else host
    line = json.dumps({"url": f"http://{where}:{port}", "pid": os.getpid()})
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _leave_with_parent() -> None:
    """Wait until standard input closes, which the death of the parent does too."""
    try:
        while os.read(0, 65536):
            continue
    except OSError:
        logging.getLogger(__name__).info("Standard input is gone.")
    _leave()


def _leave() -> None:
    """End at once, in mid-run too: a render that is lost can be sent again, a process that lingers can't be trusted."""
    logging.shutdown()
    os._exit(0)


def _refuse(sentence: str) -> int:
    sys.stderr.write(sentence + "\n")
    return WRONG_USE


def _cannot_listen(host: str, port: int, trouble: OSError) -> str:
    if trouble.errno == errno.EADDRINUSE:
        return f"Port {port} on {host} is taken by another program. Choose another --port, or 0 for any free one."
    return f"The engine can't listen on {host}, port {port}: {trouble.strerror or trouble}."


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


if __name__ == "__main__":
    sys.exit(main())

"""A job that was queued before any server was known is guarded by what its server says of its classes."""

from __future__ import annotations

import json
from pathlib import Path

import requests

from tests.faults.proxy import Proxy
from tests.line.world import SMALL, World


def test_the_guard_is_asked_again_before_a_job_is_sent(tmp_path: Path, engine_outside: str):
    known = requests.get(f"{engine_outside}/object_info", timeout=10).json()
    # Here a VAE gives out pictures, which no job has brought.
    known["VAELoader"]["output"] = ["IMAGE"]
    with Proxy(engine_outside) as proxy:
        proxy.answer("/object_info", json.dumps(known).encode())
        proxy.refuse()
        world = World(tmp_path, proxy.url)
        with world:
            world.drop("text-to-video/cup.yaml", f"prompt: a cup\n{SMALL}")
            world.until_hold("text-to-video/cup", "refused")
            assert world.status("text-to-video/cup")["state"] == "queued"
            proxy.accept()
            status = world.until_state("text-to-video/cup", "failed", "done")
        assert status["state"] == "failed"
        assert "VAELoader" in status["error"]["title"]
        assert status["error"]["code"] != "bad_value"
        assert proxy.prompts_sent == 0

"""Signing: a finished result gets a C2PA manifest, last of all, where a certificate is configured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from service import __version__
from service.connection import PREVIEW_ENGINE
from service.examiner import Examiner
from service.examiner.sealer import CARRIERS, Sealer
from service.job import Expected, Job, MediaFacts
from service.signing_keys import Signing

#: IPTC's vocabulary, https://cv.iptc.org/newscodes/digitalsourcetype/.
_SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"


class Signatures:
    """Signs results and checks what was written."""

    def __init__(self, sealer: Sealer, examiner: Examiner, keys: Signing) -> None:
        self._sealer = sealer
        self._examiner = examiner
        self._keys = keys

    def sign(self, job: Job, path: Path, facts: MediaFacts) -> tuple[Path, MediaFacts]:
        """Return a signed copy beside a finished file, verified again; the file itself where its format carries none.

        Raises Unavailable where it can't be signed: then nothing of the job is published.
        """
        if path.suffix not in CARRIERS:
            return path, facts
        signed = path.with_name(f"signed{path.suffix}")
        keys = self._keys
        self._sealer.sign(path, signed, manifest_of(job), keys.certificate, keys.private_key, keys.timestamp_url)
        expected = Expected(facts.width, facts.height, facts.fps, facts.frames, facts.audio)
        found, _ = self._examiner.verify(signed, expected)
        path.unlink(missing_ok=True)
        return signed, found

    def stop(self) -> None:
        """End the child that signs."""
        self._sealer.stop()

    def signs(self, path: Path) -> bool:
        """Tell whether a published result is signed: what can be is never published otherwise."""
        return path.suffix in CARRIERS


def signatures_of(keys: Signing | None, examiner: Examiner, temporary: Path) -> Signatures | None:
    """Return what signs by these keys, None without any; its child is started when the first result is signed."""
    return Signatures(Sealer("results", temporary=temporary, results=True), examiner, keys) if keys else None


def manifest_of(job: Job) -> dict[str, Any]:
    """Return what is signed: that software made it, which, and of what kind the source is; nothing private."""
    minimal = (job.settings.get("output") or {}).get("metadata") == "minimal"
    created = {
        "action": "c2pa.created",
        "digitalSourceType": f"{_SOURCE_TYPES}{source_type(job)}",
        "softwareAgent": {"name": "Reeldrop" if minimal else job.engine or "unknown"},
        "parameters": {"org.reeldrop.job": job.id, "org.reeldrop.graph_hash": job.graph_hash or ""},
    }
    return {
        "claim_generator_info": [{"name": "Reeldrop", "version": __version__}],
        **({} if minimal else {"title": job.name}),
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [created]}}],
    }


def source_type(job: Job) -> str:
    """Return IPTC's name for how the pictures came to be: no model ran in the embedded engine, and it isn't said."""
    if job.engine and job.engine.startswith(PREVIEW_ENGINE):
        return "compositeSynthetic" if job.inputs else "algorithmicMedia"
    return "compositeWithTrainedAlgorithmicMedia" if job.inputs else "trainedAlgorithmicMedia"

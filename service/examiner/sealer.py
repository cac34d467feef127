"""The daemon's side of signing: a child process of its own, so that no decoder is ever near the private key."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from service.errors import Failed, Rejected, Unavailable
from service.examiner.line import Line
from service.media import trouble

#: The endings of results that can carry a C2PA manifest.
CARRIERS = frozenset({".mp4", ".mov", ".gif", ".webp", ".png"})
_SIGN_S = 60.0
_BYTES_A_SECOND = 10_000_000


class Sealer(Line):
    """Signs files and reads signatures back, in a child that is started when first needed."""

    operations: ClassVar[str] = "service.examiner.sealing"

    def sign(
        self,
        path: Path,
        target: Path,
        manifest: Mapping[str, Any],
        certificate: Path,
        private_key: Path,
        timestamp_url: str | None = None,
    ) -> None:
        """Write a signed copy of a file to `target`, whole or not at all; raises Unavailable where it can't be."""
        _refuse_without_library()
        how: dict[str, Any] = {
            "target": str(target), "manifest": dict(manifest), "certificate": str(certificate),
            "private_key": str(private_key), "timestamp_url": timestamp_url,
        }  # fmt: skip
        try:
            self._ask("sign", _deadline_s(path), trouble.name_of(path), path=str(path), **how)
        except (Failed, Rejected) as error:
            title = "The result can't be signed: the process that signs fell over it or took too long."
            raise Unavailable("signing_failed", title, "See the log; the job goes on by itself.") from error

    def credentials(self, path: Path, certificate: Path | None) -> dict[str, Any] | None:
        """Return what a file's C2PA manifest says and whether its signature holds, None where it has none.

        `state` is Invalid, Valid or Trusted (by the root at the end of `certificate`). Raises Rejected or Failed for a
        file that fells the child, Unavailable where signatures can't be read.
        """
        _refuse_without_library()
        named = None if certificate is None else str(certificate)
        answer, _ = self._ask(
            "credentials", _deadline_s(path), trouble.name_of(path), path=str(path), certificate=named
        )
        return None if answer is None else dict(answer)


def _deadline_s(path: Path) -> float:
    return _SIGN_S + path.stat().st_size / _BYTES_A_SECOND


def _refuse_without_library() -> None:
    if importlib.util.find_spec("c2pa") is None:
        title = "C2PA manifests need the library c2pa-python, which isn't installed."
        raise Unavailable("c2pa_missing", title, "Run: pip install c2pa-python cryptography.")

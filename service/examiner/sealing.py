"""The sealer's child: signs files and reads signatures back with the c2pa library; no decoder is loaded here."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import c2pa

from service.errors import Unavailable

Result = tuple[Any, bytes]
#: What the library calls the formats that a result can have; it has none for Matroska and WebM.
_TYPES = {
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/quicktime",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
}
#: The algorithms are tried in this order until one fits the key.
_ALGORITHMS = (b"es256", b"es384", b"es512", b"ps256", b"ps384", b"ps512", b"ed25519")
_ALLOWED_UNTRUSTED = "signingCredential.untrusted"
_WORDS = 200


class Operations:
    """What the child can do; each operation gives back JSON-able values and bytes."""

    def __init__(self, classifier: Callable[[], Any]) -> None:
        del classifier

    def sign(
        self,
        *,
        path: str,
        target: str,
        manifest: dict[str, Any],
        certificate: str,
        private_key: str,
        timestamp_url: str | None,
        payload: bytes,
    ) -> Result:
        """Write a signed copy to `target`, whole or not at all, and read it back; raises Unavailable if it can't be."""
        del payload
        chain, key = _pem(certificate, "certificate"), _pem(private_key, "private_key")
        draft = Path(target).with_name(f".{Path(target).name}.part")
        try:
            _sign(Path(path), draft, manifest, chain, key, timestamp_url)
            found = _read(draft, _TYPES[Path(path).suffix], _root_of(chain))
            if found is None or found["state"] not in ("Valid", "Trusted"):
                raise _unsigned(f"the signature doesn't hold: {', '.join(found['problems'] if found else ())}")
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)
        return True, b""

    def credentials(self, *, path: str, certificate: str | None, payload: bytes) -> Result:
        """Return what a file's C2PA manifest says and whether its signature holds; null where it has none."""
        del payload
        kind = _TYPES.get(Path(path).suffix.lower(), "")
        anchor = _root_of(_pem(certificate, "certificate")) if certificate is not None else None
        return _read(Path(path), kind, anchor), b""


def _sign(path: Path, draft: Path, manifest: dict[str, Any], chain: str, key: str, timestamp_url: str | None) -> None:
    trouble = ""
    for algorithm in _ALGORITHMS:
        info = c2pa.C2paSignerInfo(algorithm, chain.encode(), key.encode(), timestamp_url)
        try:
            with (
                c2pa.Context.from_dict(_settings(None)) as context,
                c2pa.Signer.from_info(info) as signer,
                c2pa.Builder(manifest, context) as builder,
                path.open("rb") as source,
                draft.open("w+b") as made,
            ):
                builder.sign(signer, _TYPES[path.suffix], source, made)
                return
        except c2pa.C2paError as error:
            # The first is by far the most common, so its words say best what is wrong.
            trouble = trouble or str(error)
    raise _unsigned(trouble)


def _read(path: Path, kind: str, anchor: str | None) -> dict[str, Any] | None:
    try:
        with (
            c2pa.Context.from_dict(_settings(anchor)) as context,
            path.open("rb") as file,
            c2pa.Reader(kind, file, context=context) as reader,
        ):
            store = json.loads(reader.json())
            state = str(reader.get_validation_state())
    except c2pa.C2paError.ManifestNotFound:
        return None
    except c2pa.C2paError.NotSupported:
        return None
    except c2pa.C2paError as error:
        return {"state": "Invalid", "problems": [str(error)[:_WORDS]], "signer": None, "source_types": [], "by": None}
    manifest = store.get("manifests", {}).get(store.get("active_manifest"), {})
    generator = (manifest.get("claim_generator_info") or [{}])[0]
    signature = manifest.get("signature_info") or {}
    return {
        "state": state,
        "problems": sorted({each["code"] for each in store.get("validation_status") or ()} - {_ALLOWED_UNTRUSTED}),
        "signer": ", ".join(str(signature[name]) for name in ("common_name", "issuer") if signature.get(name)) or None,
        "by": f"{generator.get('name', '')} {generator.get('version', '')}".strip() or None,
        "source_types": _source_types(manifest),
    }


def _source_types(manifest: dict[str, Any]) -> list[str]:
    found = set()
    for assertion in manifest.get("assertions") or ():
        data = assertion.get("data")
        for action in (data.get("actions") or ()) if isinstance(data, dict) else ():
            if isinstance(kind := action.get("digitalSourceType"), str):
                found.add(kind.rpartition("/")[2][:_WORDS])
    return sorted(found)


def _settings(anchor: str | None) -> dict[str, Any]:
    # Neither a manifest kept elsewhere nor the state of a certificate is asked for over the network.
    settings: dict[str, Any] = {
        "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
        "builder": {"thumbnail": {"enabled": False}},
    }
    return {**settings, "trust": {"user_anchors": anchor}} if anchor else settings


def _root_of(chain: str) -> str:
    mark = "-----BEGIN CERTIFICATE-----"
    return mark + chain.rpartition(mark)[2]


def _pem(path: str, key: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii")
    except (OSError, ValueError) as error:
        fix = f"Mend c2pa.{key} in config.yaml; the job goes on by itself."
        raise Unavailable("signing_failed", f"The file named by c2pa.{key} can't be read.", fix) from error


def _unsigned(why: str) -> Unavailable:
    fix = "Check c2pa in config.yaml: the chain, its order and dates, and that the key belongs to it."
    return Unavailable("signing_failed", f"The result can't be signed: {why[:_WORDS]}.", fix)

"""How a server lets us in: headers, token, user and password, whose certificate counts; for HTTP and WebSocket."""

from __future__ import annotations

import ssl
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from requests.utils import DEFAULT_CA_BUNDLE_PATH

from service.errors import Unavailable

#: These frame a request and are ours to say; from anybody else they could hide a second request in the first.
_OURS = {"connection", "content-length", "content-type", "expect", "host", "te", "transfer-encoding", "upgrade"}
_TOKEN_MARKS = set("!#$%&'*+-.^_`|~")


def bearer(token: str) -> dict[str, str]:
    """Return the header that a token stands for; ValueError where it can't stand in one."""
    return checked({"Authorization": f"Bearer {token}"})


def checked(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers as they may be sent; ValueError names the first that may not, never its value."""
    for name, value in headers.items():
        if not name or not all(letter.isascii() and (letter.isalnum() or letter in _TOKEN_MARKS) for letter in name):
            raise ValueError(f"{name!r} is no name of a header")
        if name.lower() in _OURS or name.lower().startswith("sec-"):
            raise ValueError(f"the header {name} is not for a configuration to set")
        if not value.isprintable() or value != value.strip() or not _is_latin(value):
            raise ValueError(f"the value of the header {name} holds what no header may hold")
    return dict(headers)


def _is_latin(value: str) -> bool:
    return all(ord(letter) < 256 for letter in value)


def headers_for(base_url: str, headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of every request: those given, and user and password of the address where none says who."""
    parts = urlsplit(base_url)
    given = checked(headers)
    if not parts.username or any(name.lower() == "authorization" for name in given):
        return given
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {**given, "Authorization": f"Basic {b64encode(login.encode()).decode()}"}


def without_login(base_url: str) -> str:
    """Return an address without user and password, as it may be shown; ValueError where it is none."""
    parts = urlsplit(base_url.rstrip("/"))
    if parts.scheme not in {"http", "https"} or not parts.hostname or not _has_port(base_url):
        raise ValueError(
            f"a server's address looks like http://127.0.0.1:8188, not {parts.netloc.rpartition('@')[2]!r}"
        )
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _has_port(base_url: str) -> bool:
    try:
        return urlsplit(base_url).port != 0
    except ValueError:
        return False


def tls_context(verify: bool | Path) -> ssl.SSLContext:  # noqa: FBT001  the configuration's own value, handed through
    """Return what a TLS connection is judged by: this machine's authorities, those of one file or folder, or nothing.

    Unavailable (tls_authority_missing): the file can't be read or holds no certificate.
    """
    if isinstance(verify, Path):
        return _of_authorities(verify)
    context = ssl.create_default_context()
    if verify:
        # A machine without authorities of its own, as a small container, still knows the public ones.
        context.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)
        return context
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _of_authorities(path: Path) -> ssl.SSLContext:
    try:
        if path.is_dir():
            return ssl.create_default_context(capath=str(path))
        return ssl.create_default_context(cafile=str(path))
    except (OSError, ssl.SSLError):
        raise Unavailable(
            "tls_authority_missing",
            f"The certificates in {path.name} can't be read.",
            "Correct `tls_verify` of this backend in config.yaml: a readable PEM file, true, or false.",
        ) from None

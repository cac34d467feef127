"""What a failed exchange means for a job: time must pass or the operator must act, each with its cure."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from http.client import HTTPException, IncompleteRead, RemoteDisconnected
from types import UnionType
from typing import Any

import requests

from service.errors import Unavailable
from service.exchange import StoppedError


def trouble_of(trouble: BaseException, shown: str) -> Unavailable:
    """Return what an error of an exchange with the server at `shown` means."""
    if _caused_by(trouble, StoppedError):
        return Unavailable("stopping", "The service is stopping.", "It goes on after the next start.")
    return _unreachable(trouble, shown) or _unsafe(trouble, shown) or _broken(trouble, shown)


def _unreachable(trouble: BaseException, shown: str) -> Unavailable | None:
    if _caused_by(trouble, ConnectionRefusedError):
        return Unavailable(
            "refused",
            f"Nothing listens at {shown}.",
            "Start ComfyUI there, or correct `backends` in config.yaml.",
            refused=True,
        )
    if _caused_by(trouble, socket.gaierror) or isinstance(trouble, requests.exceptions.InvalidURL):
        return Unavailable(
            "unreachable",
            f"The name in {shown} can't be found on the network.",
            "Correct the url under `backends` in config.yaml.",
        )
    if isinstance(trouble, requests.Timeout | TimeoutError) or _caused_by(trouble, TimeoutError):
        return Unavailable(
            "timeout",
            f"The server at {shown} didn't answer in time.",
            "If it stays like that, restart the server.",
        )
    return None


def _unsafe(trouble: BaseException, shown: str) -> Unavailable | None:
    if _caused_by(trouble, ssl.SSLCertVerificationError):
        return Unavailable(
            "tls_untrusted",
            f"Nobody that we trust vouches for the certificate of {shown}.",
            "Name its authority's file under `tls_verify` of this backend in config.yaml, or false to trust it unseen.",
        )
    if _caused_by(trouble, ssl.SSLError):
        return Unavailable(
            "tls_broken",
            f"No encrypted connection to {shown} comes about.",
            "If that server speaks plain HTTP, begin its url with http:// in config.yaml.",
        )
    return None


def _broken(trouble: BaseException, shown: str) -> Unavailable:
    if _caused_by(trouble, HTTPException) and not _caused_by(trouble, RemoteDisconnected | IncompleteRead):
        return not_comfyui(shown, "it doesn't speak HTTP, or only behind https://")
    return Unavailable(
        "cut_off",
        f"The server at {shown} broke off in the middle ({type(trouble).__name__}).",
        "If it stays like that, look into the server's log and restart it.",
    )


def not_comfyui(shown: str, why: str, headers: Mapping[str, str] | None = None) -> Unavailable:
    """Return the trouble of an answer that no ComfyUI gives."""
    server = f" (it calls itself {words_of(headers['Server'])})" if headers and headers.get("Server") else ""
    return Unavailable(
        "not_comfyui",
        f"What answers at {shown} is not ComfyUI: {why}{server}.",
        "Correct the url under `backends` in config.yaml; ComfyUI's own port is usually 8188.",
    )


def words_of(said: object) -> str:
    """Return a few words of a server, fit for one line for people."""
    return "".join(letter for letter in str(said)[:60] if letter.isprintable())


def _caused_by(trouble: BaseException, kind: type[BaseException] | UnionType) -> bool:
    """Return whether `kind` stands somewhere behind an error; requests hides it in arguments and reasons."""
    waiting: list[Any] = [trouble]
    seen: set[int] = set()
    while waiting:
        error = waiting.pop()
        if not isinstance(error, BaseException) or id(error) in seen:
            continue
        if isinstance(error, kind):
            return True
        seen.add(id(error))
        waiting += [error.__cause__, error.__context__, getattr(error, "reason", None), *error.args]
    return False

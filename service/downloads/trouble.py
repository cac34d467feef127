"""What goes wrong on the way of a model file, in words for who pulls it: each with its cure."""

from __future__ import annotations

import socket
import ssl

import requests

from service.errors import Problem, Unavailable
from service.model_hosts import token_variable_of
from service.model_list import Model


class BrokenError(Exception):
    """The exchange broke; another try may bring more. Its text is a sentence."""


class AddressRefusedError(Exception):
    """A name led to an address that isn't public."""

    def __init__(self, host: str) -> None:
        super().__init__(host)
        self.host = host


def words_of(trouble: BaseException, host: str) -> str:
    """Return what an error of an exchange means, in one sentence."""
    if _caused_by(trouble, socket.gaierror):
        return f"The name {host} can't be found on the network."
    if _caused_by(trouble, ConnectionRefusedError):
        return f"{host} refuses connections."
    if _caused_by(trouble, ssl.SSLCertVerificationError):
        return f"Nobody that this machine trusts vouches for the certificate of {host}."
    if _caused_by(trouble, ssl.SSLError):
        return f"No safe connection to {host} could be made."
    if isinstance(trouble, requests.Timeout) or _caused_by(trouble, TimeoutError):
        return f"{host} didn't answer in time."
    return f"The connection to {host} broke."


def _caused_by(trouble: BaseException | None, kind: type[BaseException]) -> bool:
    seen: set[int] = set()
    waiting = [trouble]
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        if isinstance(each, kind):
            return True
        seen.add(id(each))
        inner = [argument for argument in each.args if isinstance(argument, BaseException)]
        waiting += [each.__cause__, each.__context__, getattr(each, "reason", None), *inner]
        waiting = [item for item in waiting if item is None or isinstance(item, BaseException)]
    return False


def private(host: str) -> Problem:
    """Return the refusal of a name that leads into a private network."""
    fix = "If it is a server of your own, add its network to model_hosts in config.yaml, for example 10.0.0.0/8."
    return Problem("host_refused", f"{host} leads to an address that isn't public, so nothing is fetched from it.", fix)


def loop(host: str) -> Problem:
    """Return the refusal of redirects without end."""
    return Problem("redirect_loop", f"{host} sends on and on, and never to the file.", "Try later, or correct its url.")


def forbidden(model: Model, *, has_token: bool) -> Problem:
    """Return what to do where a host wants to know who asks, or that its terms are accepted."""
    variable = token_variable_of(model.url or "")
    page = model.source or model.url
    if variable is None:
        return Problem("token_needed", f"{model.name} may not be fetched by everybody.", f"Fetch it by hand: {page}")
    if has_token:
        fix = f"Open {page}, signed in as the token's owner, and accept the terms; then pull again."
        return Problem("token_needed", f"The token in {variable} doesn't open {model.name}.", fix)
    fix = f"Accept the terms at {page}, make a token that may read, set it as {variable}, and pull again."
    return Problem("token_needed", f"{model.name} is given only to those who accepted its terms.", fix)


def gone(model: Model) -> Problem:
    """Return what to do where the file isn't at its address."""
    fix = f"Look for it at {model.source or model.url} and put it into models/{model.folder}/."
    return Problem("model_gone", f"{model.name} is no longer at its address.", fix)


def not_a_model(model: Model, what: str) -> Problem:
    """Return the refusal of an answer that is no model file."""
    fix = f"Open {model.source or model.url} in a browser to see what is asked there."
    return Problem("not_a_model", f"In place of {model.name} came {what}.", fix)


def wrong_size(model: Model, size: int, wanted: int) -> Problem:
    """Return the refusal of a file of another size."""
    title = f"{model.name} has {size} bytes there, not {wanted} as models.yaml says."
    fix = "It was changed since: compare it with its page, then correct size_bytes and sha256."
    return Problem("wrong_size", title, fix)


def wrong_sum(model: Model, digest: str, wanted: str, where: str) -> Problem:
    """Return the refusal of a file with another content."""
    title = f"The content of {model.name} is not what {where} says."
    fix = "What came was thrown away. Pull again; if it stays so, the file was changed: compare it with its page."
    return Problem("wrong_sum", title, fix, f"SHA-256 {digest}, not {wanted}")


def given_up(model: Model, why: str) -> Unavailable:
    """Return the end of patience; what came so far is kept."""
    return Unavailable(
        "host_trouble", f"{why} {model.name} isn't whole yet.", "Pull again: it goes on where it stopped."
    )


def disk_full(model: Model, needed: int, free: int) -> Unavailable:
    """Return the trouble of a disk without room; what came so far is kept."""
    title = f"There is no room for {model.name}: {needed / 1e9:.1f} GB more are needed, {free / 1e9:.1f} GB are free."
    return Unavailable("disk_full", title, "Free some space and pull again: it goes on where it stopped.")

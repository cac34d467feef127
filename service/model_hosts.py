"""Which hosts model files may come from: https, a name that the configuration lists, an address that is public."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from service.declaration import mistake
from service.errors import Problem

#: Hugging Face names its own and its storage's hosts at https://huggingface.co/.well-known/meta.json: huggingface.co,
#: and names that end in .hf.co. Civitai sends to b2.civitai.com or to a storage at Cloudflare, GitHub to the last two.
USUAL_HOSTS = (
    "huggingface.co",
    "*.huggingface.co",
    "*.hf.co",
    "civitai.com",
    "b2.civitai.com",
    "civitai-delivery-worker-prod.5ac0637cfd0766c97916cefa3764fbdf.r2.cloudflarestorage.com",
    "github.com",
    "objects.githubusercontent.com",
    "release-assets.githubusercontent.com",
)
#: Which variable of the environment has the token of which host; sent there and nowhere else.
TOKEN_VARIABLES: Mapping[str, str] = {"huggingface.co": "HF_TOKEN", "civitai.com": "CIVITAI_TOKEN"}
_LABEL = r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?"
_NAME = re.compile(rf"(\*\.)?{_LABEL}(\.{_LABEL})*(:[0-9]{{1,5}})?")
#: Where IPv4 is reached from networks that have IPv6 alone (RFC 6052).
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def check_host(entry: str) -> str:
    """Return one entry of `model_hosts` in small letters; raise a mistake for what is neither a host nor a network."""
    written = entry.strip().lower()
    if _network(written) is not None or _NAME.fullmatch(written):
        return written
    fix = "Write a host such as huggingface.co, *.hf.co or models.lan:8443, or a network such as 10.0.0.0/8."
    raise mistake("bad_value", f"{{field}} can't hold {entry[:60]!r}.", fix)


@dataclass(frozen=True)
class Hosts:
    """The hosts that a configuration allows, and the networks of which it allows addresses that aren't public."""

    names: tuple[str, ...]
    networks: tuple[_Network, ...]

    @classmethod
    def of(cls, entries: Sequence[str]) -> Hosts:
        """Return what checked entries allow."""
        networks = [(entry, _network(entry)) for entry in entries]
        return cls(
            tuple(entry for entry, network in networks if network is None),
            tuple(network for _, network in networks if network is not None),
        )

    def problem_of(self, url: str) -> Problem | None:
        """Return why nothing may be fetched from an address, or None where it may."""
        try:
            parts = urlsplit(url)
            host, port = (parts.hostname or "").rstrip("."), parts.port or 443
        except ValueError:
            return _refused("an address that can't be read", "Correct its url in models/models.yaml.")
        if parts.scheme != "https" or parts.username is not None or not host:
            return _refused(f"{parts.scheme or 'an address'}://{host}", "Only https, without a password, is used.")
        if not self._lists(host, port):
            shown = host if port == 443 else f"{host}:{port}"
            return _refused(shown, f"Add {shown} to model_hosts in config.yaml, if you trust it.")
        return None

    def may_connect(self, address: str) -> bool:
        """Whether a name may lead to this address: a public one, or one of a listed network."""
        found = _address(address)
        return found is not None and (_is_public(found) or any(found in network for network in self.networks))

    def _lists(self, host: str, port: int) -> bool:
        literal = _address(host)
        if literal is not None:
            return any(literal in network for network in self.networks)
        return any(_matches(entry, host, port) for entry in self.names)


def token_variable_of(url: str, variables: Mapping[str, str] = TOKEN_VARIABLES) -> str | None:
    """Return which variable of the environment holds the token that may be sent to an address, or None.

    `variables` has the hosts that take one, as "host", or "host:port" where it isn't 443.
    """
    parts = urlsplit(url)
    if parts.scheme != "https":
        return None
    host = parts.hostname or ""
    return variables.get(host if parts.port in (None, 443) else f"{host}:{parts.port}")


def _matches(entry: str, host: str, port: int) -> bool:
    name, _, wanted = entry.partition(":")
    if port != int(wanted or 443):
        return False
    return host.endswith(name[1:]) and len(host) >= len(name) if name.startswith("*.") else host == name


def _is_public(address: _Address) -> bool:
    # An IPv4 address within an IPv6 one leads where the IPv4 one does; the flags of the outer one say nothing of that.
    inner = _inner(address) if isinstance(address, ipaddress.IPv6Address) else None
    found = inner if inner is not None else address
    return found.is_global and not found.is_multicast


def _inner(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address in _TRANSLATED:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


def _address(text: str) -> _Address | None:
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None


def _network(text: str) -> _Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _refused(what: str, fix: str) -> Problem:
    return Problem("host_refused", f"Nothing is fetched from {what}.", fix)

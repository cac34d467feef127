"""Every key of one entry under `backends` in config.yaml: where the server is, when it works, and how to reach it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, WithJsonSchema, model_validator

from service.declaration import Declared, Slug, mistake
from service.errors import Problem
from service.key_types import Folder, Text, as_path
from service.window_keys import Windows

#: The name of the embedded engine among the backends.
EMBEDDED = "embedded"
_URL = "Write for example url: http://127.0.0.1:8188"
_HEADER = "Write for example headers: {X-Api-Key: the key}."
#: What the HTTP and WebSocket doors set themselves; another value would break what is sent.
_OUR_HEADERS = frozenset({
    "host", "connection", "upgrade", "content-length", "content-type", "transfer-encoding", "accept-encoding", "range",
    "if-range", "origin",
})  # fmt: skip
#: What is wrong with YAML itself is told with the words in which it was written.
_QUOTING = frozenset({"not_yaml", "yaml_feature"})
#: The paths of a backend, relative to config.yaml too.
BACKEND_PATHS = ("shared_folder", "token_file", "tls_verify")


def _check_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise mistake("bad_value", "{field} is not an address.", _URL) from None
    if parts.scheme not in ("http", "https") or not host:
        raise mistake("bad_value", "{field} must begin with http:// or https:// and name a host.", _URL)
    if parts.username or parts.password or parts.query or parts.fragment:
        raise mistake("bad_value", "{field} can't hold a password, a query or a fragment.", _URL)
    return url.rstrip("/")


def _as_trust(value: Any) -> Any:
    """Let certificates be checked (true), not checked (false), or checked against a file of one's own."""
    if isinstance(value, bool):
        return value
    path = as_path(value)
    if isinstance(path, Path):
        return path
    raise mistake("wrong_type", "{field} must be true, false or a file.", "Write tls_verify: true, or the file's path.")


def _check_headers(headers: Mapping[str, SecretStr]) -> Mapping[str, SecretStr]:
    for name, value in headers.items():
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}", name):
            raise mistake("bad_value", f"{name} can't be a header's name.", _HEADER)
        if name.lower() in _OUR_HEADERS:
            raise mistake("bad_value", f"The header {name} is Reeldrop's own to set.", "Take it out.")
        if name.lower() == "authorization":
            raise mistake(
                "bad_value", "Authorization is written as token.", "Write token: and the token, or token_file."
            )
        _check_secret(value)
    return headers


def _check_secret(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if not text.strip() or not text.isascii() or not text.isprintable():
        raise mistake("bad_value", "{field} must be printable ASCII on one line.", "Write it as the proxy expects it.")
    return secret


def _check_variable(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,199}", name):
        raise mistake(
            "bad_value", "{field} is no name of a variable.", "Write for example token_variable: GPU_1_TOKEN."
        )
    return name


Secret = Annotated[SecretStr, AfterValidator(_check_secret), WithJsonSchema({"type": "string", "writeOnly": True})]


class Backend(Declared):
    """One ComfyUI server."""

    name: Slug = Field(description="A name for it, as the status shows it.", examples=["gpu-1"])
    url: Annotated[Text, AfterValidator(_check_url)] = Field(
        description="Its address.", examples=["http://127.0.0.1:8188"]
    )

    tags: tuple[Slug, ...] = Field(
        (),
        description="What workflows may ask for under needs.tags in their manifests; they run only where all of it is.",
        examples=[["large-memory"]],
    )
    weight: float = Field(
        1.0,
        ge=0.01,
        le=100,
        description="Of two that are free, the heavier gets a job that both can run.",
        examples=[2.0],
    )
    windows: Windows = Field(
        (),
        description="When it takes jobs, in this machine's local time; always without any. What runs goes on.",
        examples=[["mon-fri 22:00-06:00", "sat,sun 00:00-24:00"]],
    )
    shared_folder: Folder | None = Field(
        None,
        description="The server's own folder, with input, output and temp in it, as this machine sees it; files then "
        "go by rename or link, not over HTTP.",
        examples=["/mnt/gpu-1/ComfyUI"],
    )
    headers: Annotated[dict[str, SecretStr], AfterValidator(_check_headers)] = Field(
        {},
        description="Sent with every request, for a server behind a proxy.",
        examples=[{"X-Api-Key": "secret"}],
        json_schema_extra={"additionalProperties": {"type": "string", "writeOnly": True}},
    )
    token: Secret | None = Field(
        None, description="Sent as Authorization: Bearer; better kept out of this file.", examples=["secret"]
    )
    token_variable: Annotated[str, AfterValidator(_check_variable)] | None = Field(
        None, description="The environment variable that holds the token.", examples=["GPU_1_TOKEN"]
    )
    token_file: Folder | None = Field(
        None, description="The file that holds the token.", examples=["/run/secrets/gpu-1"]
    )
    tls_verify: Annotated[bool | Path, BeforeValidator(_as_trust), WithJsonSchema({"type": ["boolean", "string"]})] = (
        Field(
            default=True,
            description="Whether the certificate of an https server is checked; or the file of who signed it.",
            examples=["/etc/ssl/home-ca.pem"],
        )
    )
    previews: bool = Field(default=True, description="Whether live previews are asked of it.", examples=[False])
    stall_minutes: float = Field(
        2,
        ge=0.5,
        le=1440,
        description="A render that doesn't move is left alone at least so long, and five times as long as its nodes "
        "took before.",
        examples=[10],
    )
    move_after_minutes: float = Field(
        30,
        ge=0.5,
        le=100_000,
        description="A server that is silent, but doesn't refuse, keeps its jobs so long before they move to another.",
        examples=[30],
    )
    restart_command: tuple[Text, ...] = Field(
        (),
        description="Run, without a shell, when the server answers but renders nothing any more; none unless given.",
        examples=[["systemctl", "restart", "comfyui"]],
    )

    @model_validator(mode="after")
    def _has_its_own_name(self) -> Backend:
        if self.name == EMBEDDED:
            raise mistake(
                "bad_value", "The name embedded belongs to the embedded engine.", "Write for example name: gpu-1."
            )
        return self

    @model_validator(mode="after")
    def _has_one_token(self) -> Backend:
        given = [each for each in ("token", "token_variable", "token_file") if getattr(self, each) is not None]
        if len(given) > 1:
            title = f"The backend {self.name} has its token twice: {' and '.join(given)}."
            raise mistake("conflict", title, "Keep one of them.")
        return self


def hide_secrets(problems: Iterable[Problem], text: str | bytes) -> list[Problem]:
    """Return problems so that none quotes what stands under token or headers: such lines end up in logs."""
    secret: set[int] = set()
    indent = None
    lines = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    for number, line in enumerate(lines.splitlines(), start=1):
        indented = len(line) - len(line.lstrip())
        if re.search(r"\b(token|headers|notify)\s*:", line):
            indent = indented
        elif indent is not None and line.strip() and indented < indent + (not line.lstrip().startswith("-")):
            # The entries of a list may stand as far to the left as its name.
            indent = None
        if indent is not None:
            secret.add(number)
    return [_hidden(each) if each.code in _QUOTING and each.line in secret else each for each in problems]


def _hidden(problem: Problem) -> Problem:
    fix = "Put the value in quotes; it isn't shown here, for it is a secret."
    return replace(problem, title="This can't be read as YAML.", fix=fix, detail="")

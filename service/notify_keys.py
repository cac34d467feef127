"""Every key of one entry under `notify` in config.yaml: who is told, of what, of which tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, WithJsonSchema, model_validator

from service.declaration import Declared, Slug, mistake

Event = Literal["started", "done", "failed", "held", "backend_down", "disk_full", "back_again"]
#: What each event means; the order is that of the documentation.
EVENTS: Mapping[str, str] = {
    "started": "a job is rendered now",
    "done": "a job or a batch is done",
    "failed": "a job or a batch has failed, or a drop was rejected",
    "held": "jobs can't go on, or the daemon itself is troubled",
    "backend_down": "a backend doesn't answer",
    "disk_full": "jobs can't go on for lack of space",
    "back_again": "what `held`, `backend_down` or `disk_full` told is over",
}
_URL = "Write for example url: https://hooks.example.com/reeldrop"


def _check_url(secret: SecretStr) -> SecretStr:
    # An address often holds a key, so none is quoted.
    try:
        parts = urlsplit(secret.get_secret_value())
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise mistake("bad_value", "{field} is not an address.", _URL) from None
    if parts.scheme not in ("http", "https") or not host:
        raise mistake("bad_value", "{field} must begin with http:// or https:// and name a host.", _URL)
    if parts.username or parts.password or parts.fragment:
        raise mistake("bad_value", "{field} can't hold a password or a fragment.", _URL)
    return secret


def _check_apprise(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if "://" not in text or not text.isprintable():
        fix = "Write for example apprise: ntfys://ntfy.sh/my-topic"
        raise mistake("bad_value", "{field} is no target of Apprise.", fix)
    return secret


_SECRET = WithJsonSchema({"type": "string", "writeOnly": True})


class Target(Declared):
    """One place that is told what happens."""

    url: Annotated[SecretStr, AfterValidator(_check_url), _SECRET] | None = Field(
        None,
        description="A webhook; signed, never redirected, never to this machine itself.",
        examples=["https://hooks.example.com/reeldrop"],
    )
    apprise: Annotated[SecretStr, AfterValidator(_check_apprise), _SECRET] | None = Field(
        None,
        description="In place of url, a target of Apprise: mail, ntfy, Slack, the desktop and many more.",
        examples=["ntfys://ntfy.sh/my-topic"],
    )
    events: tuple[Event, ...] = Field(
        ("done", "failed", "held", "backend_down", "disk_full", "back_again"),
        description="Of what it is told: started, done, failed, held, backend_down, disk_full, back_again.",
        examples=[["failed", "held"]],
    )
    tasks: tuple[Slug, ...] = Field(
        (), description="Of which tasks' jobs it is told; of all without any.", examples=[["face-swap"]]
    )

    @model_validator(mode="after")
    def _is_one_place(self) -> Target:
        if (self.url is None) == (self.apprise is None):
            raise mistake("conflict", "An entry under notify needs either url or apprise.", _URL, "notify")
        return self

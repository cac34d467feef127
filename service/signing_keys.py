"""Every key under `c2pa` in config.yaml: with what results are signed."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from service.declaration import Declared, mistake
from service.key_types import Folder, Text

#: Its paths, relative to config.yaml too.
SIGNING_PATHS = ("certificate", "private_key")


def _check_url(url: str) -> str:
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
        fix = "Write the address of a time-stamping service (RFC 3161), or take the line out."
        raise mistake("bad_value", "{field} must begin with http:// or https:// and name a host.", fix)
    return url


class Signing(Declared):
    """With what results are signed."""

    certificate: Folder = Field(
        description="PEM file: the signing certificate, then those above it up to the root.",
        examples=["./certificates/certificate.pem"],
    )
    private_key: Folder = Field(
        description="PEM file (PKCS 8, not encrypted) of its private key; let nobody else read it.",
        examples=["./certificates/private_key.pem"],
    )
    timestamp_url: Annotated[Text, AfterValidator(_check_url)] | None = Field(
        None,
        description="A time-stamping service (RFC 3161), asked for each result; without it no network is used.",
        examples=["http://timestamp.example.com"],
    )


MaySign = Annotated[
    Signing | None,
    Field(
        description="Signs every result whose format can carry it; one that can't be signed is held.",
        examples=[{"certificate": "certificate.pem", "private_key": "private_key.pem"}],
    ),
]

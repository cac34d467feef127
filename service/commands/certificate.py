"""A certificate of one's own for signing results: made on request, in files that nobody else can read."""

from __future__ import annotations

import datetime
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from service.errors import Problem, Rejected, Unavailable

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.x509 import Certificate, Name

_DAYS = 5 * 365
_FILES = ("certificate.pem", "private_key.pem", "root.pem")


def make_certificate(folder: Path) -> None:
    """Write a signing certificate, its private key and its root into a folder, over nothing; say what they are worth.

    Raises Rejected where one of the files is there, Unavailable where the library is missing.
    """
    taken = [name for name in _FILES if (folder / name).exists()]
    if taken:
        fix = "Name another folder: results that were signed with it are checked against it."
        raise Rejected(Problem("name_taken", f"{folder / taken[0]} is already there.", fix))
    chain, key, root = _made()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, text, mode in zip(_FILES, (chain, key, root), (0o644, 0o600, 0o644), strict=True):
        with os.fdopen(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(text)
    click.echo(
        f"Made {', '.join(_FILES)} in {folder}.\n"
        "To sign results with it, write into config.yaml and start the daemon again:\n\n"
        "c2pa:\n"
        f"  certificate: {folder.absolute() / _FILES[0]}\n"
        f"  private_key: {folder.absolute() / _FILES[1]}\n\n"
        "What it is worth: whoever checks a result sees that it wasn't changed since it was signed. Who signed it is\n"
        "only your own word: viewers of C2PA will say that the signer is unknown or not trusted, unless root.pem is\n"
        "put among those that they trust. One that they trust has to be had from an authority on C2PA's list.\n"
        "Keep private_key.pem to yourself: whoever has it can sign as you. The key of the root was thrown away."
    )


def _made() -> tuple[bytes, bytes, bytes]:
    """Return the chain, the private key and the root, as PEM."""
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec
    except ImportError as missing:
        fix = "Run: pip install c2pa-python cryptography."
        raise Unavailable("c2pa_missing", "Making a certificate needs the library cryptography.", fix) from missing
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    # Two that are made on one machine must not have one name; nothing else tells them apart.
    mark = secrets.token_hex(4)
    root_name, name = _named(f"Root {mark}"), _named(f"Signer {mark}")
    root = _signed(root_name, root_key, root_name, root_key, is_root=True)
    leaf = _signed(name, key, root_name, root_key, is_root=False)
    as_pem = serialization.Encoding.PEM
    private = key.private_bytes(as_pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return leaf.public_bytes(as_pem) + root.public_bytes(as_pem), private, root.public_bytes(as_pem)


def _named(common_name: str) -> Name:
    from cryptography.x509 import Name, NameAttribute
    from cryptography.x509.oid import NameOID

    organization = NameAttribute(NameOID.ORGANIZATION_NAME, "Reeldrop, self-made")
    return Name([organization, NameAttribute(NameOID.COMMON_NAME, common_name)])


def _signed(
    name: Name, key: EllipticCurvePrivateKey, issuer: Name, issuer_key: EllipticCurvePrivateKey, *, is_root: bool
) -> Certificate:
    """Return a certificate as C2PA's certificate profile asks for: usage, identifiers, purpose."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID

    now = datetime.datetime.now(datetime.UTC)
    uses: dict[str, Any] = dict.fromkeys(
        (
            "content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only",
            "decipher_only",
        ),
        False,
    )  # fmt: skip
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=_DAYS))
        .add_extension(x509.BasicConstraints(ca=is_root, path_length=0 if is_root else None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .add_extension(
            x509.KeyUsage(digital_signature=not is_root, key_cert_sign=is_root, crl_sign=is_root, **uses), critical=True
        )
    )
    if not is_root:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())

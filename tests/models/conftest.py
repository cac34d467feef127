from collections.abc import Iterator

import pytest

from tests.models.shelf_server import TLS, ShelfServer


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> Iterator[ShelfServer]:
    """A server of files that this machine trusts, by the variable that people use for authorities of their own."""
    monkeypatch.setenv("SSL_CERT_FILE", str(TLS / "cert.pem"))
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with ShelfServer() as server:
        yield server

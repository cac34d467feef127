"""Where model files may come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from service import config
from service.errors import Rejected
from service.model_hosts import USUAL_HOSTS, Hosts, token_variable_of

USUAL = Hosts.of(USUAL_HOSTS)


@pytest.mark.parametrize(
    "url",
    [
        "https://huggingface.co/x/resolve/main/a.safetensors",
        "https://HuggingFace.co./x",
        "https://huggingface.co:443/x",
        "https://cas-bridge.xethub.hf.co/x",
        "https://us.gcp.cdn.hf.co/x",
        "https://cdn-lfs.huggingface.co/x",
        "https://civitai.com/api/download/models/1",
        "https://b2.civitai.com/file/x",
        "https://github.com/a/b/releases/download/v1/c.pth",
        "https://release-assets.githubusercontent.com/x",
    ],
)
def test_the_usual_hosts_are_allowed(url: str) -> None:
    assert USUAL.problem_of(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://huggingface.co/x",
        "ftp://huggingface.co/x",
        "file:///etc/passwd",
        "//huggingface.co/x",
        "huggingface.co/x",
        "https://huggingface.co:8443/x",
        "https://huggingface.co@evil.example/x",
        "https://me:pass@huggingface.co/x",
        "https://evil-huggingface.co/x",
        "https://huggingface.co.evil.example/x",
        "https://hf.co/x",
        "https://.hf.co/x",
        "https://evilhf.co/x",
        "https://127.0.0.1/x",
        "https://[::1]/x",
        "https://169.254.169.254/latest",
        "https://2130706433/x",
        "https://8.8.8.8/x",
        "https:///x",
        "https://[broken/x",
        "https://huggingface.co:99999/x",
    ],
)
def test_everything_else_is_refused(url: str) -> None:
    problem = USUAL.problem_of(url)
    assert problem is not None
    assert problem.code == "host_refused"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "192.168.1.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "::1", "::", "fe80::1", "fe80::1%eth0", "fd00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
        "64:ff9b::7f00:1", "2002:7f00:1::", "nothing",
    ],
)  # fmt: skip
def test_an_address_that_is_not_public_is_not_connected_to(address: str) -> None:
    assert not USUAL.may_connect(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses_are(address: str) -> None:
    assert USUAL.may_connect(address)


def test_a_server_of_ones_own_needs_its_name_and_its_network() -> None:
    mine = Hosts.of(("models.lan:8443", "*.lan", "10.0.0.0/8"))
    assert mine.problem_of("https://models.lan:8443/x") is None
    assert mine.problem_of("https://other.lan/x") is None
    assert mine.problem_of("https://lan/x") is not None
    assert mine.problem_of("https://10.2.3.4:8443/x") is None
    assert (mine.may_connect("10.2.3.4"), mine.may_connect("192.168.0.1")) == (True, False)


def test_tokens_have_one_host_each() -> None:
    assert token_variable_of("https://huggingface.co/x") == "HF_TOKEN"
    assert token_variable_of("https://civitai.com/x") == "CIVITAI_TOKEN"
    for url in (
        "http://huggingface.co/x",
        "https://cdn.hf.co/x",
        "https://huggingface.co:8443/x",
        "https://github.com/x",
    ):
        assert token_variable_of(url) is None


@pytest.mark.parametrize("entry", ["https://a.b", "a/b", "*", "a.*", "*.*.b", "a b", "a:b", "''", "user@a.b"])
def test_an_entry_that_is_no_host_is_a_mistake_with_its_place(entry: str) -> None:
    with pytest.raises(Rejected) as caught:
        config.parse(f"model_hosts: [huggingface.co, {entry!r}]", Path("/srv"))
    (problem,) = caught.value.problems
    assert (problem.code, problem.line) == ("bad_value", 1)


def test_entries_are_read_in_small_letters() -> None:
    loaded = config.parse("model_hosts: [Models.LAN, '10.0.0.0/8', '*.Hf.co']", Path("/srv"))
    assert loaded.model_hosts == ("models.lan", "10.0.0.0/8", "*.hf.co")
    assert config.parse("", Path("/srv")).model_hosts == USUAL_HOSTS

"""A model file from its host to its folder: whatever breaks, what lies there in the end is whole and right."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from service.downloads import Door, Fetched, Patience, Transfer, Wanted
from service.downloads.trouble import forbidden
from service.errors import Rejected, Unavailable
from service.model_hosts import Hosts
from service.model_list import Model
from tests.models.shelf_server import (
    ShelfServer,
    Tunnel,
    answer,
    cut_after,
    drip,
    ignore_range,
    redirect,
    silence,
    without_length,
)

CONTENT = bytes(range(256)) * 400
SUM = hashlib.sha256(CONTENT).hexdigest()
QUICK = Patience(connect_s=2, read_s=0.6, head_s=2, window_s=0.4, least_bytes=64, tries=2, pause_s=0.01)
LOOPBACK = ("127.0.0.0/8",)
ROOM = 10**12


def model(url: str, **more: Any) -> Model:
    return Model(name="a.safetensors", folder="vae", source="https://example.org/page", url=url, **more)


class World:
    def __init__(self, shelf: ShelfServer, folder: Path) -> None:
        self.shelf = shelf
        self.target = folder / "vae" / "a.safetensors"
        self.target.parent.mkdir()
        self.part = self.target.with_name(".a.safetensors.part")
        self.url = f"{shelf.url}/a"
        shelf.files["/a"] = CONTENT
        self.told: list[tuple[str, int, int | None]] = []

    def fetch(
        self,
        *,
        hosts: tuple[str, ...] = LOOPBACK,
        environment: dict[str, str] | None = None,
        tokens: dict[str, str] | None = None,
        free: int = ROOM,
        patience: Patience = QUICK,
        url: str | None = None,
        **more: Any,
    ) -> Fetched:
        door = Door(Hosts.of(hosts), environment or {}, patience, tokens or {})
        hear = lambda *each: self.told.append(each)  # noqa: E731
        transfer = Transfer(door, patience, hear, lambda _folder: free)
        try:
            return transfer.fetch(Wanted(model(url or self.url, **more), self.target))
        finally:
            door.close()

    def refusal(self, **more: Any) -> str:
        with pytest.raises(Rejected) as caught:
            self.fetch(**more)
        assert not self.target.exists()
        return caught.value.problems[0].code

    def trouble(self, **more: Any) -> str:
        with pytest.raises(Unavailable) as caught:
            self.fetch(**more)
        assert not self.target.exists()
        return caught.value.code

    def left(self) -> list[str]:
        return sorted(path.name for path in self.target.parent.iterdir())


@pytest.fixture
def world(shelf: ShelfServer, tmp_path: Path) -> World:
    return World(shelf, tmp_path)


def test_a_file_is_fetched_checked_and_named(world: World) -> None:
    assert world.fetch(sha256=SUM, size_bytes=len(CONTENT)) == Fetched(SUM, "models.yaml", resumed=False)
    assert world.target.read_bytes() == CONTENT
    assert world.left() == ["a.safetensors"]
    assert world.told[-1] == ("checking", len(CONTENT), len(CONTENT))
    assert ("fetching", len(CONTENT), len(CONTENT)) in world.told


def test_a_file_of_which_nobody_knows_the_sum_is_taken_and_its_sum_said(world: World) -> None:
    assert world.fetch() == Fetched(SUM, None, resumed=False)


def test_a_break_goes_on_where_it_was(world: World) -> None:
    world.shelf.acts["/a"] = [cut_after(1000), cut_after(2000)]
    assert world.fetch(sha256=SUM).sha256 == SUM
    assert world.shelf.ranges("/a") == [None, "bytes=1000-", "bytes=3000-"]


def test_a_server_that_always_breaks_off_is_left_and_the_next_pull_goes_on(world: World) -> None:
    world.shelf.acts["/a"] = [cut_after(5000), cut_after(10), cut_after(10)]
    assert world.trouble(sha256=SUM) == "host_trouble"
    assert world.part.read_bytes() == CONTENT[:5020]
    assert world.fetch(sha256=SUM) == Fetched(SUM, "models.yaml", resumed=True)
    assert world.shelf.ranges("/a")[-1] == "bytes=5020-"
    assert world.left() == ["a.safetensors"]


def test_a_server_that_ignores_ranges_sends_it_all_again(world: World) -> None:
    world.shelf.acts["/a"] = [cut_after(5000), ignore_range]
    assert world.fetch(sha256=SUM).resumed is False
    assert world.target.read_bytes() == CONTENT


def test_a_file_that_was_changed_meanwhile_is_begun_anew(world: World) -> None:
    world.shelf.acts["/a"] = [cut_after(5000), answer(503), answer(503)]
    assert world.trouble() == "host_trouble"
    world.shelf.files["/a"] = other = CONTENT[::-1]
    assert world.fetch().resumed is False
    assert world.target.read_bytes() == other


def test_without_a_mark_and_a_known_sum_nothing_is_pieced_together(world: World) -> None:
    world.shelf.marks["/a"] = 'W/"weak"'
    world.shelf.acts["/a"] = [cut_after(5000)]
    assert world.fetch().sha256 == SUM
    assert world.shelf.ranges("/a") == [None, None]


def test_a_weak_mark_is_good_enough_where_the_sum_is_known(world: World) -> None:
    world.shelf.marks["/a"] = 'W/"weak"'
    world.shelf.acts["/a"] = [cut_after(5000)]
    assert world.fetch(sha256=SUM).sha256 == SUM
    assert world.shelf.ranges("/a") == [None, "bytes=5000-"]


def test_a_part_of_another_address_is_not_gone_on_with(world: World) -> None:
    world.shelf.acts["/a"] = [cut_after(5000), answer(503), answer(503)]
    world.trouble(sha256=SUM)
    world.shelf.files["/b"] = CONTENT
    world.fetch(url=f"{world.shelf.url}/b", sha256=SUM)
    assert world.shelf.ranges("/b") == [None]


def test_a_part_that_is_whole_already_needs_only_its_check(world: World) -> None:
    world.shelf.acts["/a"] = [cut_after(5000), answer(503), answer(503)]
    world.trouble(sha256=SUM)
    world.part.write_bytes(CONTENT)
    assert world.fetch(sha256=SUM).sha256 == SUM


def test_a_part_longer_than_the_file_is_begun_anew(world: World) -> None:
    world.shelf.acts["/a"] = [cut_after(5000), answer(503), answer(503)]
    world.trouble(sha256=SUM)
    world.part.write_bytes(CONTENT + b"more")
    assert world.fetch(sha256=SUM).sha256 == SUM


@pytest.mark.parametrize("start", [100, 6000])
def test_a_range_other_than_the_one_asked_for_is_not_taken(world: World, start: int) -> None:
    span = f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"
    wrong = answer(206, CONTENT[start:], Content_Range=span)
    world.shelf.acts["/a"] = [cut_after(5000), wrong]
    assert world.fetch(sha256=SUM).sha256 == SUM


def test_what_drips_and_what_keeps_silent_is_left(world: World) -> None:
    world.shelf.acts["/a"] = [drip, drip]
    assert world.trouble(sha256=SUM) == "host_trouble"
    world.shelf.acts["/a"] = [silence, silence]
    assert world.trouble(sha256=SUM) == "host_trouble"


def test_an_answer_without_a_length_is_taken_to_its_end(world: World) -> None:
    world.shelf.acts["/a"] = [without_length]
    assert world.fetch(sha256=SUM, size_bytes=len(CONTENT)).sha256 == SUM


@pytest.mark.parametrize("size", [len(CONTENT) - 1, len(CONTENT) + 1])
def test_a_file_of_another_size_is_refused_before_it_is_fetched(world: World, size: int) -> None:
    assert world.refusal(size_bytes=size) == "wrong_size"
    assert world.left() == []
    world.shelf.acts["/a"] = [without_length]
    assert world.refusal(size_bytes=size) == "wrong_size"
    assert world.left() == []


def test_a_file_with_another_content_is_thrown_away_with_both_sums_named(world: World) -> None:
    with pytest.raises(Rejected) as caught:
        world.fetch(sha256="0" * 64)
    (problem,) = caught.value.problems
    assert (problem.code, SUM in problem.detail, "0" * 64 in problem.detail) == ("wrong_sum", True, True)
    assert world.left() == []


def test_the_sum_that_the_host_itself_names_is_checked_too(world: World) -> None:
    there = f"{world.shelf.url}/there"
    world.shelf.files["/there"] = CONTENT
    world.shelf.acts["/a"] = [redirect(there, X_Linked_Etag=f'"{SUM}"', X_Linked_Size=str(len(CONTENT)))]
    assert world.fetch() == Fetched(SUM, "127.0.0.1", resumed=False)
    world.target.unlink()
    world.shelf.acts["/a"] = [redirect(there, X_Linked_Etag=f'"{"1" * 64}"')]
    assert world.refusal() == "wrong_sum"
    world.shelf.acts["/a"] = [redirect(there, X_Linked_Etag=f'"{"1" * 64}"')]
    assert world.refusal(sha256=SUM) == "wrong_sum"


@pytest.mark.parametrize(
    ("act", "code"),
    [
        (answer(200, b"<html>log in</html>", Content_Type="text/html; charset=utf-8"), "not_a_model"),
        (answer(200, b"\n<!DOCTYPE html><title>x</title>"), "not_a_model"),
        (answer(200, b'{"error": "no"}', Content_Type="application/json"), "not_a_model"),
        (answer(200, b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"), "not_a_model"),
        (answer(404), "model_gone"),
        (answer(410), "model_gone"),
        (answer(401), "token_needed"),
        (answer(403), "token_needed"),
    ],
)
def test_what_is_no_model_file_is_refused_by_name(world: World, act: Any, code: str) -> None:
    world.shelf.acts["/a"] = [act]
    assert world.refusal() == code
    assert world.left() == []


@pytest.mark.parametrize("status", [429, 500, 502, 503, 204, 418])
def test_a_server_in_trouble_is_asked_again(world: World, status: int) -> None:
    world.shelf.acts["/a"] = [answer(status)]
    assert world.fetch(sha256=SUM).sha256 == SUM


def test_redirects_without_end_are_refused(world: World) -> None:
    world.shelf.acts["/a"] = [redirect(world.url)] * 20
    assert world.refusal() == "redirect_loop"


@pytest.mark.parametrize(
    "to",
    ["http://127.0.0.1:1/a", "https://10.1.2.3/a", "https://example.org/a", "https://[::1]/a", "file:///etc/passwd"],
)
def test_a_redirect_to_what_isn_t_allowed_is_refused(world: World, to: str) -> None:
    world.shelf.acts["/a"] = [redirect(to)]
    assert world.refusal() == "host_refused"


def test_a_name_that_leads_into_a_private_network_is_refused(world: World) -> None:
    url = f"https://localhost:{world.shelf.port}/a"
    assert world.refusal(url=url, hosts=(f"localhost:{world.shelf.port}",)) == "host_refused"
    assert world.shelf.asked == []


def test_a_token_is_sent_to_its_own_host_and_never_along_a_redirect(world: World) -> None:
    with ShelfServer() as other:
        other.files["/b"] = CONTENT
        world.shelf.acts["/a"] = [redirect(f"{other.url}/b")]
        world.fetch(environment={"KEY": "hush"}, tokens={f"127.0.0.1:{world.shelf.port}": "KEY"})
        assert world.shelf.asked[0][1]["Authorization"] == "Bearer hush"
        assert "Authorization" not in other.asked[0][1]


def test_a_gated_file_says_which_page_to_accept_and_which_token_to_set(world: World) -> None:
    url = "https://huggingface.co/x/resolve/main/a"
    without, within = forbidden(model(url), has_token=False), forbidden(model(url), has_token=True)
    assert "https://example.org/page" in without.fix
    assert "HF_TOKEN" in without.fix
    assert "HF_TOKEN" in within.title


def test_the_passwords_of_netrc_are_not_for_these_hosts(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password hush\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    world.fetch()
    assert "Authorization" not in world.shelf.asked[0][1]


def test_a_certificate_that_nobody_vouches_for_is_not_believed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(Unavailable, match="vouches"):
        world.fetch()


def test_a_disk_without_room_is_told_before_anything_is_fetched_and_what_came_is_kept(world: World) -> None:
    assert world.trouble(free=len(CONTENT)) == "disk_full"
    assert world.part.stat().st_size == 0
    assert world.fetch(sha256=SUM).sha256 == SUM


def test_a_disk_that_fills_up_in_the_middle_keeps_a_part_that_goes_on(world: World) -> None:
    room = iter([ROOM] + [0] * 10)
    big = bytes(1 << 26) + CONTENT
    world.shelf.files["/a"] = big
    digest = hashlib.sha256(big).hexdigest()
    door = Door(Hosts.of(LOOPBACK), {}, QUICK, {})
    transfer = Transfer(door, QUICK, lambda *_: None, lambda _: next(room))
    with pytest.raises(Unavailable) as caught:
        transfer.fetch(Wanted(model(world.url, sha256=digest), world.target))
    door.close()
    assert caught.value.code == "disk_full"
    assert world.part.stat().st_size >= 1 << 26
    assert world.fetch(sha256=digest).resumed is True


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
def test_a_disk_that_is_full_by_others_keeps_the_part_too(world: World, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(small)], capture_output=True)
    if mounted.returncode:
        pytest.skip("this machine mounts nothing")
    try:
        world.target = small / "a.safetensors"
        world.part = small / ".a.safetensors.part"
        assert world.trouble(sha256=SUM) == "disk_full"
        assert 0 < world.part.stat().st_size < len(CONTENT)
        subprocess.run(["mount", "-o", "remount,size=1m", str(small)], check=True)
        assert world.fetch(sha256=SUM).resumed is True
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_what_lies_under_the_name_is_not_replaced(world: World) -> None:
    world.target.write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        world.fetch(sha256=SUM)
    assert world.target.read_bytes() == b"mine"


def test_a_link_in_place_of_a_part_is_not_followed(world: World, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    world.part.symlink_to(victim)
    note = {"url": world.url, "mark": world.shelf.mark("/a")}
    world.part.with_name(world.part.name + ".json").write_text(json.dumps(note))
    world.fetch(sha256=SUM)
    assert victim.read_bytes() == b"precious"


def test_a_proxy_of_the_environment_is_gone_through(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with Tunnel(world.shelf.port) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        world.shelf.acts["/a"] = [cut_after(1000)]
        assert world.fetch(sha256=SUM).sha256 == SUM
    assert proxy.asked == [f"127.0.0.1:{world.shelf.port}"] * 2

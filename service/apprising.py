"""Apprising: a child process that lets Apprise tell one target; what is to be told comes on standard input.

Its exit code is the answer: 0 told, 1 not told, 2 Apprise isn't installed, 3 no target that Apprise knows.
"""

from __future__ import annotations

import json
import sys


def main() -> int:
    """Read target, title and body as JSON, and tell them."""
    said = json.load(sys.stdin)
    try:
        from apprise import Apprise  # noqa: PLC0415  an extra that need not be there
    except ImportError:
        return 2
    teller = Apprise()
    if not teller.add(said["target"]):
        return 3
    return 0 if teller.notify(title=said["title"], body=said["body"]) else 1


if __name__ == "__main__":
    sys.exit(main())

"""Other programs' words, made fit for status files: what they say stays, where their files lie does not."""

from __future__ import annotations

import re

#: In quotation marks a path may hold spaces; without them it ends at one.
_QUOTED = re.compile(r"(?P<mark>['\"`])(?:file://)?(?:/|~/|\\\\|[A-Za-z]:[\\/])(?P<path>[^'\"`\n]*)(?P=mark)")
_BARE = re.compile(r"(?<![\w/\\.:~-])(?:file://)?(?:/|~/|\\\\|[A-Za-z]:[\\/])(?P<path>[^\s'\"`<>|,;()\[\]]+)")
_PARTS = re.compile(r"[\\/]+")


def without_paths(text: str) -> str:
    """Return a text with each absolute path in it cut down to its last name; addresses of the web stay."""
    text = _QUOTED.sub(lambda found: f"{found['mark']}{_last(found['path'])}{found['mark']}", text)
    return _BARE.sub(lambda found: _last(found["path"]), text)


def _last(path: str) -> str:
    # Behind the path may stand a full stop or a colon of the sentence.
    bare = path.rstrip("\\/.:!?")
    ending = path[len(bare) :].lstrip("\\/")
    return _PARTS.split(bare)[-1] + ending

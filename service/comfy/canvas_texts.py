"""Texts that ComfyUI's editor rewrites when a prompt is queued: alternatives in braces, and comments."""

from __future__ import annotations

import re

_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_PART = re.compile(r"\\.|[{}|]|[^\\{}|]+|\\", re.DOTALL)
_ESCAPED = re.compile(r"\\([{}|])")


def settled(text: str) -> str:
    """
    Return a text as the editor sends it, with the first of each `{dawn|dusk}` where the editor would draw one.

    Comments (`//` to the line's end, `/* */`) go, `\\{`, `\\|` and `\\}` stand for the sign itself.
    """
    # One entry for each brace that is open: the options of it so far, as lists of parts.
    open_options: list[list[list[str]]] = [[[]]]
    for part in _PART.findall(_COMMENT.sub("", text)):
        inside = len(open_options) > 1
        if part == "{":
            open_options.append([[]])
        elif part == "|" and inside:
            open_options[-1].append([])
        elif part == "}" and inside:
            first = open_options.pop()[0]
            open_options[-1][-1] += first
        else:
            open_options[-1][-1].append(part)
    while len(open_options) > 1:
        first = open_options.pop()[0]
        open_options[-1][-1] += first
    return _ESCAPED.sub(r"\1", "".join(open_options[0][0]))

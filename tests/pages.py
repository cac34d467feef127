"""The generated parts of the documentation: each stands between two comments, and must equal what the code says."""

import re
from pathlib import Path

DOCS = Path(__file__).parent.parent / "docs"
_PART = re.compile(r"<!-- begin: (?P<name>[^>]+?) -->\n(?P<body>.*?)<!-- end -->", re.DOTALL)
_REFUSED = re.compile(r"```yaml\n(?P<file>(?:(?!```).)*)```\n\n```text\n(?P<reason>(?:(?!```).)*)```", re.DOTALL)


def parts(page: str) -> dict[str, str]:
    """Return the generated parts of a page by name."""
    return {found["name"]: found["body"] for found in _PART.finditer((DOCS / page).read_text(encoding="utf-8"))}


def refusals(page: str) -> list[tuple[str, str]]:
    """Return each example file of a page that is followed by its refusal."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return [(found["file"], found["reason"]) for found in _REFUSED.finditer(text)]


def examples(page: str) -> list[str]:
    """Return each example file of a page that isn't followed by a refusal."""
    text = _REFUSED.sub("", (DOCS / page).read_text(encoding="utf-8"))
    return [found[1] for found in re.finditer(r"```yaml\n(.*?)```", text, re.DOTALL)]

"""What a picture or video says of itself in readable metadata. Loaded only in child processes."""

from __future__ import annotations

from pathlib import Path

from service.errors import Rejected
from service.media import clips, formats, pictures, trouble

#: More than we ever write; the rest of what somebody else wrote is of no use here.
_MOST_TAGS, _TAG_CHARACTERS = 64, 100_000


def read(path: Path) -> dict[str, str]:
    """Return a file's own words by their keys in small letters; none for a format that we write none into.

    They are claims: anybody can write them. Raises Rejected for what is no picture and no video, or can't be opened.
    """
    format_name = formats.read_format(path)
    if format_name == "png":
        found = _texts(path)
    elif format_name in formats.PICTURES:
        try:
            found = clips.tags(path)
        except Rejected:
            return {}
    else:
        found = clips.tags(path)
    return {key.lower(): text for key, text in found.items()}


def _texts(path: Path) -> dict[str, str]:
    with pictures.open_picture(path, "png", name=trouble.name_of(path)) as image:
        image.load()
        texts = getattr(image, "text", {})
        found = {str(key): str(text) for key, text in texts.items() if len(text) <= _TAG_CHARACTERS}
    return dict(list(found.items())[:_MOST_TAGS])

"""A grid of first frames of several results, marked as AI-made. Loaded only in child processes."""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from service.errors import Rejected
from service.media import facts

#: A cell's picture fits into this square, in pixels; its label stands below it.
CELL = 240
_LABEL = 22
_GAP = 6
_BACK, _MISSING, _INK, _FAINT = (24, 24, 24), (96, 96, 96), (235, 235, 235), (200, 200, 200)
_QUALITY = 88
_PART_BYTES = 1 << 20
_DESCRIPTION, _SOFTWARE = 0x010E, 0x0131
_XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF \
xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" \
xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" \
Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/compositeSynthetic"/></rdf:RDF>\
</x:xmpmeta><?xpacket end="w"?>"""


def draw(cells: Sequence[Mapping[str, Any]], more: int, mark: str, software: str) -> bytes:
    """
    Return a JPEG with the first frame of each cell's file and the cell's label; a cell without one is grey.

    Each cell has "label", "path" (or None) and "sha256": a file of other content counts as none. Where `more` isn't 0
    one cell at the end says so. The mark stands in the metadata, with IPTC's word for a composite of synthetic parts.
    """
    count = len(cells) + (more > 0)
    columns = max(1, math.ceil(math.sqrt(count)))
    rows = max(1, math.ceil(count / columns))
    size = (columns * (CELL + _GAP) + _GAP, rows * (CELL + _LABEL + _GAP) + _GAP)
    sheet = Image.new("RGB", size, _BACK)
    drawn = ImageDraw.Draw(sheet)
    large, small = ImageFont.load_default(28), ImageFont.load_default(14)
    for number, cell in enumerate(cells):
        left, top = _corner(number, columns)
        picture = _picture(cell)
        if picture is None:
            drawn.rectangle((left, top, left + CELL - 1, top + CELL - 1), fill=_MISSING)
            drawn.text((left + CELL / 2, top + CELL / 2), cell["label"], fill=_FAINT, font=large, anchor="mm")
        else:
            sheet.paste(picture, (left + (CELL - picture.width) // 2, top + (CELL - picture.height) // 2))
        drawn.text((left + CELL / 2, top + CELL + _LABEL / 2), cell["label"], fill=_INK, font=small, anchor="mm")
    if more:
        left, top = _corner(len(cells), columns)
        drawn.text((left + CELL / 2, top + CELL / 2), f"and {more:,} more", fill=_INK, font=large, anchor="mm")
    exif = Image.Exif()
    exif[_DESCRIPTION], exif[_SOFTWARE] = mark, software
    made = io.BytesIO()
    sheet.save(made, "JPEG", quality=_QUALITY, exif=exif, comment=mark.encode(), xmp=_XMP.encode())
    return made.getvalue()


def _corner(number: int, columns: int) -> tuple[int, int]:
    row, column = divmod(number, columns)
    return _GAP + column * (CELL + _GAP), _GAP + row * (CELL + _LABEL + _GAP)


def _picture(cell: Mapping[str, Any]) -> Image.Image | None:
    """Return a cell's first frame, small; None where its file isn't there, isn't the same or can't be decoded."""
    if cell["path"] is None:
        return None
    path = Path(cell["path"])
    try:
        if _digest(path) != cell["sha256"]:
            return None
        _, pixels = next(iter(facts.sampled(path)))
    except (OSError, Rejected, StopIteration):
        return None
    picture = Image.fromarray(pixels)
    picture.thumbnail((CELL, CELL))
    return picture


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(_PART_BYTES):
            digest.update(part)
    return digest.hexdigest()

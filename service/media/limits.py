"""How much of a picture or video is read: what goes beyond is refused by name, before it is decoded."""

from __future__ import annotations

from typing import Final

#: 12000 x 10000 pixels: the largest phone cameras' pictures pass, a bomb of 20000 x 20000 doesn't.
MAX_PICTURE_PIXELS: Final = 120_000_000
#: A photograph of so many pixels has a fifth of this, with the video behind it that phones add.
MAX_PICTURE_BYTES: Final = 512 * 1024 * 1024
#: 8192 x 4320 pixels: 8K video.
MAX_VIDEO_PIXELS: Final = 8192 * 4320
MAX_SECONDS: Final = 6 * 3600
MAX_ANIMATION_FRAMES: Final = 10_000
#: A preview is something to glance at; a server that sends more than this means no good.
MAX_PREVIEW_PIXELS: Final = 4096 * 4096
#: Videos that are larger, and fit as they are, are used where they lie and watched; smaller ones are copied.
LARGE_BYTES: Final = 64 * 1024 * 1024

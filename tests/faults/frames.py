"""WebSocket frames on their way from server to client, cut out of the byte stream without being changed."""

from __future__ import annotations

import asyncio

TEXT, BINARY = 1, 2


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, bool, bytes]:
    """Return opcode, whether a message ends with it, and the bytes as they were; IncompleteReadError at the end."""
    head = await reader.readexactly(2)
    raw = head
    size = head[1] & 0x7F
    if size >= 126:
        more = await reader.readexactly(2 if size == 126 else 8)
        raw += more
        size = int.from_bytes(more, "big")
    if head[1] & 0x80:
        size += 4
    raw += await reader.readexactly(size)
    return head[0] & 0x0F, bool(head[0] & 0x80), raw

"""A server's side of a WebSocket, written down byte for byte."""

from __future__ import annotations

import base64
import hashlib

from tests.comfy.scripted import Asked


def accept(asked: Asked) -> bytes:
    """The handshake's answer."""
    key = asked.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    sign = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
    head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    return f"{head}Sec-WebSocket-Accept: {sign}\r\n\r\n".encode()


def frame(opcode: int, data: bytes = b"", *, ends: bool = True, claims: int | None = None, mask: bytes = b"") -> bytes:
    """A frame as a server sends it, or as none should: `claims` another length than its own, masked, unknown."""
    size = len(data) if claims is None else claims
    masked = 0x80 if mask else 0
    if size < 126:
        length = bytes([masked | size])
    elif size < 65536:
        length = bytes([masked | 126]) + size.to_bytes(2, "big")
    else:
        length = bytes([masked | 127]) + size.to_bytes(8, "big")
    return bytes([opcode | (0x80 if ends else 0)]) + length + mask + data


def unmasked(raw: bytes) -> tuple[int, bytes]:
    """What a client's one short frame says: its opcode and its payload."""
    size, begin = raw[1] & 0x7F, 2
    if size == 126:
        size, begin = int.from_bytes(raw[2:4], "big"), 4
    mask, payload = raw[begin : begin + 4], raw[begin + 4 : begin + 4 + size]
    return raw[0] & 0x0F, bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))

"""WebSocket frames (RFC 6455) as a client sees them: bytes in, messages out; no socket, no clock, bounded memory.

Theory of operation. The bytes come from a server that may be anything, so each frame is judged by its first two bytes
before anything of it is kept: how long it claims to be, whether it may come now. Text that is no UTF-8 is handed on
with marks in it, for whoever reads messages ignores what it can't read.
"""

from __future__ import annotations

from dataclasses import dataclass, field

#: A preview of 5.9 MB was seen; no message of ComfyUI comes near this.
LONGEST_MESSAGE_BYTES = 32 * 1024 * 1024
_MOST_FRAGMENTS = 20_000
#: Pings and pongs in a row without a single message: a proxy's heartbeat gets here in days, a flood at once.
_MOST_CONTROL_FRAMES = 10_000
_LONGEST_CONTROL_BYTES = 125
_CONTINUES, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA


class ProtocolError(Exception):
    """The other side doesn't keep to the protocol; the connection is of no use any more."""


@dataclass(frozen=True)
class Ping:
    """The server wants to hear these bytes again in a pong."""

    data: bytes


@dataclass(frozen=True)
class Pong:
    """The server answers a ping."""


@dataclass(frozen=True)
class Closed:
    """The server says goodbye; nothing comes after it."""


Said = str | bytes | Ping | Pong | Closed


@dataclass
class Decoder:
    """One connection's incoming bytes; raises ProtocolError at the first frame that must not be."""

    longest_bytes: int = LONGEST_MESSAGE_BYTES
    #: How many bytes came as part of messages: a sign of life while a large one is under way.
    received_bytes: int = 0
    _waiting: bytearray = field(default_factory=bytearray)
    _message: bytearray = field(default_factory=bytearray)
    _kind: int | None = None
    _fragments: int = 0
    _controls: int = 0

    def feed(self, data: bytes) -> list[Said]:
        """Return what is complete with these bytes, in order; after Closed nothing more."""
        self._waiting += data
        self.received_bytes += len(data)
        said: list[Said] = []
        start = 0
        while not (said and isinstance(said[-1], Closed)) and (frame := self._frame_at(start)) is not None:
            opcode, final, begin, end = frame
            start = end
            complete = self._take(opcode, bytes(self._waiting[begin:end]), final=final)
            if complete is not None:
                said.append(complete)
        del self._waiting[:start]
        return said

    def _frame_at(self, start: int) -> tuple[int, bool, int, int] | None:
        """Return opcode, whether its message ends here, and where the payload lies, or None while it isn't all here."""
        head = self._waiting[start : start + 10]
        if len(head) < 2:
            return None
        opcode, final = head[0] & 0x0F, bool(head[0] & 0x80)
        self._check(opcode, head[0], head[1], final=final)
        size, begin = head[1] & 0x7F, 2
        if size >= 126:
            begin = 4 if size == 126 else 10
            if len(head) < begin:
                return None
            size = int.from_bytes(head[2:begin], "big")
        if size + len(self._message) > self.longest_bytes:
            raise ProtocolError(f"it announces a message of {size + len(self._message)} bytes")
        end = start + begin + size
        return (opcode, final, start + begin, end) if len(self._waiting) >= end else None

    def _check(self, opcode: int, first: int, second: int, *, final: bool) -> None:
        if first & 0x70:
            raise ProtocolError("it uses an extension that nobody asked for")
        if second & 0x80:
            raise ProtocolError("it masks its frames as only a client does")
        if opcode in {_CLOSE, _PING, _PONG}:
            if not final or second & 0x7F > _LONGEST_CONTROL_BYTES:
                raise ProtocolError("it sends a control frame that is too long")
        elif opcode == _CONTINUES:
            if self._kind is None:
                raise ProtocolError("it continues what it never began")
        elif opcode not in {_TEXT, _BINARY}:
            raise ProtocolError(f"it sends frames of the unknown kind {opcode}")
        elif self._kind is not None:
            raise ProtocolError("it begins a message before the last one ended")

    def _take(self, opcode: int, payload: bytes, *, final: bool) -> Said | None:
        if opcode >= _CLOSE:
            return self._take_control(opcode, payload)
        self._controls = 0
        self._kind = opcode if opcode != _CONTINUES else self._kind
        self._message += payload
        self._fragments += 1
        if self._fragments > _MOST_FRAGMENTS:
            raise ProtocolError("it never ends a message that it began")
        if not final:
            return None
        kind, message = self._kind, bytes(self._message)
        self._kind, self._message, self._fragments = None, bytearray(), 0
        return message if kind == _BINARY else message.decode("utf-8", "replace")

    def _take_control(self, opcode: int, payload: bytes) -> Said:
        if opcode == _CLOSE:
            return Closed()
        self._controls += 1
        if self._controls > _MOST_CONTROL_FRAMES:
            raise ProtocolError("it sends nothing but pings")
        return Ping(payload) if opcode == _PING else Pong()

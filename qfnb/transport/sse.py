"""Parser of server-sent events from bytes, by the line rules of the standard.

httpx's line iterator also splits at U+2028 and U+0085, which are legal inside JSON text; here only
CR, LF and CRLF end a line. A line that is not a field of the standard is returned as `stray`: the
platform sends errors in the middle of a stream as bare JSON.
"""

import re
from dataclasses import dataclass, field

from ..base.language import tr
from ..errors import ResponseTooLarge
from .protocol import decode_utf8

MAX_EVENT_BYTES = 8 * 1024 * 1024
"""Size limit of one event."""

_LINE_END = re.compile(rb"\r\n|\n|\r")


@dataclass(frozen=True)
class ServerSentEvent:
    """One event; `stray` is a line that is not a field of the standard."""

    data: str = ""
    name: str = ""
    stray: str = ""


@dataclass
class EventParser:
    """An incremental parser: `feed` it bytes as they arrive, and it returns the complete events."""

    _buffer: bytearray = field(default_factory=bytearray)
    _ends_with_cr: bool = False
    _is_bom_checked: bool = False
    _data: list[str] = field(default_factory=list)
    _name: str = ""
    _size: int = 0

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """Return the events that a chunk completes.

        Raises:
            ResponseTooLarge: one event has more than MAX_EVENT_BYTES bytes.
        """
        if not chunk:  # it says nothing of the line end that the chunk before may have begun
            return []
        if self._ends_with_cr:
            chunk = chunk.removeprefix(b"\n")
        # not of the whole buffer: a long event takes many chunks
        end_of_line, *lines = _LINE_END.split(chunk)
        self._buffer += end_of_line
        if lines:
            lines.insert(0, bytes(self._buffer))
            self._buffer = bytearray(lines.pop())
        self._ends_with_cr = chunk.endswith(b"\r")
        events = [event for line in lines if (event := self._parse_line(line)) is not None]
        if len(self._buffer) + self._size > MAX_EVENT_BYTES:
            raise ResponseTooLarge(
                tr(
                    "one event of the stream is larger than {limit} MiB",
                    limit=MAX_EVENT_BYTES >> 20,
                )
            )
        return events

    def close(self) -> list[ServerSentEvent]:
        """Return the last line if it has no line end and is stray (an error)."""
        if not self._buffer:
            event = None
        else:
            event = self._parse_line(bytes(self._buffer))
        self._buffer.clear()
        if event and event.stray:
            return [event]
        return []

    def _parse_line(self, line: bytes) -> ServerSentEvent | None:
        if not self._is_bom_checked:
            line = line.removeprefix(b"\xef\xbb\xbf")
            self._is_bom_checked = True
        if not line:
            return self._dispatch()
        text = decode_utf8(line)
        name, _, value = text.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
            self._size += len(line)
        elif name == "event":
            self._name = value
        elif name not in {"", "id", "retry"}:
            return ServerSentEvent(stray=text)
        return None

    def _dispatch(self) -> ServerSentEvent | None:
        data = self._data
        name = self._name
        self._data = []
        self._name = ""
        self._size = 0
        if data:
            return ServerSentEvent("\n".join(data), name)
        return None

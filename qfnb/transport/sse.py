"""Server-sent events from bytes, whatever the chunks: the standard's line rules, no line reader's surprises.

httpx's own line iterator also splits at U+2028 and U+0085, which are legal inside JSON text; here only CR,
LF and CRLF end a line. A line that is no field of the standard is handed on as `stray`: the platform sends
errors in mid-stream as bare JSON.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ..errors import ResponseTooLarge

MAX_EVENT = 8 * 1024 * 1024
"""Bytes one event may have."""

_LINE_END = re.compile(rb"\r\n|\n|\r")


@dataclass(frozen=True)
class Event:
    """One event; `stray` is a line that is no field of the standard."""

    data: str = ""
    name: str = ""
    stray: str = ""


@dataclass
class Splitter:
    """Feed it bytes as they come; it gives back the events that are complete."""

    _rest: bytes = b""
    _after_cr: bool = False
    _started: bool = False
    _data: list[str] = field(default_factory=list)
    _name: str = ""
    _size: int = 0

    def feed(self, chunk: bytes) -> list[Event]:
        """Return the events that this chunk completes.

        Raises:
            ResponseTooLarge: one event has more than MAX_EVENT bytes.
        """
        if self._after_cr and chunk:
            chunk, self._after_cr = chunk.removeprefix(b"\n"), False
        *lines, self._rest = _LINE_END.split(self._rest + chunk)
        self._after_cr = chunk.endswith(b"\r")
        events = [event for line in lines if (event := self._line(line)) is not None]
        if len(self._rest) + self._size > MAX_EVENT:
            raise ResponseTooLarge(f"one event of the stream is larger than {MAX_EVENT >> 20} MiB")
        return events

    def close(self) -> list[Event]:
        """Return a last line that came without its line end, if it is a stray one (an error)."""
        event = self._line(self._rest) if self._rest else None
        self._rest = b""
        return [event] if event and event.stray else []

    def _line(self, line: bytes) -> Event | None:
        if not self._started:
            line, self._started = line.removeprefix(b"\xef\xbb\xbf"), True
        if not line:
            return self._dispatch()
        text = line.decode("utf-8", "replace")
        name, _, value = text.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
            self._size += len(line)
        elif name == "event":
            self._name = value
        elif name not in {"", "id", "retry"}:
            return Event(stray=text)
        return None

    def _dispatch(self) -> Event | None:
        data, name = self._data, self._name
        self._data, self._name, self._size = [], "", 0
        return Event("\n".join(data), name) if data else None

"""Live outputs in their pages: drawn there while the kernel works, else the static form of the
notebook.

A front end that meets a widget's view in a saved notebook shows an error when the kernel is gone,
whatever other formats lie beside it. So an output is its static form alone, as HTML, and one model
of the kernel, without a view, draws widgets or HTML over it in every page that has both. The model
also brings the stylesheet, once for a page.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final

import anywidget

from .stylesheet import whole_sheet

CHUNK_CHARS: Final = 128
"""Characters of HTML in one key of the model: of a text that grows at its end, only the last keys
are sent.
"""

SCRIPTS: Final = ("keyboard.js", "announcer.js", "live_frame.js")
"""One module in the page."""

NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class LiveFrame:
    """The place of one live output.

    Args:
        on_press: called when a button of the HTML is pressed, in any thread.
    """

    def __init__(self, on_press: Callable[[], None] | None = None) -> None:
        self.on_press = on_press
        self.name = secrets.token_hex(4)
        self.model = _model()

    @property
    def is_attached(self) -> bool:
        """Whether a page draws the live outputs of this kernel."""
        return self.model.is_attached

    def show_widget(self, widget: Any) -> None:
        """Draw a widget."""
        self.model.show(self, {"panel": widget.model_id})

    def show_html(self, html: str, end: str) -> None:
        """Draw HTML that grows, and an end that seldom changes; what the page has already is not
        sent again.
        """
        chunks = [html[start : start + CHUNK_CHARS] for start in range(0, len(html), CHUNK_CHARS)]
        content = {f"{self.name}-{n}": chunk for n, chunk in enumerate(chunks)}
        self.model.show(self, {"html": len(chunks)}, content | {f"{self.name}-end": end})

    def wrap(self, html: str) -> str:
        """Return a static form as the HTML over which a page draws."""
        return f'<div class="qf-frame-{self.name} mathjax_ignore tex2jax_ignore">{html}</div>'

    def leave(self, html: str) -> None:
        """Show a final form in pages whose output can no longer be updated, also in those that are
        loaded later.
        """
        self.model.show(self, {"final": html})

    def close(self) -> None:
        """Draw nothing any more."""
        self.model.forget(self)


class LiveFrames(anywidget.AnyWidget):
    """Keeps what the pages draw as state of the model, which also a page that is loaded later
    gets.
    """

    _esm = "".join(
        files(__package__).joinpath(name).read_text(encoding="utf-8") for name in SCRIPTS
    )
    _css = whole_sheet()

    def __init__(self) -> None:
        self._contents: dict[str, Any] = {"frames": []}
        self._frames: dict[str, LiveFrame] = {}
        self.is_attached = False
        super().__init__()
        self.on_msg(self._receive)

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> dict[str, Any]:
        """Return the traits, and what the pages draw."""
        state: dict[str, Any] = super().get_state(key, drop_defaults)
        if key is None:
            return state | self._contents
        return state

    def show(
        self, frame: LiveFrame, description: dict[str, Any], content: Mapping[str, Any] = NOTHING
    ) -> None:
        """Send what is new of a frame."""
        self._frames[frame.name] = frame
        contents = {"frames": list(self._frames), frame.name: description, **content}
        changes = {
            key: value for key, value in contents.items() if self._contents.get(key) != value
        }
        self._contents |= changes
        if changes and self.comm is not None:
            self.comm.send({"method": "update", "state": changes, "buffer_paths": []})

    def forget(self, frame: LiveFrame) -> None:
        """Take a frame out of the model; a page, whose output shows the final form, is told with
        the next frame.
        """
        self._frames.pop(frame.name, None)
        for key in [key for key in self._contents if key.startswith(frame.name)]:
            del self._contents[key]
        self._contents["frames"] = list(self._frames)

    def _receive(self, _: Any, message: dict[str, Any], __: Any) -> None:
        self.is_attached = True
        frame = self._frames.get(message.get("frame", ""))
        if frame is not None and frame.on_press is not None:
            frame.on_press()


def _model() -> LiveFrames:
    """Return the model of this kernel; a new one where the old one was closed."""
    global _current_model
    with _lock:
        if _current_model is None or _current_model.comm is None:
            _current_model = LiveFrames()
        return _current_model


_current_model: LiveFrames | None = None
_lock = threading.Lock()

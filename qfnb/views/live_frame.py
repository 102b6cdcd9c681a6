"""The place of a live output in its page: widgets while the kernel has them, else the static form.

A front end that meets a widget's view in a saved notebook shows an error when the kernel is gone, whatever other
formats lie beside it. So the output is the static form alone, as HTML, and a model without a view draws the widgets
over it, in every page that has both.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any


class LiveFrame:
    """Shows a widget in place of a static form.

    Args:
        widget: what is shown first.
        on_attached: called when a page shows the widget, in any thread.

    Attributes:
        is_attached: whether a page has shown the widget.
    """

    def __init__(self, widget: Any, on_attached: Callable[[], None]) -> None:
        self.on_attached = on_attached
        self.is_attached = False
        self._model = _model_class()(name=secrets.token_hex(8), panel=widget)
        self._model.on_msg(self._receive)

    @property
    def widget(self) -> Any:
        """What is shown."""
        return self._model.panel

    @widget.setter
    def widget(self, widget: Any) -> None:
        self._model.panel = widget

    @property
    def metadata(self) -> dict[str, Any]:
        """The metadata of an output with the widget's view: Colab loads other widgets than its own with them only."""
        _, metadata = self._model._repr_mimebundle_()
        return dict(metadata)

    def wrap(self, html: str) -> str:
        """Return a static form as the HTML over which a page draws the widget."""
        return f'<div class="qf-frame-{self._model.name} mathjax_ignore tex2jax_ignore">{html}</div>'

    def leave(self, html: str) -> None:
        """Show a final form in pages whose output can no longer be updated, also in those that are loaded later."""
        self._model.final_html = html
        self._model.panel = None  # it is closed: a page that asks for the state of all models would get none

    def close(self) -> None:
        """Remove the model from the kernel and the widget from its pages."""
        self._model.layout.close()
        self._model.close()

    def _receive(self, *_: object) -> None:
        self.is_attached = True
        self.on_attached()


@cache
def _model_class() -> type[Any]:
    import anywidget  # noqa: PLC0415 - only for a widget
    from ipywidgets import Widget, widget_serialization  # noqa: PLC0415
    from traitlets import Instance, Unicode  # noqa: PLC0415

    return type(
        "LiveFrameModel",
        (anywidget.AnyWidget,),
        {
            "__module__": __name__,
            "_esm": files(__package__).joinpath("live_frame.js").read_text(encoding="utf-8"),
            "name": Unicode().tag(sync=True),
            "panel": Instance(Widget, allow_none=True).tag(sync=True, **widget_serialization),
            "final_html": Unicode().tag(sync=True),
        },
    )

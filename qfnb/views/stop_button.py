"""A live output with a Stop button below it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

STOPPING = "正在停止 stopping…"


def create(stop: Callable[[], None], *, tooltip: str) -> Any:
    """Return a widget of text and button; `stop` must not block, it is called wherever the click arrives."""
    import ipywidgets  # noqa: PLC0415 - a widget is wanted now

    button = ipywidgets.Button(description="停止 Stop", tooltip=tooltip)

    def on_click(_: Any) -> None:
        button.disabled, button.description = True, STOPPING
        stop()

    button.on_click(on_click)
    return ipywidgets.VBox([ipywidgets.HTML(), button])


def update_html(box: Any, html: str) -> None:
    """Show new text above the button."""
    box.children[0].value = html
    accept_clicks(box.children[1])


def accept_clicks(widget: Any) -> None:
    """Let clicks in while a cell keeps the main thread busy.

    ipykernel 7.4 delivers them to the thread that drew the widget last, for ours the main one; without its
    note they go to the thread that the front end has for widgets.
    """
    getattr(widget.comm, "__dict__", {}).pop("_reply_subshell_id", None)

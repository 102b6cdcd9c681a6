"""The widgets of a training's panel: its buttons, which part of the details is shown, and two texts."""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from ..errors import QianfanError
from ..trainer import LLMFinetune
from ..trainer.progress import TrainingProgress
from ..transport import portal
from . import stopping
from . import training_details as details
from .safety import escape
from .training_orders import RESUME, Order, chat_cell, evaluation_cell, orders

CONFIRM_WITHIN: Final = 6.0
"""Seconds in which the second click must come."""

COPY = "复制到新单元格，或运行 / copy it into a new cell, or run"

_BODY = 'style="line-height:1.6;font-variant-numeric:tabular-nums"'
_PRE = 'style="border:1px solid #8884;padding:6px 10px;margin:4px 0;line-height:1.4;white-space:pre-wrap"'


class Controls:
    """The widgets; the handlers only leave word for the I/O loop, so they may run in any thread.

    Two texts, so that what changes every second does not disturb what is being read. A button is made when it
    can do something and closed when it cannot: twelve models at most.

    Args:
        trainer: whose panel it is.
        top: draws what changes every second.
        below: draws the rest.
        close: is called when the person has seen enough.
    """

    def __init__(
        self,
        trainer: LLMFinetune,
        top: Callable[[TrainingProgress], str],
        below: Callable[[TrainingProgress], str],
        *,
        close: Callable[[], None],
    ) -> None:
        self._trainer, self._top, self._below, self._close = trainer, top, below, close
        self._context = contextvars.copy_context()  # what an order prints belongs to the panel's cell
        self._progress = trainer.progress
        self._buttons: dict[str, Any] = {}
        self._armed, self._armed_at = "", 0.0
        self._busy, self._said, self._cell = "", "", ""

    def build(self) -> Any:
        """Return the widget; its parts share their layouts and styles."""
        import ipywidgets  # noqa: PLC0415 - a widget is wanted now

        self._layout, self._style = ipywidgets.Layout(width="auto"), ipywidgets.ButtonStyle()
        self._head = ipywidgets.HTML(layout=self._layout)
        self._rest = ipywidgets.HTML(layout=self._layout, style=self._head.style)
        self._choice = ipywidgets.Dropdown(
            options=details.views(self._progress),
            tooltip="下方显示 what is shown below",
            layout=self._layout,
        )
        self._choice.observe(lambda _: self._draw_rest(), "value")
        self._row = ipywidgets.HBox([self._choice], layout=self._layout)
        return ipywidgets.VBox([self._row, self._head, self._rest], layout=self._layout)

    def draw(self, progress: TrainingProgress, *, kept: bool) -> None:
        """Show a state; what has not changed is not sent.

        Args:
            progress: the state.
            kept: nothing is at work, and the panel is open for its buttons.
        """
        self._progress = progress
        self._offer(self._wanted(progress, kept=kept))
        said = f"<div>✘ {escape(self._said)}</div>" if self._said else ""
        self._head.value = f"<div {_BODY}>{self._top(progress)}{said}{self._cell}</div>"
        if len(self._choice.options) != len(offered := details.views(progress)):
            chosen, self._choice.options = self._choice.value, offered
            self._choice.value = chosen
        self._draw_rest()
        for widget in (*self._buttons.values(), self._choice):
            stopping.let_in(widget)

    def _draw_rest(self) -> None:
        shown = details.view(self._progress, self._choice.value)
        self._rest.value = f"<div {_BODY}>{self._below(self._progress)}{shown}</div>"

    def _wanted(self, progress: TrainingProgress, *, kept: bool) -> list[Order]:
        """Return what can be done now; three buttons at most."""
        wanted = orders(self._trainer)
        if progress.service_endpoint:
            chat = partial(self._show, chat_cell(progress), "chat")
            wanted.append(Order("对话 Chat with it", "A cell that talks to the service", "", chat))
        if progress.service_endpoint and RESUME not in wanted:
            compare = partial(self._show, evaluation_cell(progress), "evaluate")
            wanted.append(
                Order("与基座比较 Evaluate against base", "A cell that scores both on your rows", "", compare)
            )
        closing = Order("关闭 Close", "Leave a picture that does not move", "", lambda _: self._close())
        return [*wanted, closing] if kept else wanted

    def _offer(self, wanted: list[Order]) -> None:
        names = [order.label for order in wanted]
        if gone := [name for name in self._buttons if name not in names]:
            left = [self._buttons.pop(name) for name in gone]
            self._arrange()
            for button in left:
                button.close()
        if new := [order for order in wanted if order.label not in self._buttons]:
            self._buttons |= {order.label: self._button(order) for order in new}
            self._buttons = {name: self._buttons[name] for name in names}
            self._arrange()
        late = time.monotonic() - self._armed_at > CONFIRM_WITHIN
        for order in wanted:
            button, asking = self._buttons[order.label], order.label == self._armed and not late
            button.description = order.confirm if asking else order.label
            button.disabled = order.label == self._busy

    def _arrange(self) -> None:
        self._row.children = [*self._buttons.values(), self._choice]

    def _button(self, order: Order) -> Any:
        import ipywidgets  # noqa: PLC0415

        button = ipywidgets.Button(
            description=order.label, tooltip=order.tooltip, layout=self._layout, style=self._style
        )
        button.on_click(lambda _: self._click(order, button))
        return button

    def _click(self, order: Order, button: Any) -> None:
        now = time.monotonic()
        if order.confirm and (self._armed != order.label or now - self._armed_at > CONFIRM_WITHIN):
            self._armed, self._armed_at, button.description = order.label, now, order.confirm
            return
        self._armed, self._busy, self._said, button.disabled = "", order.label, "", True
        self._context.copy().run(portal.submit, self._carry_out(order))

    async def _carry_out(self, order: Order) -> None:
        try:
            await asyncio.to_thread(order.carry_out, self._trainer)
        except QianfanError as error:
            self._said = str(error)
        except Exception as error:  # noqa: BLE001 - nobody else would tell the person who clicked
            self._said = f"{type(error).__name__}: {error}"
        finally:
            self._busy = ""

    def _show(self, cell: str, verb: str, _: LLMFinetune) -> None:
        """Show a cell: what a button does cannot put one into the notebook."""
        way = f"<div>{COPY} <code>%qftrain {verb} {escape(self._progress.run_id)}</code></div>"
        self._cell = f"{way}<pre {_PRE}>{escape(cell)}</pre>"

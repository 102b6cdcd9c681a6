"""The widgets of a training's panel: its state, the buttons, and what changes with a new point of
the curve.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from ...base.language import tr
from ...errors import QianfanError
from ...trainer import LLMFinetune
from ...trainer.progress import TrainingProgress
from ...transport import event_loop
from .. import components
from ..components import Html
from ..controls import ButtonKind, LimitedPart, PanelWidgets, mark_kind
from ..display import accept_clicks
from ..text import escape
from . import actions, details, summary
from .actions import Action

CONFIRM: Final = "confirm"
"""The slot of the button that says yes."""


class Controls:
    """The widgets of a panel; clicks may arrive in any thread.

    What changes every second does not redraw what is read or pointed at. A button exists only while
    its action is
    possible or will be: there are at most twelve widget models.

    Args:
        trainer: the trainer of the panel.
        content: returns the key numbers and charts of a progress and a time.
        close: called by the button that closes the panel.
    """

    def __init__(
        self, trainer: LLMFinetune, content: Callable[..., Html], *, close: Callable[[], None]
    ) -> None:
        self._trainer = trainer
        self._content = content
        self._close = close
        # what an action prints belongs to the panel's cell
        self._context = contextvars.copy_context()
        self._lock = threading.RLock()
        self._progress = trainer.progress
        self._stays_open = False
        self._buttons: dict[str, Any] = {}
        self._handlers: dict[str, Callable[[], None]] = {}
        self._asked_key = self._busy_key = self._error = ""
        self._cell = self._question = Html("")
        self._has_details = False

    @property
    def is_asking(self) -> bool:
        """Whether an action waits for its confirmation."""
        return bool(self._asked_key)

    def build(self) -> Any:
        """Return the widget; its parts share their layouts and styles."""
        self._widgets = PanelWidgets()
        self._head = LimitedPart(self._widgets.html(), 0.5)
        self._body = LimitedPart(self._widgets.html(), 0.5)
        self._row = self._widgets.row([])
        return self._widgets.panel([self._head.widget, self._row, self._body.widget])

    def draw(self, progress: TrainingProgress, *, stays_open: bool) -> None:
        """Show a state; what has not changed is not sent.

        Args:
            progress: the state.
            stays_open: the training is not running, and the panel is open for its buttons.
        """
        with self._lock:
            self._progress = progress
            self._stays_open = stays_open
            now = time.time()
            visible = self._visible_actions()
            self._update_buttons(visible)
            blocks = summary.blocks(progress, is_live=True, now=now)
            state = summary.state(progress, is_live=True, now=now)
            self._head.draw(components.stack(*blocks), state)
            messages = self._messages(visible)
            details = self._details()
            body = [*messages, self._content(progress, now=now), details]
            self._body.draw(
                components.stack(*filter(None, body)), (state, messages, self._has_details)
            )
            for button in self._buttons.values():
                accept_clicks(button)

    def _visible_actions(self) -> list[Action]:
        """Return the actions of the buttons, at most four."""
        progress = self._progress
        rows = actions.available_actions(self._trainer)
        is_done = not self._trainer.is_running and self._trainer.ppls[0].current is None
        if cell := actions.chat_cell(progress):
            tooltip = tr("Show the cell that asks the service")
            rows.append(Action("chat", tr("Chat"), tooltip, partial(self._show_cell, cell, "chat")))
        cell = actions.evaluation_cell(progress) or (
            actions.checkpoint_cell(progress, None) if is_done else ""
        )
        if cell:
            tooltip = tr("Show the cell that scores the model on your rows")
            rows.append(
                Action(
                    "evaluate", tr("Evaluate"), tooltip, partial(self._show_cell, cell, "evaluate")
                )
            )
        if self._stays_open:
            tooltip = tr("Leave a static output, without buttons")
            return [*rows[:3], Action("close", tr("Close"), tooltip, lambda _: self._close())]
        if self._has_details:
            label = tr("Hide details")
        else:
            label = tr("Show details")
        return [*rows[:3], Action("details", label, "", lambda _: None)]

    def _update_buttons(self, visible: Sequence[Action]) -> None:
        """Show a button for each action, or the two answers to a question.

        The button that was pressed becomes the safe answer: it has the focus, and a double click
        changes nothing.
        """
        asked = next(
            (row for row in visible if row.key == self._asked_key and not row.reason), None
        )
        rows: list[tuple[str, Action, str, ButtonKind, Callable[[str], None]]]
        if asked is None:
            self._asked_key = ""
            main = actions.main_action([row.key for row in visible if not row.reason])
            rows = [
                (row.key, row, row.label, "main" if row.key == main else "", self._press)
                for row in visible
            ]
        else:
            answer: ButtonKind = "risk" if asked.key == "stop" else "main"
            rows = [(asked.key, asked, asked.decline, "", self._decline)]
            rows += [(CONFIRM, asked, asked.confirm, answer, self._confirm)]
        old = self._buttons
        self._buttons = {}
        self._handlers = {
            slot: partial(handler, action.key) for slot, action, _, _, handler in rows
        }
        for slot, action, label, kind, _ in rows:
            button = old.pop(slot, None) or self._widgets.button("", partial(self._click, slot))
            button.description = label
            button.tooltip = action.tooltip
            button.disabled = bool(action.reason) or action.key == self._busy_key
            mark_kind(button, kind)
            self._buttons[slot] = button
        if self._row.children != tuple(self._buttons.values()):
            self._row.children = tuple(self._buttons.values())
        for button in old.values():
            button.close()

    def _messages(self, visible: Sequence[Action]) -> list[Html]:
        """Return the question, the reasons of buttons that are disabled, an error, or a cell to
        copy.
        """
        if self._asked_key:
            return [self._question]
        reasons = [f"{row.label}: {row.reason}" for row in visible if row.reason]
        error, *details_of_error = self._error.split("\n")
        return [
            components.dim_lines(*reasons),
            components.note("bad", error, " ".join(details_of_error), sign="✕", role="alert")
            if error
            else Html(""),
            self._cell,
        ]

    def _details(self) -> Html:
        """Return the details: folded when nothing redraws them any more, else open while they are
        wanted.
        """
        if self._stays_open:
            return components.folds(*details.folds(self._progress).values())
        if not self._has_details:
            return Html("")
        parts = details.folds(self._progress, max_lines=details.MAX_ROWS).values()
        return components.join(
            Html(f"<div><h4>{escape(title)}</h4> <small>{escape(remark)}</small>{content}</div>")
            for title, remark, content in parts
        )

    def _click(self, slot: str, _button: Any) -> None:
        with self._lock:
            if handler := self._handlers.get(slot):
                handler()
        if self._row.comm is not None:  # the panel is still open
            self.draw(self._trainer.progress, stays_open=self._stays_open)

    def _press(self, key: str) -> None:
        action = self._find(key)
        if action is not None and action.question:
            self._cell = Html("")
            self._asked_key = key
            self._error = ""
            # as of now: a change would be read aloud
            consequence = components.with_code(action.consequence)
            self._question = components.note("warn", action.question, consequence, role="alert")
        elif key == "details":
            self._has_details = not self._has_details
        else:
            self._confirm(key)

    def _decline(self, _key: str) -> None:
        self._asked_key = ""

    def _confirm(self, key: str) -> None:
        """Execute an action on a thread."""
        self._asked_key = ""
        if (action := self._find(key)) is not None:
            self._cell = Html("")
            self._busy_key = key
            self._error = ""
            self._context.copy().run(event_loop.submit, self._execute(action))

    def _find(self, key: str) -> Action | None:
        return next((row for row in self._visible_actions() if row.key == key), None)

    async def _execute(self, action: Action) -> None:
        try:
            await asyncio.to_thread(action.execute, self._trainer)
        except QianfanError as error:
            self._error = str(error)
        except Exception as error:  # noqa: BLE001 - shown to the person who clicked
            self._error = f"{type(error).__name__}: {error}"
        finally:
            self._busy_key = ""

    def _show_cell(self, cell: str, verb: str, _: LLMFinetune) -> None:
        """Show a cell as text: a button's handler cannot insert a cell into the notebook."""
        command = f"%qftrain {verb} {summary.handle(self._progress)}"
        hint = components.with_code(
            tr("Copy this into a new cell, or run `{command}`:", command=command)
        )
        self._cell = Html(f"<div>{hint}</div><pre><code>{escape(cell)}</code></pre>")

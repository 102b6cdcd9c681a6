"""A training as an output: as HTML and text, and as a panel that follows it; several
trainings compared.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from ...base.language import tr, tr_noop
from ...base.text import format_loss
from ...errors import QianfanError
from ...trainer import LLMFinetune
from ...trainer.loss_diagnostics import best_checkpoint
from ...trainer.progress import TrainingProgress
from ...transport import event_loop
from .. import components, line_chart
from ..components import Html, State
from ..display import Bundle
from ..formats import escape, one_line
from ..panel import Panel, mark_kind
from . import actions, summary
from .actions import Action
from .loss_chart import checkpoint_name, comparison_chart, loss_chart, rewards_chart

STARTED: Final = tr_noop("The training runs in the background; `%qftrain wait` shows how it ends.")

VALUES_S: Final = 60.0
"""Age of a running training in seconds from which its charts show values below the pointer: they
are redrawn seldom.
"""

CONFIRM: Final = "confirm"
"""The slot of the button that says yes."""


def bundle(progress: TrainingProgress) -> Bundle:
    """Return the progress in every static format."""
    return {"text/plain": text(progress), "text/html": html(progress)}


def text(progress: TrainingProgress) -> str:
    """Return the progress as a few lines of text."""
    metrics = " · ".join(f"{name} {value}" for name, value in progress.metrics.items())
    if metrics:
        metrics = tr("on the rows held out: {metrics}", metrics=metrics)
    steps = summary.next_steps(progress)
    blocks = summary.blocks(progress, is_live=True)
    return components.join([*blocks, numbers_and_charts(progress), metrics, *steps]).text


def html(progress: TrainingProgress) -> Html:
    """Return the progress as an output of its own: the end, or the state as of now."""
    return components.panel_output(
        summary.title(progress),
        *summary.blocks(progress, is_live=False),
        numbers_and_charts(progress),
        components.folds(*summary.folds(progress).values()),
        components.next_steps(*(summary.next_steps(progress) if progress.finished else [])),
    )


def numbers_and_charts(progress: TrainingProgress) -> Html:
    """Return the parts that change with a new point of the loss curve."""
    has_values = progress.finished or progress.elapsed(time.time()) >= VALUES_S
    losses = loss_chart(progress)
    return components.join(
        [
            summary.key_numbers(progress),
            components.dim_lines(summary.waiting_for_curve(progress)),
            line_chart.figure(losses, has_values=has_values),
            line_chart.figure(rewards_chart(progress), has_values=has_values),
        ]
    )


class TrainingPanel(Panel):
    """Shows a trainer while it runs; static HTML when it has ended.

    A training that is not running is shown with buttons for the next steps, until the panel is
    closed. A button exists only while its action is possible or will be: there are at most twelve
    widget models.
    """

    poll_s = 0.5

    def __init__(self, trainer: LLMFinetune) -> None:
        super().__init__(trainer)
        self._stays_open = False
        # what an action prints belongs to the panel's cell
        self._context = contextvars.copy_context()
        self._lock = threading.RLock()
        self._buttons: dict[str, Any] = {}
        self._handlers: dict[str, Callable[[], None]] = {}
        self._asked_key = self._busy_key = self._error = ""
        self._cell = self._question = Html()
        self._has_details = False

    def show(self, notice: str = "") -> None:
        """Display the panel in the current cell; where outputs cannot move, a line, or the state at
        the end.
        """
        self._context = contextvars.copy_context()
        self._stays_open = not self.job.is_running
        super().show(notice or (tr(STARTED) if self.job.is_running else ""))

    def publish_final(self) -> None:
        """Publish the final state from the current cell, once the training has ended."""
        if self._has_ended():
            super().publish_final()

    def result(self) -> str:
        """Return the state of the training, and the next steps."""
        progress = self.job.progress
        heading = summary.header(progress, is_live=True).text.split("\n")[0]
        return "\n".join([heading, *summary.next_steps(progress)])

    def _bundle(self, progress: TrainingProgress) -> Bundle:
        return bundle(progress)

    def _go_on(self, progress: TrainingProgress) -> str:
        name = summary.handle(progress)
        if not name:
            return tr("To go on, run the cell again.")
        if self._stays_open:
            return tr("To show it again: `%qftrain show {name}`", name=name)
        return tr("The training goes on; to follow it here: `%qftrain attach {name}`", name=name)

    def _has_ended(self) -> bool:
        return not self.job.is_running

    def _is_open(self) -> bool:
        self._stays_open = self._stays_open and not self.job.is_running
        return self._stays_open or self.job.is_running

    def _close(self) -> None:
        self._stays_open = False

    @property
    def is_asking(self) -> bool:  # type: ignore[override]
        """Whether an action waits for its confirmation."""
        return bool(self._asked_key)

    def draw(self, progress: TrainingProgress) -> None:
        """Show a state; what has not changed is not sent."""
        with self._lock:
            super().draw(progress)

    def _parts(self, progress: TrainingProgress) -> tuple[State, list[Html], list[Html]]:
        messages = self._messages(progress)
        state = summary.state(progress)
        key = state._replace(raw="".join([*messages, str(self._has_details)]))
        blocks = summary.blocks(progress, is_live=True)
        return key, blocks, [*messages, numbers_and_charts(progress), self._details(progress)]

    def _create_buttons(self) -> list[Any]:
        return []

    def _visible_actions(self) -> list[Action]:
        """Return the actions of the buttons, at most four."""
        trainer = self.job
        progress = trainer.progress
        rows = actions.available_actions(trainer)
        if cell := actions.chat_cell(progress):
            tooltip = tr("Show the cell that asks the service")
            rows.append(Action("chat", tr("Chat"), tooltip, partial(self._show_cell, cell, "chat")))
        cell = actions.evaluation_cell(progress)
        if not cell and not trainer.is_running and trainer.ppls[0].current is None:
            cell = actions.checkpoint_cell(progress, None)
        if cell:
            tooltip = tr("Show the cell that scores the model on your rows")
            show = partial(self._show_cell, cell, "evaluate")
            rows.append(Action("evaluate", tr("Evaluate"), tooltip, show))
        if self._stays_open:
            tooltip = tr("Leave a static output, without buttons")
            return [*rows[:3], Action("close", tr("Close"), tooltip, lambda _: self._close())]
        if self._has_details:
            label = tr("Hide details")
        else:
            label = tr("Show details")
        return [*rows[:3], Action("details", label, "", lambda _: None)]

    def _update_buttons(self, progress: TrainingProgress) -> list[Any]:
        """Show a button for each action, or the two answers to a question.

        The button that was pressed becomes the safe answer: it has the focus, and a double click
        changes nothing.
        """
        visible = self._visible_actions()
        old = self._buttons
        self._buttons = {}
        self._handlers = {}
        asked = next(
            (row for row in visible if row.key == self._asked_key and not row.reason), None
        )
        if asked is not None:
            self._show_button(old, asked.key, asked.decline, "", asked, self._decline)
            if asked.key == "stop":
                kind = "risk"
            else:
                kind = "main"
            self._show_button(old, CONFIRM, asked.confirm, kind, asked, self._confirm)
        else:
            self._asked_key = ""
            main = actions.main_action([row.key for row in visible if not row.reason])
            for row in visible:
                if row.key == main:
                    kind = "main"
                else:
                    kind = ""
                self._show_button(old, row.key, row.label, kind, row, self._press)
        for button in old.values():
            button.close()
        return [*self._buttons.values()]

    def _show_button(
        self,
        old: dict[str, Any],
        slot: str,
        label: str,
        kind: Any,
        action: Action,
        handler: Callable[[Action], None],
    ) -> None:
        button = old.pop(slot, None) or self._widgets.button("", partial(self._click, slot))
        button.description = label
        button.tooltip = action.tooltip
        button.disabled = bool(action.reason) or action.key == self._busy_key
        mark_kind(button, kind)
        self._buttons[slot] = button
        self._handlers[slot] = partial(handler, action)

    def _messages(self, progress: TrainingProgress) -> list[Html]:
        """Return the question, the reasons of buttons that are disabled, an error, or a cell to
        copy.
        """
        if self._asked_key:
            return [self._question]
        rows = self._visible_actions()
        messages = [components.dim_lines(*(f"{r.label}: {r.reason}" for r in rows if r.reason))]
        if self._error:
            error, *more = self._error.split("\n")
            note = components.note("bad", error, " ".join(more), sign="✕", role="alert")
            messages.append(note)
        return [*messages, self._cell]

    def _details(self, progress: TrainingProgress) -> Html:
        """Return the details: folded when nothing redraws them any more, else open while they are
        wanted.
        """
        if self._stays_open:
            return components.folds(*summary.folds(progress).values())
        if not self._has_details:
            return Html()
        parts = []
        for title, remark, content in summary.folds(progress, max_lines=summary.MAX_ROWS).values():
            head = f"<h4>{escape(title)}</h4> <small>{escape(remark)}</small>"
            parts.append(Html(f"<div>{head}{content}</div>"))
        return components.join(parts)

    def _click(self, slot: str, _button: Any) -> None:
        with self._lock:
            if handler := self._handlers.get(slot):
                handler()
        if self._row.comm is not None:  # the panel is still open
            self.draw(self.job.progress)

    def _press(self, action: Action) -> None:
        if action.key == "details":
            self._has_details = not self._has_details
        elif action.question:
            self._cell = Html()
            self._asked_key = action.key
            self._error = ""
            # as of now: a change would be read aloud
            consequence = components.with_code(action.consequence)
            self._question = components.note("warn", action.question, consequence, role="alert")
        else:
            self._confirm(action)

    def _decline(self, _: Action) -> None:
        self._asked_key = ""

    def _confirm(self, action: Action) -> None:
        """Execute an action on a thread."""
        self._asked_key = self._error = ""
        self._cell = Html()
        self._busy_key = action.key
        self._context.copy().run(event_loop.submit, self._execute(action))

    async def _execute(self, action: Action) -> None:
        try:
            await asyncio.to_thread(action.execute, self.job)
        except QianfanError as error:
            self._error = str(error)
        except Exception as error:  # noqa: BLE001 - shown to the person who clicked
            self._error = f"{type(error).__name__}: {error}"
        finally:
            self._busy_key = ""

    def _show_cell(self, cell: str, verb: str, _: LLMFinetune) -> None:
        """Show a cell as text: a button's handler cannot insert a cell into the notebook."""
        command = f"%qftrain {verb} {summary.handle(self.job.progress)}"
        hint = tr("Copy this into a new cell, or run `{command}`:", command=command)
        code = f"<pre><code>{escape(cell)}</code></pre>"
        self._cell = Html(f"<div>{components.with_code(hint)}</div>{code}")


def comparison_bundle(runs: Mapping[str, TrainingProgress]) -> Bundle:
    """Return a comparison of named trainings in every format: the curves, and a table of state,
    model, settings that differ, losses and metrics; a row without values is left out.
    """
    title = tr("Comparison of {n} trainings", n=len(runs))
    rows = _comparison_rows([*runs.values()])
    heads = ["", *(one_line(name, 40) for name in runs)]
    return components.bundle(
        title,
        components.header(title, is_sandbox=any(run.from_sandbox for run in runs.values())),
        line_chart.figure(comparison_chart(runs)),
        components.table(heads, rows, numeric=range(1, len(heads))),
    )


def _comparison_rows(runs: Sequence[TrainingProgress]) -> list[list[str]]:
    settings = dict.fromkeys(name for run in runs for name in run.hyper_parameters)
    columns = []
    for run in runs:
        column: dict[str, Any] = {
            tr("State"): summary.state(run).pill.text,
            tr("Base model"): run.title,
            **dict.fromkeys(settings, ""),
            **run.hyper_parameters,
            tr("Training loss"): last_loss(run),
            tr("Lowest validation loss"): lowest_validation(run),
            **run.metrics,
        }
        columns.append(column)
    rows = []
    for head in dict.fromkeys(name for column in columns for name in column):
        cells = [one_line(column.get(head, ""), 80) for column in columns]
        is_alike = head in settings and len(set(cells)) == 1
        if any(cells) and not is_alike:
            rows.append([one_line(head, 40), *cells])
    return rows


def last_loss(run: TrainingProgress) -> str:
    """Return the last training loss, "" without a point of the curve."""
    if run.points:
        return format_loss(run.points[-1].training_loss)
    return ""


def lowest_validation(run: TrainingProgress) -> str:
    """Return the lowest validation loss and its checkpoint, "" without one."""
    best = best_checkpoint(run.points)
    if best is None:
        return ""
    return f"{format_loss(best.validation_loss)} ({checkpoint_name(best)})"

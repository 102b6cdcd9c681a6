"""The form that starts a training: filled in live, checked at each letter, launched by a second click.

The form itself is a value (`trainer.launch`); this file keeps the present one, draws it, and does what is
clicked. Whatever waits for the platform or a file does so on a thread of its own.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from ... import connect
from ...dataset import Dataset
from ...errors import QianfanError
from ...resources.management.finetune import FineTune
from ...trainer import LLMFinetune
from ...trainer.form import code as codes
from ...trainer.form import saved
from ...trainer.form.data import inspect_dataset, list_data_files
from ...trainer.form.estimate import measure_step_seconds
from ...trainer.form.value import LaunchForm
from ...transport import event_loop
from ..display import LiveOutput, publish
from ..training.panel import TrainingPanel
from .fields import parse_others
from .render import LauncherState, bundle
from .widget import LauncherWidget

DOUBLE_CLICK_S: Final = 0.4
"""Seconds within which a second click is a double click, or a key that is held, and confirms nothing."""

INSERTED_MESSAGE: Final = (
    "已备好：运行任一单元格后出现在其下方 / ready: it appears below the next cell that runs"
)


class Launcher:
    """The form in a notebook; shows itself where it is the value of a cell, or by `show()`.

    Args:
        data: what is trained on, by name.
        named: returns the datasets of the notebook, by name.
        folder: where the files are that are offered.
        insert: puts a new cell into the notebook.
        launched: is called with the trainer that was started, to show it.

    Attributes:
        trainer: what was launched, None before.
    """

    def __init__(
        self,
        data: str = "",
        *,
        list_datasets: Callable[[], Mapping[str, Dataset]] = dict,
        folder: Path | None = None,
        insert_cell: Callable[[str], object] | None = None,
        on_launch: Callable[[LLMFinetune], object] | None = None,
    ) -> None:
        self.trainer: LLMFinetune | None = None
        self._list_datasets, self._folder = list_datasets, folder or Path()
        self._insert_cell, self._on_launch = insert_cell, on_launch
        self._lock = threading.RLock()
        self._state = LauncherState(LaunchForm().with_choice(dataset=data))
        self._live: LiveOutput | None = None
        self._widget: LauncherWidget | None = None
        self._confirming_since = 0.0
        self._context = contextvars.copy_context()
        self._buttons = {
            "load": self._load,
            "save": self._save,
            "launch": self._press_launch,
            "insert": self._insert_code,
            "close": self.close,
        }

    @property
    def state(self) -> LauncherState:
        """The form as it is, as a value."""
        with self._lock:
            return self._state

    def show(self) -> None:
        """Show the form in the current cell; where nobody can fill it in, what it says.

        One that was launched is its training's panel.
        """
        if self.trainer is not None:
            self._show_trainer(self.trainer)
            return
        self._context = contextvars.copy_context()
        if self._live is not None:
            self._live.remove()
        self._close_widget()
        self._live = live = LiveOutput(self.state, widget=self._build, draw=self._draw, final=bundle)
        if live.mode == "live":
            self._run_in_background(self._load_supported_models)
        else:
            self._load_supported_models()
            publish(bundle(self.state))

    def choose(self, name: str, value: Any) -> None:
        """Change a field, as typing into it does."""
        with self._lock:
            form = self._state.form
            if name == "others":
                changes: dict[str, Any] = {"values": {**form.draft.values, **parse_others(form, value)}}
            elif name in type(form.draft).model_fields:
                changes = {name: value}
            else:
                changes = {
                    "values": {**form.draft.values, name: [*value] if isinstance(value, tuple) else value}
                }
            if all(getattr(form.draft, key) == new for key, new in changes.items()):
                return
            self._update(form=form.with_choice(**changes), stage="editing", message="")
        if name in {"dataset", "eval_dataset"}:
            self._run_in_background(partial(self._inspect_dataset, value))

    def press(self, button: str) -> None:
        """Do what a button does."""
        with self._lock:
            if self._state.stage != "launching":
                self._buttons[button]()

    def close(self) -> None:
        """Leave what the form says in its place, without a widget."""
        if self._live is not None:
            self._live.finish(self.state)
        self._close_widget()

    def _ipython_display_(self) -> None:
        self.show()

    def __repr__(self) -> str:
        draft = self.state.form.draft
        return f"<Launcher {draft.model} on {draft.dataset or 'no dataset yet'}: show() opens the form>"

    def _build(self) -> Any:
        self._widget = LauncherWidget(self.choose, self.press)
        return self._widget.root

    def _draw(self, _: Any, state: LauncherState) -> None:
        if self._widget is not None:
            self._widget.draw(state)

    def _update(self, **changes: Any) -> None:
        with self._lock:
            self._state = state = replace(self._state, **changes)
        if self._live is not None:
            self._live.update(state)

    def _run_in_background(self, task: Callable[[], object]) -> None:
        """Do something that may take a while, in the name of the cell that shows the form."""
        self._context.copy().run(event_loop.submit, asyncio.to_thread(task))

    def _load_supported_models(self) -> None:
        """Ask the platform what can be tuned, and look at the data."""
        self._update(stage="asking", message="")
        datasets = self._list_datasets()
        try:
            supported_models = tuple(FineTune.V2.supported_models().data)
            platform = connect.current_platform().name
            step_seconds = measure_step_seconds(platform)
        except QianfanError as error:
            self._update(
                stage="unanswered", message=_format_error("平台没有应答 the platform tells nothing", error)
            )
            return
        with self._lock:
            form = replace(
                self._state.form,
                supported_models=supported_models,
                step_seconds=step_seconds,
                from_sandbox=platform == "sandbox",
            )
            form = form if form.draft.values else form.with_choice(model=form.draft.model)
            surroundings = {"variables": frozenset(datasets), "files": tuple(list_data_files(self._folder))}
            self._update(form=form, stage="editing", configurations=_list_configurations(), **surroundings)
        for source in {form.draft.dataset, form.draft.eval_dataset} - {""}:
            self._inspect_dataset(source)

    def _inspect_dataset(self, source: str) -> None:
        info = inspect_dataset(source, self._list_datasets())
        with self._lock:
            form = self._state.form
            variables = frozenset(self._list_datasets())
            self._update(form=replace(form, datasets={**form.datasets, source: info}), variables=variables)

    def _load(self) -> None:
        try:
            draft = saved.load(self._configuration_name())
        except QianfanError as error:
            self._update(message=_format_error("", error))
            return
        if self._widget is not None:
            self._widget.overwrite = True
        form = self._state.form.with_draft(draft)
        dropped = ", ".join(draft.values.keys() - form.draft.values.keys())
        message = f"已载入 loaded: {self._configuration_name()}" + (
            f"；该模型没有 not of this model: {dropped}" if dropped else ""
        )
        self._update(form=form, stage="editing", message=message)
        for source in {draft.dataset, draft.eval_dataset} - {""}:
            self._run_in_background(partial(self._inspect_dataset, source))

    def _save(self) -> None:
        try:
            saved.save(self._configuration_name(), self._state.form.draft)
        except QianfanError as error:
            self._update(message=_format_error("", error))
            return
        self._update(
            message=f"已保存 saved: {self._configuration_name()}", configurations=_list_configurations()
        )

    def _configuration_name(self) -> str:
        return self._widget.configuration if self._widget is not None else ""

    def _insert_code(self) -> None:
        if (
            script := codes.render_code(self._state.form, self._state.variables)
        ) and self._insert_cell is not None:
            self._insert_cell(script)
            self._update(message=INSERTED_MESSAGE)

    def _press_launch(self) -> None:
        """Begin at the second click; the first one only asks for it."""
        state, now = self._state, time.monotonic()
        if state.stage == "unanswered":
            self._run_in_background(self._load_supported_models)
        elif state.stage == "editing" and not state.form.issues:
            self._confirming_since = now
            self._update(stage="confirming", message="")
        elif state.stage == "confirming" and now - self._confirming_since <= DOUBLE_CLICK_S:
            self._confirming_since = now
        elif state.stage == "confirming":
            self._update(stage="launching", message="")
            self._run_in_background(self._launch)

    def _launch(self) -> None:
        """Start the training of the form as it is, with the data as they are now."""
        try:
            draft = self.state.form.draft
            for source in {draft.dataset, draft.eval_dataset} - {""}:
                self._inspect_dataset(source)
            trainer = codes.create_trainer(self.state.form).start()
        except (QianfanError, OSError) as error:
            self._update(stage="editing", message=_format_error("未能启动 could not be started", error))
            return
        self.trainer = trainer
        if self._live is not None:
            self._live.replace_with(lambda: self._show_trainer(trainer))
        self._close_widget()

    def _show_trainer(self, trainer: LLMFinetune) -> None:
        if self._on_launch is not None:
            self._on_launch(trainer)
        else:
            TrainingPanel(trainer).show()

    def _close_widget(self) -> None:
        """Close what is not shown any more."""
        widget, self._widget = self._widget, None
        if widget is not None:
            widget.close()


def _list_configurations() -> tuple[str, ...]:
    return (*saved.list_names(), *saved.list_past_runs())


def _format_error(prefix: str, error: Exception) -> str:
    """Return an error as two or three lines: what it is and what to do."""
    lines = str(error).splitlines() or [type(error).__name__]
    return "\n".join([f"✘ {prefix}: {lines[0]}" if prefix else f"✘ {lines[0]}", *lines[1:3]])

"""The form that starts a training: filled in live, validated at each keystroke, launched by a second click.

The form itself is a value (`trainer.form`); this module holds its present state, and does what is clicked.
What waits for the platform or for a file runs on a thread.
"""

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
from ...errors import InvalidArgumentError, QianfanError
from ...trainer import LLMFinetune
from ...trainer.form import drafts
from ...trainer.form.code_estimate import create_trainer, measure_step_seconds, render_code
from ...trainer.form.data import inspect_dataset, list_data_files
from ...trainer.form.launch_form import LaunchForm
from ...trainer.offer import DEFAULT_MODEL, default_model, read_offer
from ...transport import event_loop
from ..display import LiveOutput, publish
from ..training.panel import TrainingPanel
from .render import LauncherState, LaunchStage, bundle
from .widget import LauncherWidget

DOUBLE_CLICK_S: Final = 0.4
"""Seconds within which a second click is a double click, or a key that is held down: it confirms nothing."""

INSERTED_MESSAGE: Final = "已备好：运行任一单元格后出现在其下方 / ready: it appears below the next cell that runs"


class Launcher:
    """The form in a notebook; as the value of a cell it shows itself.

    Args:
        data: the name of the dataset to train on, "" for none yet.
        list_datasets: returns the datasets of the notebook, by name.
        folder: where data files are looked for; default: the working directory.
        insert_cell: puts a new cell with some code into the notebook.
        on_launch: is called with the trainer that was started, to show it; default: show its panel.

    Attributes:
        trainer: what was launched, None before.
        widget: the form's widget while it is shown live, None otherwise.
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
        self.widget: LauncherWidget | None = None
        self._list_datasets, self._folder = list_datasets, folder or Path()
        self._insert_cell = insert_cell
        self._on_launch = on_launch or (lambda trainer: TrainingPanel(trainer).show())
        self._lock = threading.RLock()
        self._state = LauncherState(LaunchForm().with_choice(dataset=data))
        self._live: LiveOutput | None = None
        self._confirming_since = 0.0
        self._context = contextvars.copy_context()

    @property
    def state(self) -> LauncherState:
        """The form as it is, as a value."""
        with self._lock:
            return self._state

    def show(self) -> None:
        """Show the form in the current cell; where it cannot be filled in, show its content.

        After the launch, show the panel of the training.
        """
        if self.trainer is not None:
            self._on_launch(self.trainer)
            return
        self._context = contextvars.copy_context()
        if self._live is not None:
            self._live.remove()
        self._close_widget()
        self._live = live = LiveOutput(self.state, widget=self._build, draw=self._draw, final=bundle)
        if live.mode == "live":
            self._run_in_background(self._open_form)
        else:
            self._load_choices()
            publish(bundle(self.state))

    def choose(self, name: str, value: Any) -> None:
        """Change a field, as typing into it does.

        Args:
            name: a field of `Draft`, or the platform's key of a hyper-parameter.
            value: text where one types, the chosen value, or several values where several are chosen.
        """
        with self._lock:
            form = self._state.form
            value = [*value] if isinstance(value, tuple) else value
            is_parameter = name not in type(form.draft).model_fields
            changes = {"values": {**form.draft.values, name: value}} if is_parameter else {name: value}
            if all(getattr(form.draft, key) == new for key, new in changes.items()):
                return
            stage: LaunchStage = "editing" if self._state.is_loaded else self._state.stage
            self._update(form=form.with_choice(**changes), stage=stage, message="")
        if name in {"dataset", "eval_dataset"}:
            self._run_in_background(partial(self._inspect_dataset, value))

    def press(self, button: str) -> None:
        """Do what a button does: load, save, launch, insert or close."""
        actions = {
            "load": self._load,
            "save": self._save,
            "launch": self._press_launch,
            "insert": self._insert_code,
            "close": self.close,
        }
        with self._lock:
            if self._state.stage == "launching":
                return
            try:
                actions[button]()
            except QianfanError as error:
                self._update(message=_format_error(error))

    def close(self) -> None:
        """Replace the form's widget with its content."""
        if self._live is not None:
            self._live.finish(self.state)
        self._close_widget()

    def _ipython_display_(self) -> None:
        self.show()

    def __repr__(self) -> str:
        draft = self.state.form.draft
        return f"<Launcher {draft.model} on {draft.dataset or 'no dataset yet'}: show() opens the form>"

    def _build(self) -> Any:
        self.widget = LauncherWidget(self.choose, self.press)
        return self.widget.root

    def _draw(self, _: Any, state: LauncherState) -> None:
        if self.widget is not None:
            self.widget.draw(state)

    def _close_widget(self) -> None:
        widget, self.widget = self.widget, None
        if widget is not None:
            widget.close()

    def _update(self, **changes: Any) -> None:
        with self._lock:
            self._state = state = replace(self._state, **changes)
        if self._live is not None:
            self._live.update(state)

    def _run_in_background(self, task: Callable[[], object]) -> None:
        """Run a blocking task on a thread, in the context of the cell that shows the form."""
        self._context.copy().run(event_loop.submit, asyncio.to_thread(task))

    def _open_form(self) -> None:
        """Load the choices, then renew the fallback once: a later renewal would take the focus from a field."""
        self._load_choices()
        if self._live is not None:
            self._live.renew()

    def _load_choices(self) -> None:
        """Ask the platform which models can be tuned, and inspect the data; a list is not required."""
        self._update(stage="loading", message="")
        variables = frozenset(self._list_datasets())
        try:
            supported_models = read_offer(must_answer=True)
            platform = connect.current_platform().name
            step_seconds = measure_step_seconds(platform)
        except QianfanError as error:
            message = _format_error(error, "平台没有应答 the platform gives no answer")
            self._update(stage="unavailable", message=message)
            return
        files, configurations = tuple(list_data_files(self._folder)), _list_configurations()
        with self._lock:
            form = replace(
                self._state.form,
                supported_models=supported_models,
                step_seconds=step_seconds,
                from_sandbox=platform == "sandbox",
            )
            typed = {key: value for key, value in form.draft.values.items() if value not in ("", [], None)}
            is_default = form.draft.model == DEFAULT_MODEL
            model = default_model() if is_default else form.draft.model
            form = form.with_choice(values=typed).with_choice(model=model)  # the defaults of the others
            lists = {"variables": variables, "files": files, "configurations": configurations}
            self._update(form=form, stage="editing", **lists)
        for source in form.draft.sources:
            self._inspect_dataset(source)

    def _inspect_dataset(self, source: str) -> None:
        datasets = self._list_datasets()
        info = inspect_dataset(source, datasets)
        with self._lock:
            form = self._state.form
            form = replace(form, datasets={**form.datasets, source: info})
            self._update(form=form, variables=frozenset(datasets))

    def _load(self) -> None:
        name = self._configuration_name()
        draft = drafts.load(name)
        if self.widget is not None:
            self.widget.overwrite = True
        form = self._state.form.with_draft(draft)
        dropped = ", ".join(draft.values.keys() - form.draft.values.keys())
        suffix = f"；该模型没有 not of this model: {dropped}" if dropped else ""
        self._update(form=form, stage="editing", message=f"已载入 loaded: {name}{suffix}")
        for source in draft.sources:
            self._run_in_background(partial(self._inspect_dataset, source))

    def _save(self) -> None:
        name = self._configuration_name()
        drafts.save(name, self._state.form.draft)
        self._update(message=f"已保存 saved: {name}", configurations=_list_configurations())

    def _configuration_name(self) -> str:
        if not self._state.is_loaded:
            raise InvalidArgumentError("表单还没有加载好 the form has not loaded its fields yet: try again when it has")
        return self.widget.configuration if self.widget is not None else ""

    def _insert_code(self) -> None:
        code = render_code(self._state.form, self._state.variables)
        if code and self._insert_cell is not None:
            self._insert_cell(code)
            self._update(message=INSERTED_MESSAGE)

    def _press_launch(self) -> None:
        """Launch at the second click; the first one only asks for it."""
        state, now = self._state, time.monotonic()
        if state.stage == "unavailable":
            self._run_in_background(self._open_form)
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
            for source in self.state.form.draft.sources:
                self._inspect_dataset(source)
            self.trainer = trainer = create_trainer(self.state.form).start()
        except (QianfanError, OSError) as error:
            self._update(stage="editing", message=_format_error(error, "未能启动 could not be started"))
            return
        if self._live is not None:
            self._live.replace_with(lambda: self._on_launch(trainer))
        self._close_widget()


def _list_configurations() -> tuple[str, ...]:
    return (*drafts.list_names(), *drafts.list_past_runs())


def _format_error(error: Exception, prefix: str = "") -> str:
    """Return an error as two or three lines: what it is and what to do."""
    first, *more = str(error).splitlines() or [type(error).__name__]
    return "\n".join([f"✘ {prefix}: {first}" if prefix else f"✘ {first}", *more[:2]])

"""The form that starts a training: filled in live, validated at each keystroke, launched by a
second click.

The form itself is a value (`trainer.form`); this module holds its present state, and does what is
clicked. What waits for the platform or for a file runs on a thread.
"""

import asyncio
import contextlib
import contextvars
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from ... import connect
from ...base.language import tr
from ...base.text import listed
from ...dataset.file_reader import list_data_files
from ...dataset.samples import TRAIN_FILE, write_samples
from ...errors import QianfanError
from ...trainer import LLMFinetune
from ...trainer.form import drafts
from ...trainer.form.code_estimate import create_trainer, find_same_run, render_code
from ...trainer.form.inspection import is_data
from ...trainer.form.launch_form import LaunchForm, inspect_sources
from ...trainer.form.validation import find_issues
from ...trainer.offer import DEFAULT_MODEL, default_model, read_offer
from ...transport import event_loop
from ..display import LiveOutput, publish
from ..training.panel import TrainingPanel
from .fields import FOLDS, LauncherState, LaunchStage
from .render import bundle, first_fix, format_error
from .widget import LauncherWidget

FILE_POLL_S: Final = 1.0

DOUBLE_CLICK_S: Final = 0.4
"""Seconds within which a second click is a double click, or a key that is held down: it confirms
nothing.
"""


class Launcher:
    """The form in a notebook; as the value of a cell it shows itself.

    Args:
        data: the name of the dataset to train on, "" for none yet.
        variable: the name of the variable that is to keep the trainer.
        list_variables: returns the variables of the notebook by name; those that hold data are
            offered.
        folder: where data files are looked for; default: the working directory.
        insert_cell: puts a new cell with some code into the notebook.
        keep: keeps the trainer that was started in a variable, whose name comes first.
        on_launch: is called with the trainer that was started, to show it; default: show its panel.

    Attributes:
        trainer: what was launched, None before.
        widget: the form's widget while it is shown live, None otherwise.
    """

    def __init__(
        self,
        data: str = "",
        *,
        variable: str = "trainer",
        list_variables: Callable[[], Mapping[str, Any]] = dict,
        folder: Path | None = None,
        insert_cell: Callable[[str], object] | None = None,
        keep: Callable[[str, LLMFinetune], object] | None = None,
        on_launch: Callable[[LLMFinetune], object] | None = None,
    ) -> None:
        self.trainer: LLMFinetune | None = None
        self.widget: LauncherWidget | None = None
        self._list_variables = list_variables
        self._folder = folder or Path()
        self._insert_cell = insert_cell
        self._keep = keep or (lambda _name, _trainer: None)
        self._on_launch = on_launch or (lambda trainer: TrainingPanel(trainer).show())
        self._lock = threading.RLock()
        self._state = LauncherState(LaunchForm(variable=variable).with_choice(dataset=data))
        self._live: LiveOutput | None = None
        self._inspected: dict[str, int] = {}
        self._confirming_since = 0.0
        self._context = contextvars.copy_context()

    @property
    def state(self) -> LauncherState:
        """The form as it is, as a value."""
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
        self._live = live = LiveOutput(
            self.state,
            widget=self._build,
            draw=self._draw,
            final=bundle,
            go_on=lambda _: tr("Nothing was started. To fill the form in, run the cell again."),
        )
        if live.mode == "live":
            self._run_in_background(self._open_form)
        else:
            self._load_choices()
            publish(bundle(self.state))

    def choose(self, name: str, value: Any) -> None:
        """Change a field, and show its value in the form.

        Args:
            name: a field of `Draft`, "method", "variable", or the platform's key of a
                hyper-parameter.
            value: text where one types, the chosen value, or several values where several are
                chosen.
        """
        self._overwrite()
        self._change(name, value)

    def _change(self, name: str, value: Any) -> None:
        """Change a field, which has the value already."""
        with self._lock:
            form = self._state.form
            choice = {name: [*value] if isinstance(value, tuple) else value}
            if name not in {*type(form.draft).model_fields, "method", "variable"}:
                choice = {"values": {**form.draft.values, **choice}}
            changed = form.with_choice(**choice)
            if (changed.draft, changed.variable) == (form.draft, form.variable):
                return
            stage: LaunchStage = self._state.stage
            if self._state.is_loaded:
                stage = "editing"
            self._update(form=changed, stage=stage, message="")
        if name in {"dataset", "eval_dataset", "after"}:
            self._run_in_background(self._inspect_datasets)

    def press(self, button: str) -> None:
        """Do what a button does.

        Args:
            button: launch, insert (or back, while a launch waits to be confirmed), fix, sample,
                load or save, which open a question that dialog answers and cancel closes, close, or
                a part to unfold or to fold.
        """
        actions: dict[str, Callable[[], object]] = {
            "launch": self._press_launch,
            "insert": self._insert_code,
            "fix": self._apply_fix,
            "sample": self._choose_sample,
            "load": partial(self._update, dialog="load", message=""),
            "save": partial(self._update, dialog="save", message=""),
            "dialog": self._answer_dialog,
            "cancel": partial(self._update, dialog="", message=""),
            "close": self.close,
            **{key: partial(self._update, unfolded=self._state.unfolded ^ {key}) for key in FOLDS},
        }
        with self._lock:
            if self._state.stage == "launching":
                return
            try:
                actions[button]()
            except QianfanError as error:
                self._update(message=format_error(error), is_error=True)

    def close(self) -> None:
        """Replace the form's widget with its content."""
        if self._live is not None:
            self._live.finish(self.state)
        self._close_widget()

    def _ipython_display_(self) -> None:
        self.show()

    def __repr__(self) -> str:
        return f"<Launcher {self.state.form.draft.model}: show() opens the form>"

    def _build(self) -> Any:
        self.widget = LauncherWidget(self._change, self.press)
        return self.widget.root

    def _draw(self, _: Any, state: LauncherState) -> None:
        if self.widget is not None:
            self.widget.draw(state)

    def _overwrite(self) -> None:
        """Write the values of the next state into the fields."""
        if self.widget is not None:
            self.widget.overwrite = True

    def _close_widget(self) -> None:
        widget = self.widget
        self.widget = None
        if widget is not None:
            widget.close()

    def _move_focus(self, button: str) -> None:
        if self.widget is not None:
            self.widget.focus(button)

    def _update(self, **changes: Any) -> None:
        with self._lock:
            self._state = state = replace(self._state, **changes)
        if self._live is not None:
            self._live.update(state)

    def _run_in_background(self, task: Callable[[], object]) -> None:
        """Run a blocking task on a thread, in the context of the cell that shows the form."""
        self._context.copy().run(event_loop.submit, asyncio.to_thread(task))

    def _open_form(self) -> None:
        """Load the choices, then renew the fallback once: a later renewal would take the focus from
        a field.
        """
        self._load_choices()
        if self._live is not None:
            self._live.renew()
        self._context.copy().run(event_loop.submit, self._watch_files())

    async def _watch_files(self) -> None:
        """Look up the data again whenever their files have changed, while the form is open."""
        while self.widget is not None and self.trainer is None:
            await asyncio.sleep(FILE_POLL_S)
            times = self._file_times().items()
            if any(self._inspected.get(source, time_ns) != time_ns for source, time_ns in times):
                await asyncio.to_thread(self._inspect_datasets, again=True)

    def _file_times(self) -> dict[str, int]:
        """Return when the files of the form were changed, 0 for what is no file."""
        times: dict[str, int] = {}
        for source in self._state.form.draft.sources:
            times[source] = 0
            with contextlib.suppress(OSError, ValueError):
                times[source] = Path(source).expanduser().stat().st_mtime_ns
        return times

    def _load_choices(self) -> None:
        """Ask the platform which models can be tuned, and inspect the data; a list is not
        required.
        """
        self._update(stage="loading", message="")
        try:
            supported_models = read_offer(must_answer=True)
            platform = connect.current_platform().name
        except QianfanError as error:
            message = format_error(error, tr("The platform gives no answer."))
            self._update(stage="unavailable", message=message)
            return
        with self._lock:
            form = replace(
                self._state.form,
                supported_models=supported_models,
                from_sandbox=platform == "sandbox",
            )
            model = form.draft.model
            form = form.with_choice(model=default_model() if model == DEFAULT_MODEL else model)
            files = tuple(list_data_files(self._folder))
            configurations = drafts.list_configurations()
            self._update(form=form, stage="editing", files=files, configurations=configurations)
        self._inspect_datasets()

    def _inspect_datasets(self, *, again: bool = False) -> None:
        """Look up the data of the form that are not there yet, or all of them again."""
        times = self._file_times()
        self._inspected = times if again else times | self._inspected
        variables = self._list_variables()
        data = {name: value for name, value in variables.items() if is_data(value)}
        datasets = inspect_sources(self.state.form, data, again=again)
        with self._lock:
            form = self._state.form
            self._update(
                form=replace(
                    form, taken_names=frozenset(variables), datasets={**form.datasets, **datasets}
                ),
                variables=frozenset(data),
            )

    def _apply_fix(self) -> None:
        """Give the first wrong field a value that is allowed."""
        self._overwrite()
        _, values = first_fix(self._state)
        self._update(form=self._state.form.with_choice(**values), message="")
        self._run_in_background(self._inspect_datasets)

    def _choose_sample(self) -> None:
        """Write the sample rows beside the notebook, and choose them."""
        write_samples(self._folder)
        self._update(files=tuple(list_data_files(self._folder)))
        self.choose("dataset", (self._folder / TRAIN_FILE).as_posix())

    def _answer_dialog(self) -> None:
        """Load or save the settings whose name is typed."""
        if self.widget:
            name = self.widget.configuration
        else:
            name = ""
        closed: dict[str, Any] = {"is_error": False, "dialog": ""}
        if self._state.dialog == "save":
            drafts.save(name, self._state.form.draft)
            message = tr("Saved: {name}", name=name.strip())
            names = drafts.list_configurations()
            self._update(message=message, configurations=names, **closed)
        elif self._state.dialog == "load":
            draft = drafts.load(name)
            self._overwrite()
            form = self._state.form.with_draft(draft)
            message = tr("Loaded: {name}", name=name.strip())
            if dropped := listed(draft.values.keys() - form.draft.values.keys()):
                message += "\n" + tr("The model has no {names}; left out.", names=dropped)
            self._update(form=form, stage="editing", message=message, **closed)
            self._run_in_background(self._inspect_datasets)

    def _insert_code(self) -> None:
        """Put the cell below; while a launch waits to be confirmed, the button leads back to the
        form.
        """
        if self._state.stage == "confirming":
            self._update(stage="editing", message="")
            self._move_focus("launch")
            return
        code = render_code(self._state.form, self._state.variables)
        if self._insert_cell is not None and code:
            self._insert_cell(code)
            message = tr("Ready: it appears below the next cell that runs.")
            self._update(message=message, is_error=False)

    def _press_launch(self) -> None:
        """Launch at the second click; the first one only asks for it."""
        state = self._state
        now = time.monotonic()
        if state.stage == "unavailable":
            self._run_in_background(self._open_form)
        elif state.stage == "editing" and not find_issues(state.form):
            self._confirming_since = now
            self._update(stage="confirming", message="", same_run="")
            # which leads back: nothing starts by a key that is held down
            self._move_focus("insert")
            self._run_in_background(self._look_for_same_run)
        elif state.stage == "confirming" and now - self._confirming_since <= DOUBLE_CLICK_S:
            self._confirming_since = now
        elif state.stage == "confirming":
            self._update(stage="launching", message="")
            self._run_in_background(self._launch)

    def _look_for_same_run(self) -> None:
        """Name the run that this one would repeat, while the launch waits to be confirmed."""
        form = self.state.form
        run_id = find_same_run(form)
        with self._lock:
            self._update(same_run=run_id if self._state.form == form else "")

    def _launch(self) -> None:
        """Start the training of the form as it is, with the data as they are now."""
        try:
            self._inspect_datasets(again=True)
            form = self.state.form
            self.trainer = trainer = create_trainer(form)
            trainer.name_by_default(form.variable)
            trainer.start()
        except (QianfanError, OSError) as error:
            message = format_error(error, tr("The training could not be started."))
            self._update(stage="editing", message=message, is_error=True)
            return
        self._keep(form.variable, trainer)
        if self._live is not None:
            self._live.replace_with(lambda: self._on_launch(trainer))
        self._close_widget()

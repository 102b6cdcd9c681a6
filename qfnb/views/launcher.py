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

from .. import connect
from ..dataset import Dataset
from ..errors import QianfanError
from ..resources.finetune import FineTune
from ..trainer import LLMFinetune
from ..trainer import launch_code as codes
from ..trainer import launch_saved as saved
from ..trainer.launch import Form
from ..trainer.launch_data import look, nearby
from ..trainer.launch_estimate import paces
from ..transport import portal
from .display import Live, publish
from .launcher_desk import Desk
from .launcher_fields import others_read
from .launcher_text import Sheet, bundle
from .training import TrainingPanel

DOUBLE: Final = 0.4
"""Seconds within which a second click is a double click, or a key that is held, and confirms nothing."""

INSERTED: Final = "已备好：运行任一单元格后出现在其下方 / ready: it appears below the next cell that runs"


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
        named: Callable[[], Mapping[str, Dataset]] = dict,
        folder: Path | None = None,
        insert: Callable[[str], object] | None = None,
        launched: Callable[[LLMFinetune], object] | None = None,
    ) -> None:
        self.trainer: LLMFinetune | None = None
        self._named, self._folder = named, folder or Path()
        self._insert, self._launched = insert, launched
        self._lock = threading.RLock()
        self._sheet = Sheet(Form().choosing(dataset=data))
        self._live: Live | None = None
        self._desk: Desk | None = None
        self._confirming_since = 0.0
        self._context = contextvars.copy_context()
        self._buttons = {
            "load": self._load,
            "save": self._save,
            "launch": self._press_launch,
            "insert": self._cell,
            "close": self.close,
        }

    @property
    def sheet(self) -> Sheet:
        """The form as it is, as a value."""
        with self._lock:
            return self._sheet

    def show(self) -> None:
        """Show the form in the current cell; where nobody can fill it in, what it says.

        One that was launched is its training's panel.
        """
        if self.trainer is not None:
            self._show_trainer(self.trainer)
            return
        self._context = contextvars.copy_context()
        if self._live is not None:
            self._live.discard()
        self._release()
        self._live = live = Live(self.sheet, widget=self._build, draw=self._draw, final=bundle)
        if live.mode == "live":
            self._background(self._ask)
        else:
            self._ask()
            publish(bundle(self.sheet))

    def choose(self, name: str, value: Any) -> None:
        """Change a field, as typing into it does."""
        with self._lock:
            form = self._sheet.form
            if name == "others":
                changes: dict[str, Any] = {"values": {**form.draft.values, **others_read(form, value)}}
            elif name in type(form.draft).model_fields:
                changes = {name: value}
            else:
                changes = {
                    "values": {**form.draft.values, name: [*value] if isinstance(value, tuple) else value}
                }
            if all(getattr(form.draft, key) == new for key, new in changes.items()):
                return
            self._put(form=form.choosing(**changes), stage="editing", message="")
        if name in {"dataset", "eval_dataset"}:
            self._background(partial(self._look, value))

    def press(self, button: str) -> None:
        """Do what a button does."""
        with self._lock:
            if self._sheet.stage != "launching":
                self._buttons[button]()

    def close(self) -> None:
        """Leave what the form says in its place, without a widget."""
        if self._live is not None:
            self._live.finish(self.sheet)
        self._release()

    def _ipython_display_(self) -> None:
        self.show()

    def __repr__(self) -> str:
        draft = self.sheet.form.draft
        return f"<Launcher {draft.model} on {draft.dataset or 'no dataset yet'}: show() opens the form>"

    def _build(self) -> Any:
        self._desk = Desk(self.choose, self.press)
        return self._desk.root

    def _draw(self, _: Any, sheet: Sheet) -> None:
        if self._desk is not None:
            self._desk.draw(sheet)

    def _put(self, **changes: Any) -> None:
        with self._lock:
            self._sheet = sheet = replace(self._sheet, **changes)
        if self._live is not None:
            self._live.update(sheet)

    def _background(self, work: Callable[[], object]) -> None:
        """Do something that may take a while, in the name of the cell that shows the form."""
        self._context.copy().run(portal.submit, asyncio.to_thread(work))

    def _ask(self) -> None:
        """Ask the platform what can be tuned, and look at the data."""
        self._put(stage="asking", message="")
        named = self._named()
        try:
            offer = tuple(FineTune.V2.supported_models().data)
            platform = connect.current_platform().name
            known = paces(platform)
        except QianfanError as error:
            self._put(stage="unanswered", message=_told("平台没有应答 the platform tells nothing", error))
            return
        with self._lock:
            form = replace(self._sheet.form, offer=offer, paces=known, from_sandbox=platform == "sandbox")
            form = form if form.draft.values else form.choosing(model=form.draft.model)
            around = {"variables": frozenset(named), "files": tuple(nearby(self._folder))}
            self._put(form=form, stage="editing", configurations=_configurations(), **around)
        for source in {form.draft.dataset, form.draft.eval_dataset} - {""}:
            self._look(source)

    def _look(self, source: str) -> None:
        found = look(source, self._named())
        with self._lock:
            form = self._sheet.form
            variables = frozenset(self._named())
            self._put(form=replace(form, data={**form.data, source: found}), variables=variables)

    def _load(self) -> None:
        try:
            draft = saved.load(self._typed())
        except QianfanError as error:
            self._put(message=_told("", error))
            return
        if self._desk is not None:
            self._desk.overwrite = True
        form = self._sheet.form.holding(draft)
        lost = ", ".join(draft.values.keys() - form.draft.values.keys())
        said = f"已载入 loaded: {self._typed()}" + (f"；该模型没有 not of this model: {lost}" if lost else "")
        self._put(form=form, stage="editing", message=said)
        for source in {draft.dataset, draft.eval_dataset} - {""}:
            self._background(partial(self._look, source))

    def _save(self) -> None:
        try:
            saved.save(self._typed(), self._sheet.form.draft)
        except QianfanError as error:
            self._put(message=_told("", error))
            return
        self._put(message=f"已保存 saved: {self._typed()}", configurations=_configurations())

    def _typed(self) -> str:
        return self._desk.configuration if self._desk is not None else ""

    def _cell(self) -> None:
        if (script := codes.code(self._sheet.form, self._sheet.variables)) and self._insert is not None:
            self._insert(script)
            self._put(message=INSERTED)

    def _press_launch(self) -> None:
        """Begin at the second click; the first one only asks for it."""
        sheet, now = self._sheet, time.monotonic()
        if sheet.stage == "unanswered":
            self._background(self._ask)
        elif sheet.stage == "editing" and not sheet.form.issues:
            self._confirming_since = now
            self._put(stage="confirming", message="")
        elif sheet.stage == "confirming" and now - self._confirming_since <= DOUBLE:
            self._confirming_since = now
        elif sheet.stage == "confirming":
            self._put(stage="launching", message="")
            self._background(self._launch)

    def _launch(self) -> None:
        """Start the training of the form as it is, with the data as they are now."""
        try:
            draft = self.sheet.form.draft
            for source in {draft.dataset, draft.eval_dataset} - {""}:
                self._look(source)
            trainer = codes.trainer(self.sheet.form).start()
        except (QianfanError, OSError) as error:
            self._put(stage="editing", message=_told("未能启动 could not be started", error))
            return
        self.trainer = trainer
        if self._live is not None:
            self._live.give_way(lambda: self._show_trainer(trainer))
        self._release()

    def _show_trainer(self, trainer: LLMFinetune) -> None:
        if self._launched is not None:
            self._launched(trainer)
        else:
            TrainingPanel(trainer).show()

    def _release(self) -> None:
        """Close what is not shown any more."""
        desk, self._desk = self._desk, None
        if desk is not None:
            desk.close()


def _configurations() -> tuple[str, ...]:
    return (*saved.names(), *saved.past())


def _told(what: str, error: Exception) -> str:
    """Return an error as two or three lines: what it is and what to do."""
    lines = str(error).splitlines() or [type(error).__name__]
    return "\n".join([f"✘ {what}: {lines[0]}" if what else f"✘ {lines[0]}", *lines[1:3]])

"""The state of the launch form: what is filled in, how far it is, and which parts are open."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

from ...base.language import tr_noop
from ...trainer.form.launch_form import LaunchForm
from ...trainer.form.validation import find_issues
from ...wire.finetune import SFT
from .fields import Field, list_fields

LaunchStage = Literal["loading", "unavailable", "editing", "confirming", "launching"]
Dialog = Literal["", "load", "save"]

FOLDS: Final = {
    "advanced": tr_noop("Advanced settings"),
    "preview": tr_noop("The first rows"),
    "python": tr_noop("The same in Python"),
}


@dataclass(frozen=True)
class LauncherState:
    """A form and how far it is.

    Attributes:
        stage: loading the choices, unavailable without them, editing, confirming a launch, or
            launching.
        message: the result of the last click.
        is_error: whether the message says that something failed.
        same_run: the id of a run with the same data, model and settings, while a launch waits to be
            confirmed.
        dialog: the question that is open: which settings to load or under which name to save them.
        unfolded: the keys of `FOLDS` that are open.
        variables: names of the notebook's variables that hold data.
        configurations: names of drafts and past runs that can be loaded.
        files: data files beside the notebook.
    """

    form: LaunchForm = field(default_factory=LaunchForm)
    stage: LaunchStage = "loading"
    message: str = ""
    is_error: bool = False
    same_run: str = ""
    dialog: Dialog = ""
    unfolded: frozenset[str] = frozenset()
    variables: frozenset[str] = frozenset()
    configurations: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    @property
    def is_loaded(self) -> bool:
        """Whether the choices are there, so that the form can be filled in."""
        return self.stage not in {"loading", "unavailable"}

    @property
    def has_issues(self) -> bool:
        """Whether something is wrong or missing, so that it cannot be launched."""
        return bool(find_issues(self.form))

    @property
    def offers_sample(self) -> bool:
        """Whether the sample rows are offered: nothing is chosen, and they fit the method."""
        draft = self.form.draft
        return self.stage == "editing" and not draft.dataset.strip() and draft.mode == SFT

    @property
    def fields(self) -> list[Field]:
        """The fields of the form."""
        return list_fields(self.form, (*sorted(self.variables), *self.files))

"""Labels in a notebook: a question with its answers, keys and buttons; static when it is
finished.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from importlib.resources import files
from typing import Any, Final

from ...base.language import tr, tr_noop
from ...base.text import listed
from ...evaluation import Card, EvaluationResult, Matrix
from ...evaluation.labels import Labels, LabelTask
from ...evaluation.report.sources import sandbox_mark
from ...evaluation.report.text import redact_text, to_plain
from .. import components
from ..display import Bundle, accept_clicks
from ..formats import without_formulas
from ..panel import Controlled, PanelWidgets, set_class
from .questions import Answer, question_html
from .sample_browser import report_of

MAX_CHARS: Final = 4000  # characters of an answer that are shown
HOW: Final = tr_noop("Click here, then type the letters. Each label is stored at once.")
WORDS: Final = {
    "a": tr_noop("A is better"), "b": tr_noop("B is better"), "tie": tr_noop("Tie"),
    "skip": tr_noop("Skip"),
    "right": tr_noop("Right"), "wrong": tr_noop("Wrong"),
}  # fmt: skip
KEYS: Final = {"tie": "t", "skip": "s", "right": "r", "wrong": "w", "10": "x"}
"""Keys of the words that are longer than a letter; `z` takes the last label back, `p` goes to the
previous question.
"""


def label(report: EvaluationResult | Card | Matrix, **options: Any) -> LabelPanel:
    """Put a report's answers before a person, blind; as the last value of a cell it shows itself.

    Labels are stored at once, and the same call goes on where it was, in a new kernel too. Without
    a front end: `labels.next()`, `labels.add("a")`. Then `labels.to_dpo()`, `labels.agreement()`,
    `labels.to_frame()`.

    Args:
        report: a report, the card or the matrix of one.
        **options: of `Labels`: `base`, `tuned`, `rows`, `person`, `seed`.

    Raises:
        InvalidArgumentError: an option is wrong, or nothing can be labelled.
    """
    if isinstance(report, Card):
        options = {"base": report.base, "tuned": report.tuned, **options}
    return LabelPanel(report_of(report), **options)


@dataclass(frozen=True)
class LabelState:
    """How far a person is: the question that is due, None when all are labelled."""

    task: LabelTask | None
    done: int
    total: int


class LabelPanel(Labels, Controlled):
    """Labels with a panel in the notebook."""

    def next(self) -> LabelTask | None:  # noqa: D102
        task = super().next()
        if self._live is not None:
            self._live.update(self._state(task))
        return task

    def show(self) -> None:
        """Display the panel in the current cell; an earlier display of it becomes static."""
        self.close()
        self._open(self._state(super().next()), LabelControls(self), partial(bundle, self))

    def close(self) -> None:
        """Replace the panel by a static output; the labels stay."""
        self._finish(self._state(super().next()))

    def _state(self, task: LabelTask | None) -> LabelState:
        return LabelState(task, self.done, self.total)


class LabelControls:
    """The widgets; handlers run in any thread."""

    def __init__(self, labels: LabelPanel) -> None:
        self._labels = labels

    def build(self) -> Any:
        """Return the widget: progress, question, a button for each word, and what takes a step
        back.
        """
        widgets = PanelWidgets()
        labels = self._labels
        self._head = widgets.html()
        self._question = widgets.html()
        self._words = {}
        for word in labels.words:
            if word in WORDS:
                name = f"{tr(WORDS[word])} ({_key(word)})"
            else:
                name = word
            self._words[word] = widgets.button(name, partial(self._press, word))
        tooltip = tr("takes the last label back")
        self._undo = widgets.button(tr("Undo (Z)"), lambda _: labels.undo(), tooltip=tooltip)
        self._back = widgets.button(tr("Previous (P)"), lambda _: labels.back())
        tooltip = tr("the labels are stored already")
        finish = widgets.button(tr("Finish"), lambda _: labels.close(), tooltip=tooltip)
        letters = [*(_key(word).lower() for word in labels.words), "z", "p"]
        self._keys = _keys_class()(letters=letters, label=tr("Labels by keyboard"))
        self._keys.on_msg(self._on_key)
        self._controls = [*self._words.values(), self._undo, self._back, finish, self._keys]
        rows = [
            widgets.row([*self._words.values()]),
            widgets.row([self._undo, self._back, finish]),
            widgets.box("qf-hide", [self._keys]),
        ]
        return widgets.panel([self._head, self._question, *rows])

    def draw(self, state: LabelState) -> None:
        """Show a state."""
        task = state.task
        # before the head: who sees that may type
        if task:
            self._keys.item = str(task.index)
        else:
            self._keys.item = ""
        self._head.value = components.stack(*head(self._labels, state, how=tr(HOW)))
        if task:
            content = _task_html(task)
        else:
            findings = " ".join(_findings(self._labels))
            content = components.note("ok", tr("All questions are labelled."), findings)
        self._question.value = without_formulas(redact_text(components.stack(content)))
        for word, button in self._words.items():
            button.disabled = task is None
            set_class(button, "qf-main", bool(task and word == task.label))
        self._undo.disabled = self._back.disabled = not state.done
        for control in self._controls:
            accept_clicks(control)

    def _press(self, word: str, _: Any) -> None:
        if self._labels.next() is not None:
            self._labels.add(word)

    def _on_key(self, _: Any, content: Mapping[str, Any], __: Any) -> None:
        """Take a key that was pressed while the question that is due was on the screen."""
        key = content.get("key")
        due = self._labels.next()
        if key == "z":
            self._labels.undo()
        elif key == "p":
            self._labels.back()
        elif due is not None and content.get("item") == str(due.index):
            for word in self._labels.words:
                if _key(word).lower() == key:
                    self._labels.add(word)


def bundle(labels: Labels, state: LabelState) -> Bundle:
    """Return the labels so far in every format, static; which model they favour only when all are
    there.
    """
    lines = [
        tr("The labels are stored; the same cell goes on. They stay blind until all are there.")
    ]
    if state.task is None:
        lines = _findings(labels)
    count = tr("Labels: {done} of {n}", done=state.done, n=state.total)
    page = components.panel_output(
        tr("Labels"), components.stack(*head(labels, state)), components.dim_lines(*lines)
    )
    return {"text/plain": "\n".join([count, *lines]), "text/html": redact_text(page)}


def head(labels: Labels, state: LabelState, *, how: str = "") -> list[components.Html]:
    """Return the title with the progress, and how to label where one can."""
    title = tr("How good is the answer?")
    pill = components.Html()
    if labels.kind == "pair":
        title = tr("Which answer is better?")
    if state.task is None:
        title = tr("Labels")
        how = ""
        pill = components.pill("ok", tr("All labelled"))
    mark = to_plain(sandbox_mark(labels.report))
    words = tr("{done} of {n}", done=state.done, n=state.total)
    bar = components.progress_bar(state.done, state.total, words)
    return [components.header(title, pill=pill, subtitle=how, mark=mark), bar]


def _task_html(task: LabelTask) -> components.Html:
    answers = [Answer(tr("Answer"), 1, task.a)]
    if task.b:
        answers = [Answer("A", 1, task.a), Answer("B", 2, task.b)]
    return question_html(task.index, task.prompt, task.reference, answers, max_chars=MAX_CHARS)


def _findings(labels: Labels) -> list[str]:
    """Return the verdicts of the labels of all people, and how far the judge agrees."""
    models = dict(zip(("first", "second"), labels.models, strict=True))
    lines = []
    if labels.kind == "pair":
        counts = []
        for key, n in labels.counts().items():
            counts.append(f"{models.get(key) or tr(WORDS.get(key, key))} {n:,}")
        lines.append(tr("Preferred: {counts}.", counts=listed(counts)))
    lines += [repr(labels.agreement(metric)) for metric in labels.report.judges]
    return [*map(to_plain, lines)]


def _key(word: str) -> str:
    return KEYS.get(word, word).upper()


@cache
def _keys_class() -> type[Any]:
    import anywidget  # noqa: PLC0415 - only for a widget
    import traitlets  # noqa: PLC0415

    class LabelKeys(anywidget.AnyWidget):
        """Sends the letters that are typed; `item` is the question that is on the screen."""

        _esm = files(__package__).joinpath("labels.js").read_text(encoding="utf-8")
        letters: Any = traitlets.List().tag(sync=True)
        item = traitlets.Unicode().tag(sync=True)
        label = traitlets.Unicode().tag(sync=True)

    return LabelKeys

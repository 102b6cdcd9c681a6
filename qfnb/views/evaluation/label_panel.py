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
from ...evaluation import Card, EvaluationResult, Matrix
from ...evaluation.labels import Labels, LabelTask
from ...evaluation.report.sources import sandbox_mark
from ...evaluation.report.text import redact_text, to_plain
from .. import components
from ..controls import PanelWidgets
from ..display import Bundle, LiveOutput, accept_clicks
from ..text import without_formulas
from .questions import Answer, QuestionRow
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


def label(report: EvaluationResult | Card[Any] | Matrix[Any], **options: Any) -> LabelPanel:
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
        models = {"base": report.base, "tuned": report.tuned}
    else:
        models = {}
    return LabelPanel(report_of(report), **{**models, **options})


@dataclass(frozen=True)
class LabelState:
    """How far a person is: the question that is due, None when all are labelled."""

    task: LabelTask | None
    done: int
    total: int
    note: str = ""


class LabelPanel(Labels):
    """Labels with a panel in the notebook."""

    _live: LiveOutput | None = None
    _controls: LabelControls | None = None

    def next(self) -> LabelTask | None:  # noqa: D102
        task = super().next()
        if self._live is not None:
            self._live.update(self._state(task))
        return task

    def show(self) -> None:
        """Display the panel in the current cell; an earlier display of it becomes static."""
        self.close()
        controls = LabelControls(self)
        state = self._state(super().next())
        final = partial(bundle, self)
        draw = lambda _, new: controls.draw(new)  # noqa: E731 - one expression
        self._live = live = LiveOutput(
            state, widget=controls.build, draw=draw, final=final, go_on=None
        )
        if live.mode != "live":
            self._live = None
            live.finish(state)

    def close(self) -> None:
        """Replace the panel by a static output; the labels stay."""
        live = self._live
        self._live = None
        if live is not None:
            live.finish(self._state(super().next()))

    def _state(self, task: LabelTask | None) -> LabelState:
        return LabelState(task, self.done, self.total)

    def _ipython_display_(self) -> None:
        self.show()


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
        self._words = {
            word: widgets.button(_button_label(word), partial(self._press, word))
            for word in labels.words
        }
        self._undo = widgets.button(
            tr("Undo (Z)"), lambda _: labels.undo(), tooltip=tr("takes the last label back")
        )
        self._back = widgets.button(tr("Previous (P)"), lambda _: labels.back())
        self._finish = widgets.button(
            tr("Finish"), lambda _: labels.close(), tooltip=tr("the labels are stored already")
        )
        self._keys = _keys_class()(
            letters=[*(_key(word).lower() for word in labels.words), "z", "p"],
            label=tr("Labels by keyboard"),
        )
        self._keys.on_msg(self._on_key)
        rows = [
            widgets.row([*self._words.values()]),
            widgets.row([self._undo, self._back, self._finish]),
        ]
        return widgets.panel(
            [self._head, self._question, *rows, widgets.box("qf-hide", [self._keys])]
        )

    def draw(self, state: LabelState) -> None:
        """Show a state."""
        task = state.task
        # before the head: who sees that may type
        if task is None:
            self._keys.item = ""
        else:
            self._keys.item = str(task.index)
        self._head.value = head(self._labels, state, how=tr(HOW))
        self._question.value = without_formulas(
            redact_text(_task_html(task) if task else _done_note(self._labels))
        )
        for word, button in self._words.items():
            button.disabled = task is None
            (button.add_class if task and word == task.label else button.remove_class)("qf-main")
        self._undo.disabled = self._back.disabled = not state.done
        for control in (*self._words.values(), self._undo, self._back, self._finish, self._keys):
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
            word = next((word for word in self._labels.words if _key(word).lower() == key), None)
            if word is not None:
                self._labels.add(word)


def bundle(labels: Labels, state: LabelState) -> Bundle:
    """Return the labels so far in every format, static; which model they favour only when all are
    there.
    """
    lines = [
        to_plain(tr("Labels: {done} of {n}", done=state.done, n=state.total)),
        *_result_lines(labels, state),
    ]
    content = components.panel(tr("Labels"), head(labels, state), components.dim_lines(*lines[1:]))
    return {"text/plain": "\n".join(lines), "text/html": redact_text(components.output(content))}


def head(labels: Labels, state: LabelState, *, how: str = "") -> components.Html:
    """Return the title with the progress, and how to label where one can."""
    is_done = state.task is None
    pill = components.pill("ok", tr("All labelled")) if is_done else ""
    if labels.kind == "pair":
        question = tr("Which answer is better?")
    else:
        question = tr("How good is the answer?")
    if is_done:
        title = tr("Labels")
    else:
        title = question
    bar = components.progress_bar(
        state.done, state.total, tr("{done} of {n}", done=state.done, n=state.total)
    )
    header = components.header(
        title,
        pill=pill,
        subtitle="" if is_done else how,
        mark=to_plain(sandbox_mark(labels.report)),
    )
    return components.stack(header, bar)


def _task_html(task: LabelTask) -> components.Html:
    answers = [Answer(tr("Answer"), 1, task.a)]
    if task.b:
        answers = [Answer("A", 1, task.a), Answer("B", 2, task.b)]
    return components.stack(
        QuestionRow(
            task.index, task.prompt, task.reference, answers, components.Html(""), MAX_CHARS
        ).html()
    )


def _done_note(labels: Labels) -> components.Html:
    return components.stack(
        components.note("ok", tr("All questions are labelled."), " ".join(_findings(labels)))
    )


def _result_lines(labels: Labels, state: LabelState) -> list[str]:
    if state.task is not None:
        return [
            tr("The labels are stored; the same cell goes on. They stay blind until all are there.")
        ]
    return _findings(labels)


def _findings(labels: Labels) -> list[str]:
    """Return the verdicts of the labels of all people, and how far the judge agrees."""
    counts = labels.counts()
    models = dict(zip(("first", "second"), labels.models, strict=True))
    parts = [f"{models.get(key) or tr(WORDS.get(key, key))} {n:,}" for key, n in counts.items()]
    if labels.kind == "pair":
        lines = [to_plain(tr("Preferred: {counts}.", counts=tr(", ").join(parts)))]
    else:
        lines = []
    return [*lines, *(to_plain(repr(labels.agreement(metric))) for metric in labels.report.judges)]


def _button_label(word: str) -> str:
    if word in WORDS:
        return f"{tr(WORDS[word])} ({_key(word)})"
    return word


def _key(word: str) -> str:
    return KEYS.get(word, word).upper()


@cache
def _keys_class() -> type[Any]:
    import anywidget  # noqa: PLC0415 - only for a widget
    import traitlets  # noqa: PLC0415

    script = files(__package__).joinpath("labels.js").read_text(encoding="utf-8")
    traits = {
        "letters": traitlets.List().tag(sync=True),
        "item": traitlets.Unicode().tag(sync=True),
        "label": traitlets.Unicode().tag(sync=True),
    }
    return type(
        "LabelKeys", (anywidget.AnyWidget,), {"_esm": script, "__module__": __name__, **traits}
    )

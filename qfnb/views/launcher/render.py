"""The launch form as HTML, Markdown and text: its header, the estimate, what is wrong, the same as
Python.
"""

from __future__ import annotations

from typing import Final

from ...base.language import tr, tr_noop, trn
from ...base.text import approximate_duration, listed
from ...dataset.samples import TRAIN_FILE
from ...trainer.form.code_estimate import Estimate, estimate_launch, render_code
from ...trainer.form.launch_form import is_blank
from ...trainer.form.validation import find_issues, find_warnings
from .. import components, dataset, formats, markdown
from ..components import Html, Kind
from ..display import Bundle
from ..formats import dotted, escape, strip_controls
from ..panel import field_label
from .fields import FINAL_STEPS, FOLDS, Field, LauncherState, field_title, fix_label, method_title

TITLE: Final = tr_noop("New fine-tuning")
LOADING: Final = tr_noop("Asking the platform which models can be tuned…")
SAMPLE: Final = tr_noop("Sample rows: `%qftrain sample`, then `%qftrain new {file}`")
PYTHON_HEADING: Final = tr_noop("The same in Python")


def bundle(state: LauncherState) -> Bundle:
    """Return the form in every format, to be read and not filled in: the values, the estimate, what
    is wrong, and the same as Python.
    """
    if not state.is_loaded:
        return components.bundle(tr(TITLE), header(state), waiting(state))
    form = state.form
    notes = []
    for name, issue in find_issues(form).items():
        kind: Kind = "bad"
        if issue.is_hint:
            kind = "idle"
        notes.append(_field_note(state, kind, name, issue.message))
    for name, text in find_warnings(form).items():
        notes.append(_field_note(state, "warn", name, text, sign="⚠︎"))
    blocks = [
        header(state),
        components.facts(*_values(state)),
        *notes,
        _python_fold(state),
        numbers(state),
        message(state),
    ]
    forms = components.bundle(tr(TITLE), *blocks)
    if state.offers_sample:
        forms["text/plain"] += f"\n{tr(SAMPLE, file=TRAIN_FILE)}"
    return forms


def _field_note(state: LauncherState, kind: Kind, name: str, text: str, *, sign: str = "") -> Html:
    title = f"{field_title(state.form, name)}{tr(': ')}"
    return components.note(kind, title, text, sign=sign)


def _python_fold(state: LauncherState) -> Html:
    script = render_code(state.form, state.variables)
    if not script:
        return Html()
    fold = components.folds((tr(PYTHON_HEADING), "", python_code(state)))
    return Html(fold, f"\n{tr(PYTHON_HEADING)}\n{strip_controls(script)}\n")


def header(state: LauncherState) -> Html:
    """Return the title of the form, where it would train, and the state while nothing can be filled
    in.
    """
    pills = {
        "loading": ("idle", tr("Loading")),
        "unavailable": ("bad", tr("No answer")),
        "launching": ("run", tr("Starting")),
    }
    pill = components.pill(*pills[state.stage]) if state.stage in pills else ""  # type: ignore[arg-type]
    is_sandbox = state.form.from_sandbox
    if is_sandbox:
        where = tr("on this computer")
    else:
        where = tr("on the Qianfan platform")
    return components.header(tr(TITLE), pill=pill, subtitle=where, is_sandbox=is_sandbox)


def waiting(state: LauncherState) -> Html:
    """Return the remark of a form without choices: they are asked for, or why there are none."""
    if state.stage == "loading":
        return components.dim_lines(tr(LOADING))
    first, _, remainder = state.message.partition("\n")
    return components.note("bad", first, remainder, sign="✕", role="alert")


def numbers(state: LauncherState) -> Html:
    """Return the estimate: rows, steps, time and price."""
    estimate = estimate_launch(state.form)
    steps = estimate.steps
    cells = []
    if estimate.train_rows is not None:
        remarks = [_held_out_remark(state), _token_remark(estimate)]
        rows = trn("{n} row", "{n} rows", estimate.train_rows)
        cells.append((tr("Trains on"), rows, dotted(*remarks)))
    if steps is not None:
        formula = f"{estimate.train_rows:,} × {estimate.epochs} ÷ {estimate.batch}"
        cells.append((tr("Training steps"), f"{steps:,}", formula))
    if estimate.seconds is not None:
        remark = tr("at this computer's present speed")
        cells.append((tr("Time"), f"≈ {approximate_duration(estimate.seconds)}", remark))
    if estimate.is_free:
        where = tr("local sandbox")
    else:
        where = tr("see the platform's console")
    price = formats.cost(None, is_free=estimate.is_free)
    return components.key_numbers(*cells, (tr("Price"), price, where))


def python_code(state: LauncherState) -> Html:
    """Return the cell that does the same as a launch, in colours; why there is none where there is
    none.
    """
    script = render_code(state.form, state.variables)
    if not script:
        return components.dim_lines(tr("Here it is when nothing is missing and nothing is wrong."))
    return Html(f"<pre><code>{markdown.color_code(script, 'python')}</code></pre>")


def preview(state: LauncherState) -> Html:
    """Return the first rows of the chosen dataset and what is noticeable about them."""
    info = state.form.datasets.get(state.form.draft.dataset)
    if info is not None and info.problem:
        return components.dim_lines(tr("They appear when the training data can be read."))
    if info is None or info.dataset is None:
        return components.dim_lines(tr("Choose training data first."))
    return dataset.rows_html(info.dataset)


def label(item: Field) -> str:
    """Return a field's title, and below the field its hint, or what is wrong with its value."""
    below = escape(item.issue.message if item.issue is not None else item.hint)
    if item.is_wrong:
        below = f'<span class="qf-err"><b aria-hidden="true">✕</b> {below}</span>'
    elif item.warning:
        words = f'<b aria-hidden="true">⚠︎</b> {escape(item.warning)}'
        below = f'<span class="qf-hint qf-warn">{words}</span>'
    elif below:
        below = f'<span class="qf-hint">{below}</span>'
    return field_label(item.title, parameter=item.parameter, below=below)


def fold_label(state: LauncherState, key: str, fields: list[Field]) -> str:
    """Return the words on the button that folds a part of the form."""
    if key != "advanced":
        return tr(FOLDS[key])
    folded = [item for item in fields if item.is_advanced]
    draft = state.form.draft
    typed = [draft.values.get(item.name, getattr(draft, item.name, "")) for item in folded]
    changed = sum(not is_blank(value) for value in typed)
    wrong = sum(item.is_wrong for item in folded)
    facts = [tr(FOLDS[key]), trn("{n} setting", "{n} settings", len(folded))]
    if changed:
        facts.append(trn("{n} changed", "{n} changed", changed))
    else:
        facts.append(tr("all at their defaults"))
    if wrong:
        facts.append(trn("{n} wrong", "{n} wrong", wrong))
    return dotted(*facts)


def is_unfolded(state: LauncherState, key: str, fields: list[Field]) -> bool:
    """Return whether a part is open; one with a value that is wrong, or may be, always is."""
    doubtful = [item for item in fields if item.is_advanced and (item.is_wrong or item.warning)]
    return key in state.unfolded or (key == "advanced" and bool(doubtful))


def launch_label(state: LauncherState) -> str:
    """Return the words on the button that starts the training."""
    if state.stage == "unavailable":
        return tr("Try again")
    if state.stage == "launching":
        return tr("Starting…")
    if state.stage != "confirming":
        return tr("Start training…")
    if state.form.from_sandbox:
        return tr("Confirm: start, free in the sandbox")
    return tr("Confirm: start, price unknown")


def status(state: LauncherState) -> Html:
    """Return the line above the buttons: what to correct or to fill in, what a confirmation means,
    the last result.
    """
    if state.message:
        return message(state)
    form = state.form
    issues = find_issues(form)
    wrong = [name for name, issue in issues.items() if not issue.is_hint]
    titles = listed(field_title(form, name) for name in wrong or issues)
    words = ""
    if state.stage == "confirming":
        words = tr("It goes on when the notebook is closed.")
        if not form.from_sandbox:
            words = tr(
                "It costs money, and goes on when the notebook is closed. The price is on the "
                "platform's console."
            )
        if state.same_run:
            repeated = tr(
                "{run} has the same data, model and settings: `%qftrain show {run}` opens it, and "
                "confirming trains "
                "once more.",
                run=state.same_run,
            )
            words = f"{repeated} {words}"
    elif wrong:
        words = tr("To correct first: {fields}.", fields=titles)
    elif issues:
        words = tr("Still to choose: {fields}.", fields=titles)
    return components.wrap('<div class="qf-sub" role="status">', words, "</div>")


def first_fix(state: LauncherState) -> tuple[str, dict[str, object]]:
    """Return the words on the button that corrects the first wrong field, and the values; ""
    without one.
    """
    for name, issue in find_issues(state.form).items():
        if not issue.is_hint and (words := fix_label(state.form, name, issue)):
            return f"{field_title(state.form, name)}{tr(': ')}{words}", issue.fixes
    return "", {}


def message(state: LauncherState) -> Html:
    """Return the result of the last click, "" without one."""
    first, _, remainder = state.message.partition("\n")
    if not first:
        return Html()
    if state.is_error:
        return components.note("bad", first, remainder, sign="✕", role="alert")
    return components.note("ok", first, remainder, sign="✓", role="status")


def format_error(error: Exception, statement: str = "") -> str:
    """Return an error as two to four lines: what could not be done, what it is and what to do."""
    lines = str(error).splitlines() or [type(error).__name__]
    return "\n".join([*filter(None, [statement]), *lines[:3]])


def _values(state: LauncherState) -> list[tuple[str, str]]:
    """Return the titles and values of the fields that are filled in."""
    rows = []
    for item in state.fields:
        value = item.value
        if item.name == "method":
            value = method_title(value)
        elif item.name == "after":
            value = tr(FINAL_STEPS[value])
        elif isinstance(value, list):
            value = listed(value)
        if str(value).strip():
            if item.parameter:
                title = f"{item.title} ({item.parameter})"
            else:
                title = item.title
            rows.append((title, str(value)))
    return rows


def _held_out_remark(state: LauncherState) -> str:
    """Return how many rows are held out for the validation loss, "" for none."""
    rows = state.form.datasets[state.form.draft.dataset].rows
    held_out = rows * state.form.count("held_out") // 100
    if not held_out:
        return ""
    return trn("{n} row held out", "{n} rows held out", held_out)


def _token_remark(estimate: Estimate) -> str:
    if estimate.tokens is None:
        return ""
    tokens = trn("{n} token", "{n} tokens", estimate.tokens)
    if not estimate.exact:
        tokens = f"≈ {tokens}"
    if estimate.epochs is None:
        return tokens
    return trn("{tokens} × {n} epoch", "{tokens} × {n} epochs", estimate.epochs, tokens=tokens)

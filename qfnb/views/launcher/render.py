"""The launch form as HTML, Markdown and text: its header, the estimate, what is wrong, the same as
Python.
"""

from __future__ import annotations

from typing import Final

from ...base.language import tr, tr_noop, trn
from ...base.text import approximate_duration, labelled
from ...dataset.samples import TRAIN_FILE
from ...trainer.form.code_estimate import Estimate, estimate_launch, render_code
from ...trainer.form.launch_form import is_blank
from ...trainer.form.validation import describe_overlap, find_issues, find_warnings
from .. import components, dataset, formats, markdown
from ..components import Html
from ..controls import field_label
from ..display import Bundle
from ..text import escape, strip_controls
from .fields import FINAL_STEPS, Field, field_title, fix_label, method_title
from .state import FOLDS, LauncherState

TITLE: Final = tr_noop("New fine-tuning")
LOADING: Final = tr_noop("Asking the platform which models can be tuned…")
SAMPLE: Final = tr_noop("Sample rows: `%qftrain sample`, then `%qftrain new {file}`")
PYTHON_HEADING: Final = tr_noop("The same in Python")


def bundle(state: LauncherState) -> Bundle:
    """Return the form in every format, to be read and not filled in."""
    return {"text/plain": text(state), "text/html": html(state)}


def text(state: LauncherState) -> str:
    """Return the form as lines: the values, the estimate, what is wrong, and the same as Python."""
    if state.form.from_sandbox:
        mark = f" [{tr(components.SANDBOX_MARK)}]"
    else:
        mark = ""
    if not state.is_loaded:
        return strip_controls(f"{tr(TITLE)}{mark}\n{state.message or tr(LOADING)}")
    facts = [labelled(title, value) for title, value in _values(state)]
    numbers = [labelled(label, value, remark) for label, value, remark in _numbers(state)]
    script = render_code(state.form, state.variables)
    if script:
        code = ["", tr(PYTHON_HEADING), script]
    else:
        code = []
    lines = [f"  {line}" for line in [*facts, *numbers]]
    if state.offers_sample:
        sample = [tr(SAMPLE, file=TRAIN_FILE)]
    else:
        sample = []
    parts = [
        f"{tr(TITLE)}{mark}",
        *lines,
        *_overlap_lines(state),
        *_issue_lines(state),
        *sample,
        *code,
    ]
    return strip_controls("\n".join([*parts, *filter(None, [state.message])]))


def html(state: LauncherState) -> Html:
    """Return the form as HTML that needs no kernel."""
    if not state.is_loaded:
        return components.output(components.panel(tr(TITLE), header(state), waiting(state)))
    values = "".join(
        f"<dt>{escape(title)}</dt><dd>{escape(value)}</dd>" for title, value in _values(state)
    )
    script = render_code(state.form, state.variables)
    folded = components.folds((tr(PYTHON_HEADING), "", python_code(state))) if script else ""
    issues = components.join(
        components.note(
            "idle" if issue.is_hint else "bad",
            f"{field_title(state.form, name)}{tr(': ')}",
            issue.message,
        )
        for name, issue in find_issues(state.form).items()
    )
    doubts = components.join(
        components.note("warn", f"{field_title(state.form, name)}{tr(': ')}", text, sign="⚠︎")
        for name, text in find_warnings(state.form).items()
    )
    parts = [
        header(state),
        Html(f'<dl class="qf-list">{values}</dl>'),
        warning(state),
        issues,
        doubts,
        folded,
    ]
    body = components.panel(tr(TITLE), *parts, numbers(state), message(state))
    return components.output(body)


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
    if state.form.from_sandbox:
        where = tr("on this computer")
    else:
        where = tr("on the Qianfan platform")
    return components.header(
        tr(TITLE), pill=pill, subtitle=where, is_sandbox=state.form.from_sandbox
    )


def waiting(state: LauncherState) -> Html:
    """Return the remark of a form without choices: they are asked for, or why there are none."""
    if state.stage == "loading":
        return components.dim_lines(tr(LOADING))
    first, _, remainder = state.message.partition("\n")
    return components.note("bad", first, remainder, sign="✕", role="alert")


def warning(state: LauncherState) -> Html:
    """Return the note about rows for validation that repeat training rows, "" without any."""
    lines = _overlap(state)
    if lines:
        return components.note("warn", lines[0], lines[1], sign="⚠︎")
    return Html("")


def numbers(state: LauncherState) -> Html:
    """Return the estimate: rows, steps, time and price."""
    return components.key_numbers(*_numbers(state))


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
        below = (
            '<span class="qf-hint qf-warn"><b aria-hidden="true">⚠︎</b> '
            f"{escape(item.warning)}</span>"
        )
    elif below:
        below = f'<span class="qf-hint">{below}</span>'
    else:
        below = ""
    return field_label(item.title, parameter=item.parameter, below=below)


def fold_label(state: LauncherState, key: str, fields: list[Field]) -> str:
    """Return the words on the button that folds a part of the form."""
    if key != "advanced":
        return tr(FOLDS[key])
    folded = [item for item in fields if item.is_advanced]
    draft = state.form.draft
    typed = [draft.values.get(item.name, getattr(draft, item.name, "")) for item in folded]
    wrong = sum(item.is_wrong for item in folded)
    changed = sum(not is_blank(value) for value in typed)
    counts = [trn("{n} setting", "{n} settings", len(folded))]
    counts += [
        trn("{n} changed", "{n} changed", changed) if changed else tr("all at their defaults")
    ]
    counts += [trn("{n} wrong", "{n} wrong", wrong)] if wrong else []
    return " · ".join([tr(FOLDS[key]), *counts])


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
    if state.stage == "confirming":
        words = tr("It goes on when the notebook is closed.")
        if not state.form.from_sandbox:
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
        return Html(f'<div class="qf-sub" role="status">{escape(words)}</div>')
    issues = find_issues(state.form)
    wrong = [name for name, issue in issues.items() if not issue.is_hint]
    titles = tr(", ").join(field_title(state.form, name) for name in wrong or issues)
    if not titles:
        return Html("")
    if wrong:
        words = tr("To correct first: {fields}.", fields=titles)
    else:
        words = tr("Still to choose: {fields}.", fields=titles)
    return Html(f'<div class="qf-sub" role="status">{escape(words)}</div>')


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
    if not state.message:
        return Html("")
    first, _, remainder = state.message.partition("\n")
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
        if item.name == "after":
            value = tr(FINAL_STEPS[value])
        if item.parameter:
            title = f"{item.title} ({item.parameter})"
        else:
            title = item.title
        rows.append((title, ", ".join(map(str, value)) if isinstance(value, list) else str(value)))
    return [(title, value) for title, value in rows if value.strip()]


def _numbers(state: LauncherState) -> list[tuple[str, str, str]]:
    estimate = estimate_launch(state.form)
    cells = []
    if estimate.train_rows is not None:
        cells.append(
            (
                tr("Trains on"),
                trn("{n} row", "{n} rows", estimate.train_rows),
                " · ".join(filter(None, [_held_out_remark(state), _token_remark(estimate)])),
            )
        )
    if estimate.steps is not None:
        formula = f"{estimate.train_rows:,} × {estimate.epochs} ÷ {estimate.batch}"
        cells.append((tr("Training steps"), f"{estimate.steps:,}", formula))
    if estimate.seconds is not None:
        time_text = f"≈ {approximate_duration(estimate.seconds)}"
        cells.append((tr("Time"), time_text, tr("at this computer's present speed")))
    if estimate.is_free:
        price_remark = tr("local sandbox")
    else:
        price_remark = tr("see the platform's console")
    return [*cells, (tr("Price"), formats.cost(None, is_free=estimate.is_free), price_remark)]


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
    tokens = tokens if estimate.exact else f"≈ {tokens}"
    if estimate.epochs is None:
        return tokens
    return trn("{tokens} × {n} epoch", "{tokens} × {n} epochs", estimate.epochs, tokens=tokens)


def _overlap(state: LauncherState) -> tuple[str, str] | None:
    return describe_overlap(state.form)


def _overlap_lines(state: LauncherState) -> list[str]:
    lines = _overlap(state)
    if lines:
        return [f"⚠ {lines[0]} {lines[1]}"]
    return []


def _issue_lines(state: LauncherState) -> list[str]:
    issues = find_issues(state.form)
    lines = [
        f"{'○' if issue.is_hint else '✕'} {field_title(state.form, name)}{tr(': ')}{issue.message}"
        for name, issue in issues.items()
    ]
    warnings = find_warnings(state.form)
    return lines + [
        f"⚠ {field_title(state.form, name)}{tr(': ')}{text}" for name, text in warnings.items()
    ]

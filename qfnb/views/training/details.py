"""The details of a training: checkpoints, settings, metrics, its log, ids, and how to go on in
Python.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from ...base.language import tr, tr_noop, trn
from ...trainer.loss_diagnostics import LossPoint, best_checkpoint
from ...trainer.progress import LogLine, TrainingProgress
from .. import components
from ..components import Html
from ..line_chart import thin
from ..text import escape, one_line
from .summary import stage_label

MAX_ROWS: Final = 12
"""Rows of the checkpoints, and of a live panel's log; a saved output has the whole log."""

Fold = tuple[str, str, Html]
"""A title, a remark, and what is folded."""


def folds(progress: TrainingProgress, *, max_lines: int | None = None) -> dict[str, Fold]:
    """Return the details by their keys; what is empty is left out.

    Args:
        progress: the training.
        max_lines: of the log, the newest; default: all.
    """
    problems = [line for line in progress.log if line.is_problem]
    lines = trn("{n} line", "{n} lines", len(progress.log))
    count = tr("{n}, ★ has the lowest validation loss", n=f"{len(progress.points):,}")
    all_folds = {
        "checkpoints": (tr("Points of the curve"), count, checkpoints(progress.points)),
        "settings": (tr("Settings"), "", _settings(progress.hyper_parameters)),
        "metrics": (
            tr("Metrics"),
            tr("on the rows held out"),
            _settings(_labelled_metrics(progress.metrics)),
        ),
        "problems": (tr("Problems"), f"{len(problems)}", _log(problems, max_lines)),
        "log": (tr("Log"), lines, _log(progress.log, max_lines)),
        "ids": (tr("Ids"), "", _ids(progress)),
        "python": (tr("The same in Python"), "", _python(progress)),
    }
    return {key: fold for key, fold in all_folds.items() if fold[2]}


def checkpoints(points: Sequence[LossPoint]) -> Html:
    """Return points of the curve as a table, "" without one; the best one that can be published has
    a star.
    """
    if not points:
        return Html("")
    best = best_checkpoint(points)
    regular = {id(point) for point in thin(points, MAX_ROWS - 2)}
    selected = [point for point in points if id(point) in regular or point.is_kept or point is best]
    rewards = list(dict.fromkeys(name for point in points for name in point.rewards or {}))
    columns: list[tuple[str, list[str]]] = [
        (tr("Step"), [f"{'★ ' if point is best else ''}{point.step:,}" for point in selected]),
        (tr("Epoch"), [_number(point.epoch, ".2f") for point in selected]),
        (tr("Training loss"), [_number(point.training_loss) for point in selected]),
        (tr("Validation loss"), [_number(point.validation_loss) for point in selected]),
        (tr("Perplexity"), [] if rewards else [_number(point.perplexity) for point in selected]),
        *(
            (f"rewards/{name}", [_number((p.rewards or {}).get(name)) for p in selected])
            for name in rewards
        ),
        (tr("Can be published"), [tr("yes") if point.is_kept else "" for point in selected]),
    ]
    visible = [(head, cells) for head, cells in columns if any(cells)]
    numeric = [index for index, (head, _) in enumerate(visible) if head != tr("Can be published")]
    rows = zip(*(cells for _, cells in visible), strict=True)
    heads = [one_line(head, 40) for head, _ in visible]
    caption = tr("{n} of {total} points of the curve", n=len(selected), total=f"{len(points):,}")
    return components.table(
        heads, rows, numeric=numeric, caption=caption if len(selected) < len(points) else ""
    )


def is_safe(url: object) -> bool:
    """Return whether an address may be a link: https, with a host, without user name and odd
    characters.
    """
    if not isinstance(url, str) or any(char.isspace() or not char.isprintable() for char in url):
        return False
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" and bool(parts.hostname) and not parts.username
    except ValueError:
        return False


def links(urls: Mapping[str, str]) -> Html:
    """Return pages of the console as links; addresses that are not safe are omitted."""
    anchors = [
        f'<a href="{escape(url)}" target="_blank" rel="noopener '
        f'noreferrer">{escape(one_line(name, 40))} ↗</a>'
        for name, url in urls.items()
        if is_safe(url)
    ]
    return Html(" · ".join(anchors))


_METRIC_LABELS = {
    "minConfidence": tr_noop("lowest confidence of an answer (minConfidence)"),
    "falseAnswers": tr_noop("questions from elsewhere that it answers (falseAnswers)"),
    "falseRefusals": tr_noop("right answers that it keeps back (falseRefusals)"),
    "wrongAnswers": tr_noop("wrong answers (wrongAnswers)"),
    "heldOutRows": tr_noop("rows held out (heldOutRows)"),
}
"""What the metrics of the sandbox's model mean; the platform's have names that are known."""


def _labelled_metrics(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {
        tr(_METRIC_LABELS[name]) if name in _METRIC_LABELS else name: value
        for name, value in metrics.items()
    }


def _settings(values: Mapping[str, Any]) -> Html:
    if not values:
        return Html("")
    return components.table(
        (tr("Name"), tr("Value")), [(one_line(k, 80), one_line(v, 240)) for k, v in values.items()]
    )


def _log(lines: Sequence[LogLine], max_lines: int | None) -> Html:
    if not lines:
        return Html("")
    if max_lines is None:
        newest = lines
    else:
        newest = lines[-max_lines:]
    rows = [
        (
            time.strftime("%m-%d %H:%M:%S", time.localtime(line.at)),
            stage_label(line.stage),
            f"{'✕ ' if line.is_problem else ''}{one_line(line.text, 240)}",
        )
        for line in reversed(newest)
    ]
    heads = (tr("Time"), tr("Stage"), tr("What happened"))
    hidden = len(newest) < len(lines)
    return components.table(
        heads, rows, caption=tr("The latest lines") if hidden else "", is_wide=True
    )


def _ids(progress: TrainingProgress) -> Html:
    """Return the ids, the endpoint and the pages of the console."""
    ids = (
        (tr("run"), progress.run_id),
        (tr("platform task"), progress.task_id),
        (tr("platform job"), progress.job_id),
        (tr("model version"), progress.model_version_id),
        (tr("service"), progress.service_id),
        (tr("endpoint"), progress.service_endpoint),
    )
    rows = [(label, components.code(one_line(value, 120))) for label, value in ids if value]
    rows += [(tr("console"), pages)] if (pages := links(progress.links)) else []
    if rows:
        return components.table((tr("Name"), tr("Value")), rows)
    return Html("")


def _python(progress: TrainingProgress) -> Html:
    if not progress.run_id and not progress.task_id:
        return Html("")
    lines = [
        "from qfnb import LLMFinetune",
        "",
        f"trainer = LLMFinetune.attach({one_line(progress.run_id or progress.task_id, 80)!r})",
        "trainer.wait()",
        'trainer.publish(step="best")',
    ]
    return Html(f"<pre><code>{escape(chr(10).join(lines))}</code></pre>")


def _number(value: float | None, format_spec: str = ".4f") -> str:
    if value is None:
        return ""
    return f"{value:{format_spec}}"

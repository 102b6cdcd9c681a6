"""The details of a training: checkpoints, settings, metrics, its log, ids, and how to go on in
Python.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
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


def folds(
    progress: TrainingProgress, *, max_lines: int | None = None
) -> dict[str, tuple[str, str, Html]]:
    """Return the details by their keys; what is empty is left out.

    Args:
        progress: the training.
        max_lines: of the log, the newest; default: all.
    """
    problems = [line for line in progress.log if line.is_problem]
    lines = trn("{n} line", "{n} lines", len(progress.log))
    count = tr("{n}, ★ has the lowest validation loss", n=f"{len(progress.points):,}")
    metrics = _settings(_labelled_metrics(progress.metrics))
    all_folds = {
        "checkpoints": (tr("Points of the curve"), count, checkpoints(progress.points)),
        "settings": (tr("Settings"), "", _settings(progress.hyper_parameters)),
        "metrics": (tr("Metrics"), tr("on the rows held out"), metrics),
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
        return Html()
    best = best_checkpoint(points)
    regular = {id(point) for point in thin(points, MAX_ROWS - 2)}
    selected = [point for point in points if id(point) in regular or point.is_kept or point is best]
    columns: list[tuple[str, Callable[[LossPoint], str]]] = [
        (tr("Step"), lambda point: f"{'★ ' * (point is best)}{point.step:,}"),
        (tr("Epoch"), lambda point: _number(point.epoch, ".2f")),
        (tr("Training loss"), lambda point: _number(point.training_loss)),
        (tr("Validation loss"), lambda point: _number(point.validation_loss)),
    ]
    rewards = dict.fromkeys(name for point in points for name in point.rewards or {})
    for name in rewards:
        read = lambda point, name=name: _number((point.rewards or {}).get(name))  # noqa: E731 - one expression
        columns.append((f"rewards/{name}", read))
    if not rewards:
        columns.append((tr("Perplexity"), lambda point: _number(point.perplexity)))
    columns.append((tr("Can be published"), lambda point: tr("yes") if point.is_kept else ""))
    filled = [(one_line(head, 40), [*map(read, selected)]) for head, read in columns]
    visible = {head: cells for head, cells in filled if any(cells)}
    numeric = [n for n, head in enumerate(visible) if head != tr("Can be published")]
    caption = ""
    if len(selected) < len(points):
        total = f"{len(points):,}"
        caption = tr("{n} of {total} points of the curve", n=len(selected), total=total)
    rows = zip(*visible.values(), strict=True)
    return components.table([*visible], rows, numeric=numeric, caption=caption)


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
    anchors = []
    for name, url in urls.items():
        if is_safe(url):
            target = f'href="{escape(url)}" target="_blank" rel="noopener noreferrer"'
            anchors.append(f"<a {target}>{escape(one_line(name, 40))} ↗</a>")
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
    return {tr(_METRIC_LABELS.get(name, name)): value for name, value in metrics.items()}


def _settings(values: Mapping[str, Any]) -> Html:
    return _names_and_values((one_line(k, 80), one_line(v, 240)) for k, v in values.items())


def _names_and_values(pairs: Iterable[Sequence[object]]) -> Html:
    rows = [*pairs]
    return components.table((tr("Name"), tr("Value")), rows) if rows else Html()


def _log(lines: Sequence[LogLine], max_lines: int | None) -> Html:
    if not lines:
        return Html()
    newest = lines if max_lines is None else lines[-max_lines:]
    rows = []
    for line in reversed(newest):
        at = time.strftime("%m-%d %H:%M:%S", time.localtime(line.at))
        sign = "✕ " * line.is_problem
        rows.append((at, stage_label(line.stage), f"{sign}{one_line(line.text, 240)}"))
    heads = (tr("Time"), tr("Stage"), tr("What happened"))
    caption = tr("The latest lines") if len(newest) < len(lines) else ""
    return components.table(heads, rows, caption=caption, is_wide=True)


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
    pages = links(progress.links)
    return _names_and_values([*rows, *([(tr("console"), pages)] if pages else [])])


def _python(progress: TrainingProgress) -> Html:
    name = progress.run_id or progress.task_id
    if not name:
        return Html()
    script = (
        "from qfnb import LLMFinetune\n\n"
        f"trainer = LLMFinetune.attach({one_line(name, 80)!r})\n"
        "trainer.wait()\n"
        'trainer.publish(step="best")'
    )
    return Html(f"<pre><code>{escape(script)}</code></pre>")


def _number(value: float | None, format_spec: str = ".4f") -> str:
    return "" if value is None else f"{value:{format_spec}}"

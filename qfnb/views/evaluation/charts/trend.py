"""How a metric went from evaluation to evaluation, for each model on the same questions."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ....base.language import tr, trn
from ....base.text import did_you_mean, labelled
from ....errors import InvalidArgumentError
from ....evaluation.report.archive import Entry, Mean, list_entries
from ....evaluation.report.text import format_interval, format_score, metric_title
from ...drawing import WIDTH, Drawing, format_tick, linear_ticks
from ...line_chart import LEFT, thin
from .style import Chart, ChartLabels, ChartNotDrawn

MAX_DATES: Final = 6  # below the axis
DODGE: Final = 8.0  # pixels between the intervals of models in the same evaluation
NAME_HEIGHT: Final = 17.0  # pixels that a name beside a line takes
TOP = 30.0
BOTTOM = 252.0
RIGHT = WIDTH - 210.0

Point = tuple[Entry, str, Mean]
"""An evaluation, the model, and its mean."""

Points = Mapping[str, Sequence[Point]]
"""The points of each line by its label, the oldest first."""


@dataclass(frozen=True)
class Trend:
    """What a trend is of: its lines, and those with answers of the sandbox."""

    models: tuple[str, ...]
    sandbox_models: tuple[str, ...]


def trend(metric: str | None = None, *, model: str | None = None, data: str | None = None) -> Chart:
    """Return the mean of a metric from evaluation to evaluation, with 95 % intervals.

    A line joins evaluations of one model with the same questions and references, that count the
    metric alike.

    Args:
        metric: its name; default the first of the newest evaluation.
        model: only this model, on all data; default all models.
        data: only this data, by its name or digest in `qfnb.evaluation.history()`; default that of
            the newest evaluation, unless a model is chosen.

    Raises:
        InvalidArgumentError: a name is unknown, or fewer than two evaluations have such scores.
    """
    entries = [entry for entry in reversed(list_entries()) if not entry.problem]
    chosen = _choose(entries, model, data)
    if not chosen:
        raise ChartNotDrawn(
            tr("no evaluation is in the history yet: qfnb.compare(...) or %qfeval makes one")
        )
    names = [name for entry in reversed(chosen) for name in entry.metrics]
    name = _check("metric", metric or next(iter(names), ""), names)
    counted = [entry for entry in chosen if name in entry.metrics]
    alike = [
        entry for entry in counted if entry.counting.get(name) == counted[-1].counting.get(name)
    ]
    points = _points(alike, name, model)
    used = [
        entry
        for entry in alike
        if any(entry is each for row in points.values() for each, *_ in row)
    ]
    if len(used) < 2:
        raise ChartNotDrawn(
            trn(
                "a trend takes two evaluations of the same model and questions by {metric}; there "
                "is {n}",
                "a trend takes two evaluations of the same model and questions by {metric}; there "
                "are {n}",
                len(used),
                metric=metric_title(name),
            )
        )
    recipe = counted[-1].counting.get(name, metric_title(name))
    left_out = len(counted) - len(alike)
    note = trn(
        "{n} evaluation that counts otherwise is left out",
        "{n} evaluations that count otherwise are left out",
        left_out,
    )
    source = " · ".join(
        [trn("{n} evaluation", "{n} evaluations", len(used)), recipe, *([note] if left_out else [])]
    )
    words = tr("; ").join(
        labelled(label, tr(", ").join(map(_describe, row))) for label, row in points.items()
    )
    title = tr("{metric} over time", metric=metric_title(name))
    alt = tr("{title}, means with 95% intervals: {words}.", title=title, words=words)

    def draw(labels: ChartLabels) -> Drawing:
        return _draw(name, used, points, labels)

    subject = Trend(
        tuple(points),
        tuple(label for label, row in points.items() if any(map(_is_of_sandbox, row))),
    )
    return Chart(title, alt, subject, [name], draw, source)


def _choose(entries: Sequence[Entry], model: str | None, data: str | None) -> list[Entry]:
    """Return the evaluations of a model or data, the oldest first."""
    if model:
        _check("model", model, [label for entry in entries for label in entry.models])
    if data:
        digests = {entry.digest for entry in entries}
        _check(
            "data",
            data,
            [data] if data in digests else [entry.dataset for entry in entries if entry.dataset],
        )
    if not model and not data:
        return [entry for entry in entries if entry.digest == entries[-1].digest]
    return [
        entry
        for entry in entries
        if (not model or model in entry.models)
        and (not data or data in {entry.dataset, entry.digest})
    ]


def _check(name: str, value: str, allowed: Sequence[str]) -> str:
    if value not in allowed:
        hint = did_you_mean(value, allowed)
        names = tr(", ").join(dict.fromkeys(allowed)) or tr("none")
        raise InvalidArgumentError(
            tr(
                "{name}={value!r}: the history has {names}{hint}",
                name=name,
                value=value,
                names=names,
                hint=hint,
            )
        )
    return value


def _points(entries: Sequence[Entry], metric: str, model: str | None) -> dict[str, list[Point]]:
    """Return the lines of at least one scored point; a label has the data where there are
    several.
    """
    digests = dict.fromkeys(entry.digest for entry in entries)
    counts = {
        digest: Counter(entry.dataset for entry in entries if entry.digest == digest)
        for digest in digests
    }
    names = {digest: count.most_common(1)[0][0] or digest for digest, count in counts.items()}
    is_ambiguous = len(set(names.values())) < len(digests)
    lines: dict[str, list[Point]] = {}
    for entry in entries:
        for label in entry.models:
            mean = entry.scores.get(label, {}).get(metric)
            if mean is None or not mean[3] or (model and label != model):
                continue
            if is_ambiguous:
                data = f"{names[entry.digest]} {entry.digest[:4]}"
            else:
                data = names[entry.digest]
            if len(digests) == 1:
                line = label
            elif model:
                line = data
            else:
                line = f"{label} · {data}"
            lines.setdefault(line, []).append((entry, label, mean))
    return lines


def _is_of_sandbox(point: Point) -> bool:
    entry, model, _ = point
    return model in entry.sandbox_models


def _describe(point: Point) -> str:
    entry, _, (mean, low, high, n) = point
    return tr(
        "{date} {mean} ({interval}, n = {n})",
        date=time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.created)),
        mean=format_score(mean),
        interval=format_interval(low, high),
        n=f"{n:,}",
    )


def _draw(metric: str, entries: Sequence[Entry], points: Points, labels: ChartLabels) -> Drawing:
    """Draw a line for each label over the evaluations, evenly spaced, with the interval of each
    mean.
    """
    drawing = Drawing(BOTTOM + 30)
    numbers = [
        value
        for row in points.values()
        for *_, mean in row
        for value in mean[:3]
        if math.isfinite(value)
    ]
    ticks = linear_ticks(min(numbers), max(numbers), 4)
    step = (RIGHT - LEFT - 40) / max(1, len(entries) - 1)
    position = {entry.id: LEFT + 20 + step * number for number, entry in enumerate(entries)}

    def height(value: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * (value - ticks[0]) / (ticks[-1] - ticks[0])

    for tick in ticks:
        drawing.line([(LEFT, height(tick)), (RIGHT, height(tick))], "g")
        drawing.text(LEFT - 8, height(tick), format_tick(tick), "end")
    drawing.line([(LEFT, BOTTOM), (RIGHT, BOTTOM)])
    for entry, date in zip(thin(entries, MAX_DATES), thin(_dates(entries), MAX_DATES), strict=True):
        drawing.text(position[entry.id], BOTTOM + 14, date, "middle")
    drawing.text(0, 12, labels.metrics[metric], is_strong=True)
    ends: list[tuple[float, str]] = []
    for number, (label, row) in enumerate(points.items()):
        if len(points) <= step / DODGE:
            shift = DODGE * (number - (len(points) - 1) / 2)
        else:
            shift = 0.0
        line_points = [(position[entry.id] + shift, height(mean[0])) for entry, _, mean in row]
        drawing.curve(line_points, number + 1)
        for (x, y), point in zip(line_points, row, strict=True):
            mean = point[-1]
            if math.isfinite(mean[1] + mean[2]):
                drawing.line([(x, height(mean[1])), (x, height(mean[2]))], "e", width=1.6)
            drawing.dot(x, y, number + 1, labelled(label, _describe(point)))
        ends.append((line_points[-1][1], label))
    _add_names(drawing, ends, points, labels)
    return drawing


def _add_names(
    drawing: Drawing, ends: Sequence[tuple[float, str]], points: Points, labels: ChartLabels
) -> None:
    """Write the name of each line at its end, in its colour, one below the other where lines
    meet.
    """
    order = [*points]
    y = -math.inf
    for end, label in sorted(ends):
        y = max(end, y + NAME_HEIGHT)
        drawing.dot(RIGHT + 10, y, order.index(label) + 1, label)
        drawing.text(RIGHT + 22, y, labels.models[label], is_strong=True)
    drawing.height = max(drawing.height, y + NAME_HEIGHT)


def _dates(entries: Sequence[Entry]) -> list[str]:
    """Return when evaluations were, as briefly as they differ: hours of one day, days of one
    year.
    """
    times = [time.localtime(entry.created) for entry in entries]
    if len({each[:3] for each in times}) == 1:
        return [time.strftime("%H:%M", each) for each in times]
    is_one_year = len({each.tm_year for each in times}) == 1
    return [time.strftime("%m-%d" if is_one_year else "%Y-%m-%d", each) for each in times]

"""The numbers of a report for an experiment tracker, with where they are from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from .data import ReportData


class NumberLog(Protocol):
    """What takes the numbers of a report: a tracker of `qfnb.trainer.trackers`, or any object with
    this method.
    """

    def log_numbers(
        self, numbers: Mapping[str, float], settings: Mapping[str, object] | None = None
    ) -> None:
        """Take numbers and settings by name."""
        ...


def entries(report: ReportData) -> tuple[dict[str, float], dict[str, str]]:
    """Return the numbers of a report by name, and what they need to be cited: the platform and the
    recipe.
    """
    numbers: dict[str, float] = {}
    for score in report.model_scores:
        bounds = {"ci_low": score.interval.low, "ci_high": score.interval.high}
        values = {"mean": score.mean, **bounds, "coverage": score.coverage, "n": score.n}
        numbers |= {f"{score.model}/{score.metric}/{name}": value for name, value in values.items()}
    for pair in report.comparisons:
        name = f"{pair.candidate} - {pair.baseline}/{pair.metric}"
        numbers |= {f"{name}/difference": pair.test.difference, f"{name}/p_holm": pair.p_holm}
    origins = {f"{model}/origin": origin for model, origin in report.origins.items()}
    return numbers, origins | {f"{name}/recipe": recipe for name, recipe in report.recipes.items()}

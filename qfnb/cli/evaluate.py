"""`qfnb eval`: models answer the same questions; the exit code says whether the tuned one is
worse.
"""

from __future__ import annotations

import time
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .._command_line import DONE, INTERRUPTED, NEGATIVE, Command, Word
from ..base.language import tr, tr_noop
from ..errors import InvalidArgumentError
from ..notebook.evaluate import OPTIONS, PARSER
from ..notebook.evaluate_inputs import read_plan
from ..notebook.parser import MagicOption
from . import common
from .common import POLL_S, ProgressStep, follow

if TYPE_CHECKING:
    from ..evaluation.background import BackgroundEvaluation, EvaluationProgress
    from ..evaluation.report import EvaluationResult
    from ..evaluation.stats.aggregates import Comparison

FAIL_ON: Final = {"worse": frozenset({"worse"}), "not-better": frozenset({"worse", "cannot tell"})}
"""Value of `--fail-on` -> the verdicts on a candidate that fail."""


OF_THE_NOTEBOOK: Final = {"prompts", "pass_at", "outputs", "dry_run", "variable"}
"""Options that only the magic has."""


HELP: Final = {
    "data": tr_noop("Questions with answers: .jsonl, .csv, .parquet, ds-..."),
    "model": tr_noop("A model that is not in the table."),
    "metrics": tr_noop("The first one decides (rouge_l, exact_match)."),
}
"""Of options whose help speaks of a notebook."""

ROWS: Final = [
    *(
        replace(row, help=HELP.get(row.name, row.help))
        for row in OPTIONS
        if row.name not in OF_THE_NOTEBOOK
    ),
    MagicOption(
        "Write the report: .html, .md, .csv, .xlsx, .json.", "--out", "FILE", "-o", parse=Path
    ),
    MagicOption(
        "Exit with 3 when a model is that, compared to the baseline.",
        "--fail-on",
        "worse|not-better",
    ),
    common.JSON,
]


def evaluate(options: Namespace) -> int:
    """Ask, score and compare; return the exit code.

    Raises:
        InvalidArgumentError: models, data or an option are wrong; nothing was sent.
    """
    from ..evaluation import EvaluationManager  # noqa: PLC0415 - `qfnb --help` stays fast
    from ..evaluation.background import BackgroundEvaluation  # noqa: PLC0415
    from ..evaluation.records import validate_report_path  # noqa: PLC0415

    if options.fail_on not in {None, *FAIL_ON}:
        raise InvalidArgumentError(
            tr("--fail-on {value}: it is worse or not-better", value=options.fail_on)
        )
    if options.out is not None:
        validate_report_path(options.out)
    plan = read_plan(None, options.models, options, PARSER.keywords(options))
    if options.fail_on and len(plan.models) < 2:
        raise InvalidArgumentError(
            tr("--fail-on compares models: name the baseline, then the tuned one")
        )
    manager = EvaluationManager(local_evaluators=plan.evaluators)
    run = manager.start(plan.models, plan.rows, **plan.arguments)
    return _work(BackgroundEvaluation(run, plan.judges), options)


def _work(running: BackgroundEvaluation, options: Namespace) -> int:
    """Follow an evaluation to its end, show and write its report, and return the exit code."""
    is_interrupted = False
    try:
        follow(lambda: running.progress.is_finished, lambda: _describe(running.progress))
    except KeyboardInterrupt:
        is_interrupted = True
        running.cancel()
        while not running.progress.is_finished:
            time.sleep(POLL_S)
    report = running.report()  # raises the error that ended the evaluation
    if options.out is not None:
        common.say(tr("report: {path}", path=report.save(options.out)))
    if options.as_json:
        common.print_json(_summary(report))
    else:
        _print_report(report)
    if is_interrupted:
        common.say(
            tr("interrupted; the same command again asks only the questions without an answer")
        )
        return INTERRUPTED
    running.progress.raise_if_stopped()
    outcomes = {pair.outcome for pair in _against_baseline(report)}
    if options.fail_on and outcomes & FAIL_ON[options.fail_on]:
        return NEGATIVE
    return DONE


def _describe(progress: EvaluationProgress) -> ProgressStep:
    done, total = progress.scoring_steps
    if total:
        return ProgressStep(done / total, tr("scoring: {done} / {total}", done=done, total=total))
    rows = [model.batch.finished_rows if model.batch else 0 for model in progress.models]
    parts = [
        f"{model.model} {count} / {progress.questions}"
        for model, count in zip(progress.models, rows, strict=True)
    ]
    expected = progress.questions * len(rows)
    return ProgressStep(sum(rows) / max(expected, 1), " · ".join(parts))


def _against_baseline(report: EvaluationResult) -> list[Comparison]:
    """Return how every other model does against the first one, on the metric that decides."""
    base, *candidates = report.models
    metric = report.resolve_metric(None)
    pairs = [pair for model in candidates for pair in report.versus(base, model)]
    return [pair for pair in pairs if pair.metric == metric]


def _print_report(report: EvaluationResult) -> None:
    from ..evaluation.report import text as wording  # noqa: PLC0415

    print(wording.title(report.models))
    print(report.card() if len(report.models) == 2 else report)


def _summary(report: EvaluationResult) -> dict[str, Any]:
    """Return the scores and the comparisons with the baseline, as values of JSON, and where they
    are from.
    """
    from ..evaluation.report import text as wording  # noqa: PLC0415

    scores = [
        {
            "model": row.model,
            "metric": row.metric,
            "mean": row.mean,
            "scored": row.n,
            "rows": row.total,
        }
        for row in report.model_scores
    ]
    pairs = [
        {
            "baseline": pair.baseline,
            "model": pair.candidate,
            "metric": pair.metric,
            "verdict": pair.outcome,
            "difference": pair.test.difference,
            "low": pair.test.interval.low,
            "high": pair.test.interval.high,
            "level": pair.test.interval.level,
            "p": pair.p_holm,
        }
        for pair in _against_baseline(report)
    ]
    return {
        "models": list(report.models),
        "scores": scores,
        "comparisons": pairs,
        "sandbox": report.from_sandbox,
        "origins": dict(report.origins),
        "recipes": {name: wording.to_plain(recipe) for name, recipe in report.recipes.items()},
        "notes": [wording.to_plain(note) for note in report.notes],
    }


COMMAND = Command(
    evaluate,
    ROWS,
    [Word("models", "MODEL", tr_noop("Preset models or endpoints, the baseline first."), "*")],
    unset=PARSER.options,
)

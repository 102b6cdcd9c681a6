"""`qfnb eval`: models answer the same questions; the exit code says whether the tuned one is
worse.
"""

from __future__ import annotations

import math
import time
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from typer import Argument, Option

from ..base.language import tr, tr_noop
from ..errors import InvalidArgumentError
from . import common
from .common import POLL_S, ProgressStep, follow
from .exit_codes import DONE, INTERRUPTED, NEGATIVE

if TYPE_CHECKING:
    from ..evaluation.background import BackgroundEvaluation, EvaluationProgress
    from ..evaluation.report import EvaluationResult
    from ..evaluation.stats.aggregates import Comparison

FAIL_ON: Final = {"worse": frozenset({"worse"}), "not-better": frozenset({"worse", "cannot tell"})}
"""Value of `--fail-on` -> the verdicts on a candidate that fail."""


def evaluate(
    models: Annotated[
        list[str] | None,
        Argument(metavar="MODEL", help=tr_noop("Preset models or endpoints, the baseline first.")),
    ] = None,
    *,
    data: Annotated[
        str | None,
        Option(
            "-d",
            "--data",
            metavar="FILE",
            help=tr_noop("Questions with answers: .jsonl, .csv, .parquet, ds-..."),
        ),
    ] = None,
    benchmark: Annotated[
        str | None,
        Option(
            metavar="NAME:PATH",
            help=tr_noop("Instead of --data: ceval:, cmmlu: or gsm8k: and a folder."),
        ),
    ] = None,
    shots: Annotated[
        int | None,
        Option(metavar="N", help=tr_noop("Examples before each question of a benchmark.")),
    ] = None,
    split: Annotated[
        str | None,
        Option(metavar="NAME", help=tr_noop("Which questions of a benchmark: val, test, ...")),
    ] = None,
    subjects: Annotated[
        str | None, Option(metavar="NAME,…", help=tr_noop("Subjects of a benchmark; default all."))
    ] = None,
    more_models: Annotated[
        list[str] | None,
        Option("-m", "--model", metavar="NAME", help=tr_noop("A model that is not in the table.")),
    ] = None,
    endpoints: Annotated[
        list[str] | None,
        Option(
            "-e",
            "--endpoint",
            metavar="NAME",
            help=tr_noop("A service of your own: its name, id or suffix."),
        ),
    ] = None,
    metrics: Annotated[
        str | None,
        Option(metavar="NAME,…", help=tr_noop("The first one decides (rouge_l, exact_match).")),
    ] = None,
    recipe: Annotated[
        str | None, Option(metavar="NAME", help=tr_noop("How the metrics are counted."))
    ] = None,
    judge: Annotated[
        str | None, Option(metavar="MODEL,…", help=tr_noop("Models that judge the answers."))
    ] = None,
    pairwise: Annotated[
        bool,
        Option(
            "--pairwise", help=tr_noop("Judges say which of two answers is better, in both orders.")
        ),
    ] = False,
    fresh: Annotated[
        bool, Option("--fresh", help=tr_noop("Ask judges again what the journal has a verdict on."))
    ] = False,
    question_column: Annotated[
        str | None, Option("--input", metavar="COLUMN", help=tr_noop("Where the questions are."))
    ] = None,
    reference: Annotated[
        str | None, Option(metavar="COLUMN", help=tr_noop("Where the expected answers are."))
    ] = None,
    cluster: Annotated[
        str, Option(metavar="COLUMN", help=tr_noop("Rows of one value belong together."))
    ] = "",
    keep_wrong_rows: Annotated[
        bool,
        Option(
            "--keep-wrong-rows", help=tr_noop("Rows with an empty question or answer get no score.")
        ),
    ] = False,
    temperature: common.Temperature = None,
    workers: common.Workers = None,
    budget: common.Budget = None,
    budget_tokens: common.BudgetTokens = None,
    out: Annotated[
        Path | None,
        Option(
            "-o",
            "--out",
            metavar="FILE",
            help=tr_noop("Write the report: .html, .md, .csv, .xlsx, .json."),
        ),
    ] = None,
    fail_on: Annotated[
        str | None,
        Option(
            metavar="worse|not-better",
            help=tr_noop("Exit with 3 when a model is that, compared to the baseline."),
        ),
    ] = None,
    as_json: common.JsonFlag = False,
) -> int:
    """Ask, score and compare; return the exit code.

    Raises:
        InvalidArgumentError: models, data or an option are wrong; nothing was sent.
    """
    from ..evaluation import EvaluationManager  # noqa: PLC0415 - `qfnb --help` stays fast
    from ..evaluation.background import BackgroundEvaluation  # noqa: PLC0415
    from ..evaluation.records import validate_report_path  # noqa: PLC0415
    from ..notebook import evaluate_inputs, evaluate_plan  # noqa: PLC0415

    if fail_on not in {None, *FAIL_ON}:
        raise InvalidArgumentError(
            tr("--fail-on {value}: it is worse or not-better", value=fail_on)
        )
    if fail_on and len([*(models or ()), *(more_models or ()), *(endpoints or ())]) < 2:
        raise InvalidArgumentError(
            tr("--fail-on compares models: name the baseline, then the tuned one")
        )
    if out is not None:
        validate_report_path(out)
    named_models = evaluate_inputs.resolve_models(
        None, models or (), more_models or (), endpoints or ()
    )
    questions = Namespace(
        data=data, benchmark=benchmark, shots=shots, split=split, subjects=subjects, metrics=metrics
    )
    questions.input = question_column
    questions.reference = reference
    evaluate_plan.read_benchmark(questions)
    judges, judging = evaluate_plan.resolve_judges(None, judge, is_pairwise=pairwise, fresh=fresh)
    evaluators = [
        *evaluate_inputs.resolve_evaluators(None, questions.metrics, recipe, bool(judges)),
        *judging,
    ]
    rows = evaluate_inputs.prepare_questions(
        *evaluate_inputs.load_questions(None, questions.data, questions.input, questions.reference),
        is_reference_needed=any(evaluator.needs_reference for evaluator in evaluators),
        keep_empty=keep_wrong_rows,
    )
    options: dict[str, Any] = {} if temperature is None else {"temperature": temperature}
    options |= {
        "worker_num": workers or 8,
        "budget": budget,
        "budget_tokens": budget_tokens,
        "cluster": cluster,
    }
    run = EvaluationManager(local_evaluators=evaluators).start(named_models, rows, **options)
    return _work(BackgroundEvaluation(run, judges), out, fail_on, as_json=as_json)


def _work(
    running: BackgroundEvaluation, out: Path | None, fail_on: str | None, *, as_json: bool
) -> int:
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
    if out is not None:
        common.say(tr("report: {path}", path=report.save(out)))
    if as_json:
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
    if fail_on and outcomes & FAIL_ON[fail_on]:
        return NEGATIVE
    return DONE


def _describe(progress: EvaluationProgress) -> ProgressStep:
    done, total = progress.scoring_steps
    if total:
        return ProgressStep(done / total, tr("scoring: {done} / {total}", done=done, total=total))
    parts = []
    shares = []
    for model in progress.models:
        if model.batch:
            rows = model.batch.finished_rows
        else:
            rows = 0
        parts.append(f"{model.model} {rows} / {progress.questions}")
        shares.append(rows / max(progress.questions, 1))
    return ProgressStep(sum(shares) / max(len(shares), 1), " · ".join(parts))


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
            "mean": _finite(row.mean),
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
            "difference": _finite(pair.test.difference),
            "low": _finite(pair.test.interval.low),
            "high": _finite(pair.test.interval.high),
            "level": pair.test.interval.level,
            "p": _finite(pair.p_holm),
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


def _finite(value: float) -> float | None:
    if math.isfinite(value):
        return value
    return None

"""`%qfeval`: ask models the same questions, watch it, read the report, look through the answers."""

from __future__ import annotations

import asyncio
import time
from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from IPython.core.magic import magics_class

from ..base.language import tr, tr_noop
from ..errors import InvalidArgumentError
from . import evaluate_inputs, parser
from .await_cell import run_in_cell
from .evaluate_inputs import MODEL_KINDS
from .parser import (
    MAX_TOKENS,
    SYSTEM,
    TEMPERATURE,
    MagicOption,
    split_names,
    store_variable,
    user_variables,
    variable_name,
    variables_of,
)
from .verb_magic import VerbMagics, VerbParser, listing, verb_magic, wait_in_cell

if TYPE_CHECKING:
    from ..evaluation.background import BackgroundEvaluation, CancellableJudge
    from ..evaluation.report import EvaluationResult


VERBS = (
    "start", "wait", "show", "cancel", "only", "browse", "rescore", "compare", "save", "load",
    "list", "open", "trend",
)  # fmt: skip

SCORING_VERBS = ("start", "only", "rescore")  # the verbs that score answers
DATA_KINDS = frozenset({"DataFrame", "Dataset", "list"})
REPORT_KINDS = frozenset({"EvaluationResult", "BackgroundEvaluation", "Card"})
EVALUATOR_KINDS = frozenset({"LocalEvaluator"})
"""Names of classes whose variables Tab offers."""


def model_names(magics: Any) -> list[str]:
    """Return the names of models: variables that hold one, aliases and preset models."""
    return [*variables_of(magics.shell, MODEL_KINDS), *parser.chat_models(magics)]


def data_variables(magics: Any) -> list[str]:
    """Return the variables that hold rows."""
    return variables_of(magics.shell, DATA_KINDS)


def parse_counts(text: str) -> list[int]:
    """Return whole numbers that commas separate.

    Raises:
        ArgumentTypeError: it is something else.
    """
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() for word in words):
        raise ArgumentTypeError(
            tr("{value} is no list of whole numbers such as 1,5", value=repr(text))
        )
    return [int(word) for word in words]


def metric_names(magics: Any) -> list[str]:
    """Return the metrics, and the variables that hold an evaluator."""
    from ..evaluation.local_evaluators import METRIC_NAMES  # noqa: PLC0415 - %load_ext stays fast

    return [*METRIC_NAMES, *variables_of(magics.shell, EVALUATOR_KINDS)]


STORED_VERBS = (
    "start", "only", "rescore", "browse", "load", "compare", "open", "trend",
)  # fmt: skip

OPTIONS = (
    MagicOption(
        "rows with prompt and response: a variable, a path or ds-...; trend: a name of the list",
        "--data",
        "DATA",
        "-d",
        verbs=("start", "only", "trend"),
        complete=data_variables,
    ),
    MagicOption(
        "instead of --data: ceval:, cmmlu: or gsm8k: and its folder; with its metric",
        "--benchmark",
        "NAME:PATH",
    ),
    MagicOption("examples before each question of a benchmark", "--shots", "N"),
    MagicOption("which questions of a benchmark: val, test, ...", "--split", "NAME"),
    MagicOption("subjects of a benchmark, a,b,...; default all", "--subjects", "NAMES"),
    MagicOption(
        "a,b,..., functions of the notebook too: the first decides; default rouge_l,exact_match",
        "--metrics",
        "NAMES",
        verbs=SCORING_VERBS,
        complete=metric_names,
    ),
    MagicOption(
        "how metrics are counted: strict (default), qianfan, llamafactory, sacrebleu-zh",
        "--recipe",
        "NAME",
        verbs=SCORING_VERBS,
    ),
    MagicOption(
        "models that give points, a,b,...",
        "--judge",
        "MODELS",
        verbs=SCORING_VERBS,
        complete=model_names,
    ),
    MagicOption(
        "--judge says which of two answers is better, asked in both orders",
        "--pairwise",
        verbs=SCORING_VERBS,
    ),
    MagicOption(
        "ask --judge again what its journal has a verdict on", "--fresh", verbs=SCORING_VERBS
    ),
    MagicOption(
        "one more model, of any name; trend: the model",
        "--model",
        "NAME",
        "-m",
        repeated=True,
        verbs=("start", "trend"),
        complete=parser.chat_models,
    ),
    MagicOption(
        "one more model: a service",
        "--endpoint",
        "NAME",
        "-e",
        repeated=True,
        complete=parser.endpoints,
    ),
    MagicOption(
        "variables with templates, a,b,... or one {name: template}: every model is asked by each",
        "--prompts",
        "NAMES",
    ),
    MagicOption("answers to each question; default 1", "--repeats", "N", keyword="n"),
    MagicOption(
        "k of pass@k, up to --repeats", "--pass-at", "K,...", parse=parse_counts, keyword="k"
    ),
    MagicOption(
        "column of the question; default prompt", "--input", "COLUMN", verbs=("start", "only")
    ),
    MagicOption(
        "column of the expected answer; default response",
        "--reference",
        "COLUMN",
        verbs=("start", "only"),
    ),
    MagicOption(
        "only: columns with answers; default llm_output", "--outputs", "COLUMNS", verbs=("only",)
    ),
    MagicOption(
        "column whose equal values mark rows that belong together",
        "--cluster",
        "COLUMN",
        verbs=("start", "only"),
    ),
    SYSTEM,
    TEMPERATURE,
    MAX_TOKENS,
    MagicOption(
        "how many rows are asked of each model at once; default 8",
        "--workers",
        "N",
        "-w",
        keyword="workers",
    ),
    MagicOption("what each model may cost", "--budget", "CNY", keyword="budget"),
    MagicOption(
        "how many tokens each model may use", "--budget-tokens", "N", keyword="budget_tokens"
    ),
    MagicOption("count rows without content as failed", "--keep-wrong-rows"),
    MagicOption("show what it would take; send nothing", "--dry-run"),
    MagicOption(
        "keep the report in a variable",
        "-o",
        "VAR",
        dest="variable",
        parse=variable_name,
        verbs=STORED_VERBS,
    ),
)

PARSER = VerbParser(
    "%qfeval",
    tr_noop(
        "Ask models the same questions and score the answers, without blocking the notebook.\n"
        "A MODEL is a variable (Service, Model, ChatCompletion, trainer), a preset model or an "
        "endpoint; "
        "the first is the baseline.\n"
        "A REPORT is the variable of -o, or the newest when none is named.\n"
        "Verbs: {verbs}. A variable that has a verb's name: %qfeval start wait ..."
    ),
    tr_noop(
        "  %qftrain sample\n"
        "  %qftrain start -d teahouse_train.jsonl --epoch 5 --deploy teahouse -o tuned\n"
        "  %qftrain wait\n"
        "  %qfeval ernie-4.5-turbo-128k tuned --data teahouse_heldout.jsonl -o report\n"
        "  %qfeval wait             (wait for the newest, show its report)\n"
        "  %qfeval ernie-4.5-turbo-128k tuned --data teahouse_heldout.jsonl --judge ernie-5.1 "
        "--budget 5 -o report\n"
        "  %qfeval ernie-4.5-turbo-128k tuned --data teahouse_heldout.jsonl --judge ernie-5.1 "
        "--pairwise -o report\n"
        "  %qfeval ernie-4.5-turbo-128k tuned --data teahouse_heldout.jsonl --prompts short,long "
        "--repeats 5\n"
        "  %qfeval ernie-4.5-turbo-128k tuned --benchmark ceval:ceval-exam --shots 5 --subjects "
        "law,logic -o report\n"
        "  %qfeval ernie-4.5-turbo-128k tuned --data teahouse_heldout.jsonl --dry-run\n"
        "  %qfeval show|cancel [REPORT]\n"
        "  %qfeval browse [REPORT] -o view        (then: report.to_dpo(view.rows))\n"
        "  %qfeval rescore REPORT --metrics bleu4 --recipe qianfan -o other      (no model is "
        "asked)\n"
        "  %qfeval only df --outputs answer_a,answer_b --reference label -o report\n"
        "  %qfeval compare [REPORT [BASE TUNED]]\n"
        "  %qfeval save REPORT report.html|.md|.csv|.xlsx|.json\n"
        "  %qfeval load report.json -o report\n"
        "  %qfeval list                          (every evaluation, of earlier kernels too)\n"
        "  %qfeval open [ID] -o report\n"
        "  %qfeval trend [METRIC] [-m MODEL] [-d DATA]"
    ),
    VERBS,
    OPTIONS,
)
T = TypeVar("T")

EMPTY: Final = tr_noop(
    "No evaluation yet: `%qfeval MODEL MODEL --data DATA`, or qfnb.compare(...), makes one."
)
CANCELLED = tr_noop(
    "Cancelled. Answers are kept; the same cell again asks the remaining questions."
)
ALREADY_RUNNING = tr_noop("This evaluation is running already; `%qfeval wait` shows the report.")


def _evaluation() -> Any:
    """Return the library's part, which is imported when a verb needs it."""
    from .. import evaluation  # noqa: PLC0415 - %load_ext stays fast

    return evaluation


@magics_class
class EvalMagics(VerbMagics):
    """The verbs of `%qfeval`."""

    parser = PARSER
    needs_verb = False

    def __init__(self, shell: Any) -> None:
        super().__init__(shell)
        self._runs_by_line: dict[str, BackgroundEvaluation] = {}
        self._newest: BackgroundEvaluation | EvaluationResult | None = None

    qfeval = verb_magic(PARSER)

    def complete_word(self, previous: str) -> list[str]:
        """Return the completions: verbs and models at first, data or reports behind a verb, else
        models.
        """
        if previous.endswith("qfeval"):
            return [*PARSER.verbs, *model_names(self)]
        if previous == "only":
            return data_variables(self)
        if previous in {"load", "list", "open", "trend"} or previous.startswith("-"):
            return []
        if previous in VERBS[1:]:
            return variables_of(self.shell, REPORT_KINDS)
        return model_names(self)

    def do_start(self, options: Namespace, *words: str) -> Any:
        from ..batching.journal_reader import JournalInUse  # noqa: PLC0415 - %load_ext stays fast
        from ..evaluation import EvaluationManager  # noqa: PLC0415
        from ..evaluation.background import BackgroundEvaluation  # noqa: PLC0415
        from ..views.evaluation.panel import STARTED  # noqa: PLC0415

        line = repr((words, sorted(vars(options).items())))
        data = options.data
        plan = evaluate_inputs.read_plan(self.shell, words, options, PARSER.keywords(options))
        if options.dry_run:
            return evaluate_inputs.estimate_table(plan, is_pairwise=options.pairwise)
        manager = EvaluationManager(local_evaluators=plan.evaluators)
        try:
            run = manager.start(plan.models, plan.rows, **plan.arguments)
        except JournalInUse:
            earlier = self._runs_by_line.get(line)
            if earlier is None or earlier.progress.is_finished:
                raise
            self._store(options, earlier)
            return self._show_panel(earlier, tr(ALREADY_RUNNING))
        if data and (data in user_variables(self.shell) or not run.dataset):
            run.dataset = data

        def store_report(running: BackgroundEvaluation, report: EvaluationResult) -> None:
            if user_variables(self.shell).get(options.variable) is running:
                self._store(options, report)

        running = BackgroundEvaluation(run, plan.judges, on_report=store_report)
        self._runs_by_line[line] = self._store(options, running)
        return self._show_panel(running, tr(STARTED))

    def do_wait(self, options: Namespace, name: str = "") -> Any:
        from ..views.evaluation.panel import EvaluationPanel  # noqa: PLC0415

        running = self._find_running(name)

        def raise_errors() -> None:
            running.report()  # raises the error that ended the evaluation
            running.progress.raise_if_stopped()

        return wait_in_cell(
            running,
            EvaluationPanel,
            raise_errors,
            tr(CANCELLED),
            is_over=lambda: running.progress.is_finished,
            cancel=running.cancel,
            awaited=options.awaited,
        )

    def do_show(self, options: Namespace, name: str = "") -> Any:
        value = self._find_target(name)
        if _is_report(value):
            return value
        return self._show_panel(self._find_running(name))

    def do_cancel(self, options: Namespace, name: str = "") -> None:
        self._find_running(name).cancel()

    def do_only(self, options: Namespace, data: str = "") -> Any:
        from ..evaluation import EvaluationManager  # noqa: PLC0415
        from ..evaluation.samples import PROMPT  # noqa: PLC0415

        if data and options.data:
            PARSER.error(tr("only: the data once, as a word or by --data"))
        evaluators, judges = evaluate_inputs.resolve_evaluators(self.shell, options)
        rows = evaluate_inputs.resolve_data(self.shell, data or options.data)
        manager = EvaluationManager(local_evaluators=evaluators)

        def score() -> EvaluationResult:
            return manager.eval_only(
                rows,
                output_column=split_names(options.outputs or "llm_output"),
                reference_column=options.reference,
                input_column=options.input or PROMPT,
                cluster=options.cluster or "",
            )

        return self._score_in_background(options, score, judges)

    def do_rescore(self, options: Namespace, name: str = "") -> Any:
        report = self._find_report(name)
        evaluators, judges = evaluate_inputs.resolve_evaluators(self.shell, options)
        return self._score_in_background(options, lambda: report.rescore(evaluators), judges)

    def do_browse(self, options: Namespace, name: str = "") -> Any:
        from ..views.evaluation.sample_browser import browse  # noqa: PLC0415

        self._store(options, browse(self._find_report(name))).show()

    def do_compare(
        self, options: Namespace, name: str = "", base: str = "", tuned: str = ""
    ) -> Any:
        report = self._find_report(name)
        if report.cells and not base:
            return self._store(options, report.matrix())
        return self._store(options, report.card(*filter(None, [base, tuned])))

    def do_save(self, options: Namespace, name: str = "", file: str = "") -> None:
        if not name:
            PARSER.error(tr("save needs a file: %qfeval save REPORT report.html"))
        report = self._find_report(name if file else "")
        print(tr("Saved: {path}", path=report.save(file or name)))  # noqa: T201 - where it is

    def do_load(self, options: Namespace, file: str = "") -> Any:
        from ..evaluation import Report  # noqa: PLC0415

        if not file:
            PARSER.error(tr("load needs a file that `save` wrote as .json"))
        return self._store_result(options, Report.load(file))

    def do_list(self, options: Namespace) -> Any:
        return listing(_evaluation().history(), tr(EMPTY))

    def do_open(self, options: Namespace, id_: str = "") -> Any:
        report = _evaluation().open_report(id_ or None)
        entry = _evaluation().report.archive.find_entry(report.id)
        created = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.created))
        print(" · ".join(filter(None, [entry.id, created, entry.dataset])))  # noqa: T201 - which one it is
        return self._store(options, report)

    def do_trend(self, options: Namespace, metric: str = "") -> Any:
        from ..charts import trend  # noqa: PLC0415

        models = options.model or [None]
        if len(models) > 1:
            PARSER.error(tr("trend takes one -m MODEL, or none for all"))
        name = metric.lower().replace("-", "_") or None
        return self._store(options, trend(name, model=models[0], data=options.data))

    def _show_panel(self, running: BackgroundEvaluation, notice: str = "") -> None:
        from ..views.evaluation.panel import EvaluationPanel  # noqa: PLC0415

        self._newest = running
        EvaluationPanel(running).show(notice)

    def _score_in_background(
        self,
        options: Namespace,
        score: Callable[[], EvaluationResult],
        judges: Sequence[CancellableJudge],
    ) -> Any:
        """Score existing answers without blocking the kernel; return the report."""
        from ..evaluation.background import with_statistics  # noqa: PLC0415

        scoring = asyncio.to_thread(lambda: with_statistics(score()))
        outcome: list[EvaluationResult | BaseException] = []

        async def work() -> None:
            try:
                outcome.extend(await asyncio.gather(scoring, return_exceptions=True))
            except asyncio.CancelledError:
                for judge in judges:
                    judge.cancel()
                raise

        def end(interrupted: bool) -> Any:
            if interrupted or not outcome:
                return None
            if isinstance(outcome[0], BaseException):
                raise outcome[0]
            return self._store_result(options, outcome[0])

        return run_in_cell(work(), end, tr(CANCELLED), awaited=options.awaited)

    def _store(self, options: Namespace, value: T) -> T:
        """Store a value in the variable of `-o`, if one was given."""
        store_variable(self.shell, options.variable, value)
        return value

    def _store_result(self, options: Namespace, report: EvaluationResult) -> EvaluationResult:
        self._newest = self._store(options, report)
        return report

    def _find_target(self, name: str) -> Any:
        """Return the report or the evaluation of a variable, by default the newest; one may be the
        work of `qfnb.compare` or of an EvaluationManager.
        """
        if name:
            return evaluate_inputs.find_report(self.shell, name)
        value = self._newest or evaluate_inputs.find_only_report(self.shell)
        if value is None:
            PARSER.error(
                tr("Nothing evaluated yet: %qfeval MODEL MODEL --data DATA -o report"),
                "%qfeval help",
            )
        return value

    def _find_running(self, name: str) -> BackgroundEvaluation:
        from ..evaluation.background import BackgroundEvaluation  # noqa: PLC0415
        from ..views.panel import RECENT_PANELS  # noqa: PLC0415

        runs = [panel.job for panel in RECENT_PANELS if isinstance(panel.job, BackgroundEvaluation)]
        if runs and not name:
            return runs[-1]
        target = self._find_target(name)
        for running in reversed(runs):
            if running.progress.report is target:
                return running
        if isinstance(target, BackgroundEvaluation):
            return target
        raise InvalidArgumentError(tr("this report is done: %qfeval show shows it"))

    def _find_report(self, name: str) -> EvaluationResult:
        target = self._find_target(name)
        if _is_report(target):
            return target  # type: ignore[no-any-return]
        if not target.progress.is_finished:
            raise InvalidArgumentError(tr("the evaluation is still running: %qfeval wait first"))
        return target.report()  # type: ignore[no-any-return]


def _is_report(value: object) -> bool:
    from ..evaluation.report import EvaluationResult  # noqa: PLC0415 - %load_ext stays fast

    return isinstance(value, EvaluationResult)

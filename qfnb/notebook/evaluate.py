"""`%qfeval`: ask models the same questions, watch it, read the report, look through the answers."""

from __future__ import annotations

import asyncio
import time
from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from IPython.core.magic import line_magic, magics_class, no_var_expand

from ..base.language import tr, tr_noop
from ..errors import InvalidArgumentError
from . import evaluate_inputs, evaluate_plan, parser
from .await_cell import run_in_cell
from .parser import document_magic, store_variable, user_variables, variable_name, variables_of
from .verb_magic import VerbMagics, VerbParser, listing, wait_in_cell

if TYPE_CHECKING:
    from ..evaluation.background import BackgroundEvaluation, CancellableJudge
    from ..evaluation.evaluator import LocalEvaluator
    from ..evaluation.report import EvaluationResult


VERBS = (
    "start", "wait", "show", "cancel", "only", "browse", "rescore", "compare", "save", "load",
    "list", "open", "diff", "trend",
)  # fmt: skip

SCORING_VERBS = ("start", "only", "rescore")  # the verbs that score answers
MODEL_KINDS = frozenset({"Service", "Model", "ChatCompletion", "LLMFinetune"})
PROMPT_KINDS = frozenset({"str", "dict", "list"})
DATA_KINDS = frozenset({"DataFrame", "Dataset", "list"})
REPORT_KINDS = frozenset({"EvaluationResult", "BackgroundEvaluation", "Card", "Diff"})
EVALUATOR_KINDS = frozenset({"LocalEvaluator"})
"""Names of classes whose variables Tab offers."""


def model_names(magics: Any) -> list[str]:
    """Return the names of models: variables that hold one, aliases and preset models."""
    return [*parser.variables_of(magics, MODEL_KINDS), *parser.chat_models(magics)]


def data_variables(magics: Any) -> list[str]:
    """Return the variables that hold rows."""
    return parser.variables_of(magics, DATA_KINDS)


def prompt_variables(magics: Any) -> list[str]:
    """Return the variables that may hold templates."""
    return parser.variables_of(magics, PROMPT_KINDS)


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

    return [*METRIC_NAMES, *parser.variables_of(magics, EVALUATOR_KINDS)]


def benchmark_names(_magics: Any) -> list[str]:
    """Return the benchmarks, each with the colon before its path."""
    from ..evaluation.benchmarks import LOADERS  # noqa: PLC0415

    return [f"{name}:" for name in LOADERS]


def recipe_names(_magics: Any) -> list[str]:
    """Return the recipes by which metrics are counted."""
    from ..metrics import recipes  # noqa: PLC0415

    return [*recipes.RECIPES]


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
        "  %qfeval diff [EARLIER [LATER [MODEL [MODEL]]]]      (on the questions that both have)\n"
        "  %qfeval trend [METRIC] [-m MODEL] [-d DATA]"
    ),
    VERBS,
)
PARSER.add_option(
    "-d", "--data", metavar="DATA",
    help=tr_noop("rows with prompt and response: a variable, a path or ds-...; trend: a name of "
                 "the list"),
    verbs=("start", "only", "trend"), complete=data_variables,
)  # fmt: skip
PARSER.add_option(
    "--benchmark", metavar="NAME:PATH", complete=benchmark_names,
    help=tr_noop("instead of --data: ceval:, cmmlu: or gsm8k: and its folder; with its "
                 "metric"),
)  # fmt: skip
PARSER.add_option(
    "--shots", type=int, metavar="N", help=tr_noop("examples before each question of a benchmark")
)
PARSER.add_option(
    "--split", metavar="NAME", help=tr_noop("which questions of a benchmark: val, test, ...")
)
PARSER.add_option(
    "--subjects", metavar="NAMES", help=tr_noop("subjects of a benchmark, a,b,...; default all")
)
PARSER.add_option(
    "--metrics",
    metavar="NAMES",
    help=tr_noop("a,b,..., functions of the notebook too: the first decides; default "
                 "rouge_l,exact_match"),
    verbs=SCORING_VERBS, complete=metric_names,
)  # fmt: skip
PARSER.add_option(
    "--recipe", metavar="NAME",
    help=tr_noop("how metrics are counted: strict (default), qianfan, llamafactory, sacrebleu-zh"),
    verbs=SCORING_VERBS, complete=recipe_names,
)  # fmt: skip
PARSER.add_option(
    "--judge", metavar="MODELS", help=tr_noop("models that give points, a,b,..."),
    verbs=SCORING_VERBS, complete=model_names,
)  # fmt: skip
PARSER.add_option(
    "--pairwise",
    action="store_true",
    help=tr_noop("--judge says which of two answers is better, asked in both orders"),
    verbs=SCORING_VERBS,
)  # fmt: skip
PARSER.add_option(
    "--fresh", action="store_true", help=tr_noop("ask --judge again what its journal has a "
                                                 "verdict on"),
    verbs=SCORING_VERBS,
)  # fmt: skip
PARSER.add_option(
    "-m", "--model", action="append", metavar="NAME", help=tr_noop("one more model, of any name; "
                                                                   "trend: the model"),
    verbs=("start", "trend"),
    complete=parser.chat_models,
)  # fmt: skip
PARSER.add_option(
    "-e", "--endpoint", action="append", metavar="NAME", help=tr_noop("one more model: a service"),
    complete=parser.endpoints,
)  # fmt: skip
PARSER.add_option(
    "--prompts",
    metavar="NAMES",
    help=tr_noop("variables with templates, a,b,... or one {name: template}: every model is asked "
                 "by each"),
    keyword="prompts", complete=prompt_variables,
)  # fmt: skip
PARSER.add_option(
    "--repeats",
    type=int,
    metavar="N",
    help=tr_noop("answers to each question; default 1"),
    keyword="n",
)
PARSER.add_option(
    "--pass-at",
    type=parse_counts,
    metavar="K,...",
    help=tr_noop("k of pass@k, up to --repeats"),
    keyword="k",
)
PARSER.add_option(
    "--input",
    metavar="COLUMN",
    help=tr_noop("column of the question; default prompt"),
    verbs=("start", "only"),
)
PARSER.add_option(
    "--reference",
    metavar="COLUMN",
    help=tr_noop("column of the expected answer; default response"),
    verbs=("start", "only"),
)
PARSER.add_option(
    "--outputs",
    metavar="COLUMNS",
    help=tr_noop("only: columns with answers; default llm_output"),
    verbs=("only",),
)
PARSER.add_option(
    "--cluster",
    metavar="COLUMN",
    help=tr_noop("column whose equal values mark rows that belong together"),
    verbs=("start", "only"),
)
PARSER.add_option(
    "--system",
    metavar="TEXT",
    help=tr_noop("the system prompt: who the models are"),
    keyword="system",
)
PARSER.add_temperature_option()
PARSER.add_option(
    "--max-tokens",
    type=int,
    metavar="N",
    help=tr_noop("the most tokens of an answer"),
    keyword="max_output_tokens",
)
PARSER.add_option(
    "-w",
    "--workers",
    type=int,
    metavar="N",
    help=tr_noop("how many rows are asked of each model at once; default 8"),
    keyword="workers",
)
PARSER.add_option(
    "--budget",
    type=float,
    metavar="CNY",
    help=tr_noop("what each model may cost"),
    keyword="budget",
)
PARSER.add_option(
    "--budget-tokens",
    type=int,
    metavar="N",
    help=tr_noop("how many tokens each model may use"),
    keyword="budget_tokens",
)
PARSER.add_option(
    "--keep-wrong-rows", action="store_true", help=tr_noop("count rows without content as failed")
)
PARSER.add_option(
    "--dry-run", action="store_true", help=tr_noop("show what it would take; send nothing")
)
PARSER.add_option(
    "-o", dest="variable", type=variable_name, metavar="VAR", help=tr_noop("keep the report in a "
                                                                           "variable"),
    verbs=("start", "only", "rescore", "browse", "load", "compare", "open", "diff", "trend"),
)  # fmt: skip

MAX_WORDS = dict.fromkeys(
    ("wait", "show", "cancel", "only", "browse", "rescore", "load", "open", "trend"), 1
)
MAX_WORDS |= {"compare": 3, "save": 2, "list": 0, "diff": 4}
"""The words that a verb takes at most."""


T = TypeVar("T")

EMPTY: Final = tr_noop(
    "No evaluation yet: `%qfeval MODEL MODEL --data DATA`, or qfnb.compare(...), makes one."
)


class HistoryVerbs(VerbMagics):
    """The part of `%qfeval` for evaluations on disk."""

    def do_list(self, options: Namespace, words: list[str]) -> Any:
        return listing(_evaluation().history(), tr(EMPTY))

    def do_open(self, options: Namespace, words: list[str]) -> Any:
        report = _evaluation().open_report(words[0] if words else None)
        entry = _evaluation().report.archive.find_entry(report.id)
        created = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.created))
        print(" · ".join(filter(None, [entry.id, created, entry.dataset])))  # noqa: T201 - which one it is
        return self._store(options, report)

    def do_diff(self, options: Namespace, words: list[str]) -> Any:
        earlier, later, *models = [*map(self._report_or_id, words[:2]), None, None][:2] + words[2:]
        if not models:
            pair = None
        else:
            pair = (models[0], models[-1])
        return self._store(options, _evaluation().diff(earlier, later, pair))

    def do_trend(self, options: Namespace, words: list[str]) -> Any:
        from ..charts import trend  # noqa: PLC0415

        models = options.model or [None]
        if len(models) > 1:
            PARSER.error(tr("trend takes one -m MODEL, or none for all"))
        if not words:
            metric = None
        else:
            metric = words[0].lower().replace("-", "_")
        return self._store(options, trend(metric, model=models[0], data=options.data))

    def complete_history(self, verb: str) -> list[str]:
        """Return the completions behind a verb, or behind an id."""
        entries = _evaluation().report.archive.list_entries()
        if verb == "trend":
            return [*dict.fromkeys(name for entry in entries for name in entry.metrics)]
        if verb == "open":
            reports = []
        else:
            reports = variables_of(self, REPORT_KINDS)
        return [*(entry.id for entry in entries), *reports]

    def _report_or_id(self, word: str) -> Any:
        if word in user_variables(self.shell):
            return evaluate_inputs.find_report(self.shell, word)
        return word

    def _store(self, options: Namespace, value: T) -> T:
        """Store a value in the variable of `-o`, if one was given."""
        if options.variable:
            store_variable(self.shell, options.variable, value)
        return value


def _evaluation() -> Any:
    """Return the library's part, which is imported when a verb needs it."""
    from .. import evaluation  # noqa: PLC0415 - %load_ext stays fast

    return evaluation


CANCELLED = tr_noop(
    "Cancelled. Answers are kept; the same cell again asks the remaining questions."
)
ALREADY_RUNNING = tr_noop("This evaluation is running already; `%qfeval wait` shows the report.")


@magics_class
class EvalMagics(HistoryVerbs):
    """The verbs of `%qfeval`."""

    parser = PARSER

    def __init__(self, shell: Any) -> None:
        super().__init__(shell)
        self._runs_by_line: dict[str, BackgroundEvaluation] = {}
        self._newest: BackgroundEvaluation | EvaluationResult | None = None

    @no_var_expand
    @line_magic
    @PARSER.speak
    def qfeval(self, line: str) -> Any:
        return self.run_line(line)

    def _split_verb(self, line: str) -> tuple[str, str]:
        if line.split()[:1] == ["history"] and "history" not in user_variables(self.shell):
            text = tr(
                "%qfeval has no verb history: `list` shows the evaluations, `trend` draws them"
            )
            PARSER.error(text, "%qfeval list")
        return super()._split_verb(line)

    def _parse_target(self, verb: str, line: str) -> tuple[Namespace, list[str]]:
        """Return the options behind a verb, and its words."""
        options, words = PARSER.parse_words(line)
        if len(words) > MAX_WORDS.get(verb, len(words)) and not options.help:
            word = repr(words[MAX_WORDS[verb]][:40])
            PARSER.error(tr("unexpected {word} behind %qfeval {verb}", word=word, verb=verb))
        return options, words

    def complete_word(self, previous: str) -> list[str]:
        """Return the completions: verbs and models at first, data or reports behind a verb, else
        models.
        """
        if previous.endswith("qfeval"):
            return [*PARSER.verbs, *model_names(self)]
        if previous == "only":
            return data_variables(self)
        if previous in {"open", "diff", "trend"} or previous.startswith("eval-"):
            return self.complete_history(previous)
        if previous in {*VERBS} - {"start", "load", "list"}:
            return parser.variables_of(self, REPORT_KINDS)
        if previous in {"load", "list"} or previous.startswith("-"):
            return []
        return model_names(self)

    def do_start(self, options: Namespace, words: list[str]) -> Any:
        from ..batching.journal_reader import JournalInUse  # noqa: PLC0415 - %load_ext stays fast
        from ..views.evaluation.panel import STARTED  # noqa: PLC0415

        models = evaluate_inputs.resolve_models(
            self.shell, words, options.model or (), options.endpoint or ()
        )
        evaluate_plan.read_benchmark(options)
        evaluators, judges = self._evaluators(options)
        arguments = self._arguments(options)
        rows = self._rows(options, evaluators, arguments.get("prompts", {}))
        if options.dry_run:
            return evaluate_plan.estimate_table(
                models, rows, judges, arguments, is_pairwise=options.pairwise
            )
        line = repr((words, sorted(vars(options).items())))
        try:
            running = self._start_run(options, models, rows, evaluators, judges, arguments)
            notice = tr(STARTED)
        except JournalInUse:
            earlier = self._runs_by_line.get(line)
            if earlier is None or earlier.progress.is_finished:
                raise
            running = earlier
            notice = tr(ALREADY_RUNNING)
        self._runs_by_line[line] = running
        self._show_panel(running, notice)
        return None

    def _start_run(
        self,
        options: Namespace,
        models: list[Any],
        rows: Any,
        evaluators: list[LocalEvaluator],
        judges: list[CancellableJudge],
        arguments: dict[str, Any],
    ) -> BackgroundEvaluation:
        """Start the evaluation; its report replaces it in the variable at the end."""
        from ..evaluation import EvaluationManager  # noqa: PLC0415
        from ..evaluation.background import BackgroundEvaluation  # noqa: PLC0415

        manager = EvaluationManager(local_evaluators=evaluators)
        run = manager.start(models, rows, cluster=options.cluster or "", **arguments)
        if isinstance(options.data, str) and (
            options.data in user_variables(self.shell) or not run.dataset
        ):
            run.dataset = options.data
        running = BackgroundEvaluation(run, judges, on_report=self._store_report(options))
        return self._store(options, running)

    def _store_report(
        self, options: Namespace
    ) -> Callable[[BackgroundEvaluation, EvaluationResult], None]:
        """Return a callback that puts the report into the variable, if that still holds its
        evaluation.
        """

        def store(running: BackgroundEvaluation, report: EvaluationResult) -> None:
            if options.variable and user_variables(self.shell).get(options.variable) is running:
                store_variable(self.shell, options.variable, report)

        return store

    def do_wait(self, options: Namespace, words: list[str]) -> Any:
        from ..views.evaluation.panel import EvaluationPanel  # noqa: PLC0415

        running = self._find_running(words)

        def raise_errors() -> None:
            running.report()  # raises the error that ended the evaluation
            running.progress.raise_if_stopped()

        work = _wait_until_over(running)
        return wait_in_cell(
            running, EvaluationPanel, work, raise_errors, tr(CANCELLED), awaited=options.awaited
        )

    def do_show(self, options: Namespace, words: list[str]) -> Any:
        value = self._find_target(words)
        if _is_report(value):
            return value
        return self._show_panel(self._find_running(words))

    def do_cancel(self, options: Namespace, words: list[str]) -> None:
        self._find_running(words).cancel()

    def do_only(self, options: Namespace, words: list[str]) -> Any:
        from ..evaluation import EvaluationManager  # noqa: PLC0415
        from ..evaluation.samples import PROMPT  # noqa: PLC0415

        if words and options.data:
            PARSER.error(tr("only: the data once, as a word or by --data"))
        evaluators, judges = self._evaluators(options)
        rows = evaluate_inputs.resolve_data(self.shell, words[0] if words else options.data)
        manager = EvaluationManager(local_evaluators=evaluators)

        def score() -> EvaluationResult:
            return manager.eval_only(
                rows,
                output_column=[*filter(None, (options.outputs or "llm_output").split(","))],
                reference_column=options.reference,
                input_column=options.input or PROMPT,
                cluster=options.cluster or "",
            )

        return self._score_in_background(options, score, judges)

    def do_rescore(self, options: Namespace, words: list[str]) -> Any:
        report = self._find_report(words)
        evaluators, judges = self._evaluators(options)
        return self._score_in_background(options, lambda: report.rescore(evaluators), judges)

    def do_browse(self, options: Namespace, words: list[str]) -> Any:
        from ..views.evaluation.sample_browser import browse  # noqa: PLC0415

        self._store(options, browse(self._find_report(words))).show()

    def do_compare(self, options: Namespace, words: list[str]) -> Any:
        report = self._find_report(words[:1])
        is_matrix = report.cells and not words[1:]
        return self._store(options, report.matrix() if is_matrix else report.card(*words[1:3]))

    def do_save(self, options: Namespace, words: list[str]) -> None:
        if not words:
            PARSER.error(tr("save needs a file: %qfeval save REPORT report.html"))
        path = self._find_report(words[:-1]).save(words[-1])
        print(tr("Saved: {path}", path=path))  # noqa: T201 - where it is

    def do_load(self, options: Namespace, words: list[str]) -> Any:
        from ..evaluation import Report  # noqa: PLC0415

        if not words:
            PARSER.error(tr("load needs a file that `save` wrote as .json"))
        return self._store_result(options, Report.load(words[0]))

    def _show_panel(self, running: BackgroundEvaluation, notice: str = "") -> None:
        from ..views.evaluation.panel import EvaluationPanel  # noqa: PLC0415

        self._newest = running
        EvaluationPanel(running).show(notice)

    def _evaluators(
        self, options: Namespace
    ) -> tuple[list[LocalEvaluator], list[CancellableJudge]]:
        judges, judging = evaluate_plan.resolve_judges(
            self.shell, options.judge, is_pairwise=options.pairwise, fresh=options.fresh
        )
        metrics = evaluate_inputs.resolve_evaluators(
            self.shell, options.metrics, options.recipe, bool(judges)
        )
        return [*metrics, *judging], judges

    def _arguments(self, options: Namespace) -> dict[str, Any]:
        """Return the arguments of `EvaluationManager.start` that a line sets."""
        arguments = PARSER.keywords(options)
        arguments["worker_num"] = arguments.pop("workers", 8)
        if options.prompts is not None:
            arguments["prompts"] = evaluate_plan.resolve_prompts(self.shell, options.prompts)
        return arguments

    def _rows(
        self, options: Namespace, evaluators: Sequence[Any], templates: Mapping[str, str]
    ) -> Any:
        loaded = evaluate_inputs.load_questions(
            self.shell, options.data, options.input, options.reference
        )
        return evaluate_inputs.prepare_questions(
            *loaded,
            is_reference_needed=any(evaluator.needs_reference for evaluator in evaluators),
            keep_empty=options.keep_wrong_rows,
            template_columns=evaluate_plan.template_columns(templates),
        )

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

    def _store_result(self, options: Namespace, report: EvaluationResult) -> EvaluationResult:
        self._newest = self._store(options, report)
        return report

    def _find_target(self, words: Sequence[str]) -> Any:
        if words:
            value = evaluate_inputs.find_report(self.shell, words[0])
        else:
            value = self._newest
        if value is None:  # a report may be the work of `qfnb.compare` or of an EvaluationManager
            value = evaluate_inputs.find_only_report(self.shell)
        if value is None:
            PARSER.error(
                tr("Nothing evaluated yet: %qfeval MODEL MODEL --data DATA -o report"),
                "%qfeval help",
            )
        return value

    def _find_running(self, words: Sequence[str]) -> BackgroundEvaluation:
        from ..evaluation.background import BackgroundEvaluation  # noqa: PLC0415
        from ..views.panel import RECENT_PANELS  # noqa: PLC0415

        runs = [panel.job for panel in RECENT_PANELS if isinstance(panel.job, BackgroundEvaluation)]
        if words or not runs:
            target = self._find_target(words)
        else:
            target = runs[-1]
        if isinstance(target, BackgroundEvaluation):
            return target
        matches = [run for run in runs if run.progress.report is target]
        if not matches:
            raise InvalidArgumentError(tr("this report is done: %qfeval show shows it"))
        return matches[-1]

    def _find_report(self, words: Sequence[str]) -> EvaluationResult:
        target = self._find_target(words)
        if _is_report(target):
            return target  # type: ignore[no-any-return]
        if not target.progress.is_finished:
            raise InvalidArgumentError(tr("the evaluation is still running: %qfeval wait first"))
        return target.report()  # type: ignore[no-any-return]


def _is_report(value: object) -> bool:
    from ..evaluation.report import EvaluationResult  # noqa: PLC0415 - %load_ext stays fast

    return isinstance(value, EvaluationResult)


async def _wait_until_over(running: BackgroundEvaluation) -> None:
    """Wait for the end of an evaluation; an interrupt cancels its batches."""
    try:
        while not running.progress.is_finished:
            await asyncio.sleep(0.05)
    except asyncio.CancelledError:
        running.cancel()
        for _ in range(14):  # what is there is scored in the time that an interrupted cell has
            if running.progress.is_finished:
                break
            await asyncio.sleep(0.05)
        raise


document_magic(EvalMagics.qfeval, PARSER)

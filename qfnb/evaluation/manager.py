"""Ask models the same questions, score the answers, compare two models or prompts times models.
Source: seed 000 (EvaluationManager).
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final, Unpack, overload

from ..base.language import tr
from ..base.text import is_missing
from ..batching.batch import Batch
from ..errors import InvalidArgumentError
from ..metrics import recipes
from ..model import Model
from ..resources.inference.arguments import ChatOptions
from . import platform, scoring_run
from .benchmarks import Benchmark
from .evaluator import LocalEvaluator, QianfanEvaluator, ScoringFunction, to_evaluator
from .judges import PairwiseJudge
from .local_evaluators import evaluators_by_name
from .report import EvaluationResult
from .report.card import Card
from .report.matrix import Matrix
from .run import EvaluationRun, RunOptions, build_report
from .samples import (
    AS_IT_IS,
    PROMPT,
    Prompts,
    Questions,
    data_label,
    label_in_notebook,
    parse_prompts,
    prompted_questions,
    questions_of,
    rows_of,
    to_dataset,
    to_text,
    trained_model,
    unique_labels,
    validate_repeats,
)


class EvaluationOptions(ChatOptions, total=False):
    """How questions are asked, as `EvaluationManager.start` takes it; the others are options of
    `ChatCompletion.do`, for all questions.
    """

    worker_num: int
    budget: float | None
    budget_tokens: int | None
    cluster: str
    n: int
    k: int | Sequence[int] | None


class EvaluationManager:
    """Evaluate models on a dataset.

    Args:
        local_evaluators: evaluators that run here, or functions as in `compare`.
        qianfan_evaluators: evaluators of the platform, one of each kind at most.
        pre_processors: functions that every answer goes through before local evaluators see it;
            called with the answer, `input=` and `reference=`.

    Raises:
        InvalidArgumentError: both kinds of evaluators are given, or none, one of the platform
            twice, or two for the same metric.
    """

    def __init__(
        self,
        local_evaluators: Sequence[LocalEvaluator | ScoringFunction] | None = None,
        qianfan_evaluators: Sequence[QianfanEvaluator] | None = None,
        pre_processors: Sequence[scoring_run.PreProcessor] | None = None,
    ) -> None:
        if bool(local_evaluators) == bool(qianfan_evaluators):
            raise InvalidArgumentError(
                tr(
                    "give local_evaluators=[...] or qianfan_evaluators=[...], one of the two: "
                    "e.g. EvaluationManager(local_evaluators=[ExactMatchEvaluator()])"
                )
            )
        self.local_evaluators = [to_evaluator(evaluator) for evaluator in local_evaluators or ()]
        self.qianfan_evaluators = list(qianfan_evaluators or ())
        if self.local_evaluators:
            scoring_run.validate_evaluators(self.local_evaluators)
        self.pre_processors = list(pre_processors or ())
        kinds = [type(evaluator).__name__ for evaluator in self.qianfan_evaluators]
        for name in kinds:
            if kinds.count(name) > 1:
                raise InvalidArgumentError(
                    tr("two {name}: the platform takes one of each kind", name=name)
                )

    def eval(
        self,
        llms: Iterable[Any],
        dataset: Questions,
        *,
        prompts: Prompts | None = None,
        **options: Unpack[EvaluationOptions],
    ) -> EvaluationResult | None:
        """Ask every model every question of the dataset, and score the answers.

        A question that fails is reported as failed, never scored as a wrong answer. Answers are
        journalled: the same call again sends only the questions without an answer.

        Args:
            llms: services, published models, trainers or `ChatCompletion`s, the baseline first.
            dataset: rows with prompt and response: a Dataset, a DataFrame or a list of
                dictionaries.
            prompts: see `start`, for local evaluators only.
            **options: those of `start`.

        Returns:
            The report; None when people have to judge on the platform first.

        Raises:
            InvalidArgumentError: models or questions are missing, the evaluators cannot judge such
                models, or a prompt, n or k is wrong.
        """
        if not self.qianfan_evaluators:
            return self.start(llms, dataset, prompts=prompts, **options).report()
        if prompts is not None or options.get("n", 1) != 1:
            raise InvalidArgumentError(
                tr("prompts= and n= are for local_evaluators: the platform asks each question once")
            )
        models = [*map(trained_model, llms)]
        if not models:
            raise InvalidArgumentError(tr("nothing to evaluate: there is no model"))
        return platform.evaluate_on_platform(self.qianfan_evaluators, models, to_dataset(dataset))

    def start(
        self,
        llms: Iterable[Any] | Mapping[str, Any],
        dataset: Questions,
        *,
        worker_num: int = 8,
        budget: float | None = None,
        budget_tokens: int | None = None,
        cluster: str = "",
        prompts: Prompts | None = None,
        n: int = 1,
        k: int | Sequence[int] | None = None,
        **options: Unpack[ChatOptions],
    ) -> EvaluationRun:
        """Start what `eval` does, and return at once; `.report()` waits.

        Args:
            llms: as in `eval`, or models by label.
            dataset: as in `eval`.
            worker_num: questions at a time for each model.
            budget: CNY that each model may cost; questions beyond it are failed rows.
            budget_tokens: tokens that each model may use, for models without a known price.
            cluster: a column whose rows belong together, which intervals and tests then account
                for.
            prompts: templates over the columns, `{name: "...{prompt}..."}` or a list: every model
                answers every question by each of them, and they share what a model may cost.
            n: answers to each question, by each model and prompt.
            k: of pass@k, 1 to n; by default 1 and n.
            **options: of `ChatCompletion.do`, for all questions.

        Raises:
            InvalidArgumentError: models or questions are missing, a prompt, n or k is wrong, or the
                evaluators are the platform's.
        """
        self._require_local_evaluators("start")
        cluster = cluster or getattr(dataset, "cluster", "")
        templates = {} if prompts is None else parse_prompts(prompts)
        ks = validate_repeats(n, k)
        models = llms if isinstance(llms, Mapping) else [*llms]
        rows = rows_of(dataset)
        if not models or not rows:
            raise InvalidArgumentError(
                tr(
                    "nothing to evaluate: {models} models, {questions} questions",
                    models=len(models),
                    questions=len(rows),
                )
            )
        if len(models) * max(1, len(templates)) < 2:
            for evaluator in self.local_evaluators:
                if isinstance(evaluator, PairwiseJudge):
                    evaluator.compare_answers([])  # raises: there is nothing to compare
        if templates:
            prompted = prompted_questions(rows, templates, cluster)
        else:
            prompted = {"": questions_of(rows, cluster=cluster)}
        build = partial(
            build_report,
            evaluators=self.local_evaluators,
            pre_processors=self.pre_processors,
            cluster=cluster,
            prompts=templates,
            ks=ks,
            **getattr(dataset, "report_fields", {}),
        )
        run_options = RunOptions(worker_num, budget, budget_tokens, n, options)
        return EvaluationRun(_by_label(models), prompted, dataset, run_options, build)

    def eval_only(
        self,
        dataset: Questions,
        *,
        output_column: str | Sequence[str] = "llm_output",
        reference_column: str | None = None,
        input_column: str = PROMPT,
        model: str | Sequence[str] | None = None,
        cluster: str = "",
    ) -> EvaluationResult:
        """Score outputs that exist already, without a call of any model.

        A missing cell (None, NaN) is a failed row; its reason is the row's `error`, if it has one.

        Args:
            dataset: a Dataset, a DataFrame, a batch, or a list of dictionaries.
            output_column: the column with the outputs; several columns are several models.
            reference_column: the column with the expected answers, default `response`,
                `expected_output`, ...
            input_column: the column with the questions.
            model: a label for each output column, default the columns' names, of a batch its
                model's.
            cluster: a column whose rows belong together.

        Raises:
            InvalidArgumentError: a column or the rows are missing.
        """
        self._require_local_evaluators("eval_only")
        rows = rows_of(dataset)
        batch = dataset.job.request if isinstance(dataset, Batch) else None
        if batch and not model:
            model = batch.endpoint or batch.model
        outputs = [output_column] if isinstance(output_column, str) else [*output_column]
        labels = [model] if isinstance(model, str) else [*(model or outputs)]
        if not rows or not outputs or len(labels) != len(outputs):
            raise InvalidArgumentError(
                tr(
                    "{rows} rows, {columns} output columns, {labels} labels: "
                    "there must be rows, and a label for each column",
                    rows=len(rows),
                    columns=len(outputs),
                    labels=len(labels),
                )
            )
        questions = questions_of(rows, input_column, reference_column, outputs, cluster)
        samples = []
        for label, column in zip(unique_labels(labels), outputs, strict=True):
            for question, row in zip(questions, rows, strict=True):
                error = _missing_reason(row, column)
                samples.append(question.to_sample(label, to_text(row.get(column)), error=error))
        return build_report(
            samples,
            self.local_evaluators,
            self.pre_processors,
            cluster=cluster,
            origins=dict.fromkeys(labels, batch.platform) if batch else {},
            dataset=data_label(dataset),
        )

    @staticmethod
    def fetch(task: str) -> EvaluationResult | None:
        """Return the report of an evaluation on the platform by its id, `ame-...`, waiting for its
        end.

        None when people have to judge there first.

        Raises:
            QianfanError: none of its models could be evaluated.
        """
        return platform.fetch_report(task)

    def _require_local_evaluators(self, name: str) -> None:
        if self.qianfan_evaluators:
            raise InvalidArgumentError(
                tr("{name}() is for local_evaluators: those of the platform run there", name=name)
            )


def _missing_reason(row: Mapping[str, Any], column: str) -> str:
    """Return why a row has no output, "" when it has one."""
    if not is_missing(row.get(column)):
        return ""
    reasons = [to_text(row.get(name)) for name in ("error", "message")]
    return ": ".join(filter(None, reasons)) or f"NoOutput: {tr('the cell is empty')}"


def _by_label(models: Mapping[str, Any] | Sequence[Any]) -> dict[str, Any]:
    """Return what is asked by its label: of trainers the models that they have trained."""
    named = models if isinstance(models, Mapping) else dict(enumerate(models))
    targets = [trained_model(model) for model in named.values()]
    for target in targets:
        if isinstance(target, Model) and not target.name:
            target.auto_complete_info()
    labels = [*named]
    if not isinstance(models, Mapping):
        labels = [*unique_labels([label_in_notebook(model) for model in models])]
    return dict(zip(labels, targets, strict=True))


Metric = str | LocalEvaluator | ScoringFunction
DEFAULT_METRICS: Final = ("rouge_l", "exact_match")


@overload
def compare(
    base: Any,
    tuned: Any,
    dataset: Questions,
    *,
    metrics: Sequence[Metric] | None = None,
    recipe: str = recipes.DEFAULT,
    **options: Unpack[EvaluationOptions],
) -> Card: ...
@overload
def compare(
    *,
    dataset: Questions,
    models: Sequence[Any],
    prompts: Prompts | None = None,
    metrics: Sequence[Metric] | None = None,
    recipe: str = recipes.DEFAULT,
    **options: Unpack[EvaluationOptions],
) -> Matrix: ...
def compare(
    base: Any = None,
    tuned: Any = None,
    dataset: Questions | None = None,
    *,
    models: Sequence[Any] | None = None,
    prompts: Prompts | None = None,
    metrics: Sequence[Metric] | None = None,
    recipe: str = recipes.DEFAULT,
    **options: Any,
) -> Card | Matrix:
    """Ask two models the same questions, and return a card: better, worse or cannot tell, and the
    evidence.

    With `models` and `prompts` every model answers every question by every prompt, and a matrix is
    returned: the cells with their intervals, the effect of prompts and of models, and the best
    cell.

    Args:
        base: a service, a model, a trainer, a `ChatCompletion` or the name of a preset model.
        tuned: likewise.
        dataset: rows with prompt and response that neither model was trained on, or a benchmark of
            `evaluation.benchmarks`.
        models: instead of `base` and `tuned`, any number of such models, the baseline first.
        prompts: templates over the columns of the data, `{name: "...{prompt}..."}`, or a list of
            them; the first is the baseline.
        metrics: names (`rouge_l`, `bleu4`, ...), evaluators, or functions of your own that take any
            of `input`, `reference` and `output` and return a number; the first decides. Default
            those of a benchmark, else `rouge_l` and `exact_match`.
        recipe: how named metrics are counted.
        **options: those of `EvaluationManager.start`: `n` answers to each question, by each model
            and prompt (intervals and tests count questions, not answers), and `k` of pass@k;
            `cluster`, a column whose rows belong together (of a benchmark with six subjects or
            more, the subject); `worker_num`, `budget`, `budget_tokens`; the others are those of
            `ChatCompletion.do`, for all questions.

    Raises:
        InvalidArgumentError: models or questions are missing, a metric, a prompt, n or k is wrong,
            or a model cannot be asked.
    """
    if isinstance(models, str) or (models is not None and not isinstance(models, Sequence)):
        raise InvalidArgumentError(tr("models={value!r}: it is a list", value=models))
    if dataset is None:
        raise InvalidArgumentError(
            tr("which questions? Give dataset=[...], rows with prompt and response")
        )
    if models is not None and (base is not None or tuned is not None):
        raise InvalidArgumentError(tr("give base and tuned, or models=[...], not both"))
    if metrics is None:
        metrics = dataset.metrics if isinstance(dataset, Benchmark) else DEFAULT_METRICS
    manager = EvaluationManager(local_evaluators=resolve_evaluators(metrics, recipe))
    if models is None and prompts is None:
        return manager.start([base, tuned], dataset, **options).report().card()
    if models is None:
        models = [model for model in (base, tuned) if model is not None]
    templates = {"prompt": AS_IT_IS} if prompts is None else prompts
    return manager.start(models, dataset, prompts=templates, **options).report().matrix()


def resolve_evaluators(
    metrics: Sequence[Metric], recipe: str = recipes.DEFAULT
) -> list[LocalEvaluator]:
    """Return the evaluators of metrics by name, of functions, and those that are evaluators
    already.

    Raises:
        InvalidArgumentError: it is no list, or a metric is unknown.
    """
    if isinstance(metrics, str) or not isinstance(metrics, Sequence) or not metrics:
        raise InvalidArgumentError(
            tr(
                "metrics={value}: it is a list, e.g. {example}",
                value=repr(metrics),
                example=list(DEFAULT_METRICS),
            )
        )
    evaluators = []
    for metric in metrics:
        if isinstance(metric, str):
            evaluators += evaluators_by_name([metric], recipe)
        else:
            evaluators.append(to_evaluator(metric))
    return evaluators

"""Ask models the same questions, score the answers, compare two models. Source: seed 000
(EvaluationManager).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Unpack

from ..base.language import tr
from ..base.text import is_missing
from ..batching.batch import Batch
from ..errors import InvalidArgumentError
from ..resources.inference.arguments import ChatOptions
from . import platform, scoring_run
from .comparing_evaluator import ComparingEvaluator
from .evaluator import LocalEvaluator, QianfanEvaluator, ScoringFunction, to_evaluator
from .prompts import Prompts, parse_prompts, prompted_questions, validate_repeats
from .report import EvaluationResult
from .run import EvaluationRun, RunOptions, build_report
from .samples import (
    PROMPT,
    Questions,
    data_label,
    questions_of,
    rows_of,
    to_dataset,
    to_text,
    trained_model,
    unique_labels,
)


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
        kinds = [type(evaluator) for evaluator in self.qianfan_evaluators]
        if duplicate := next((kind for kind in kinds if kinds.count(kind) > 1), None):
            raise InvalidArgumentError(
                tr("two {name}: the platform takes one of each kind", name=duplicate.__name__)
            )

    def eval(
        self,
        llms: Iterable[Any],
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
    ) -> EvaluationResult | None:
        """Ask every model every question of the dataset, and score the answers.

        A question that fails is reported as failed, never scored as a wrong answer. Answers are
        journalled: the same call again sends only the questions without an answer.

        Args:
            llms: services, published models, trainers or `ChatCompletion`s, the baseline first.
            dataset: rows with prompt and response: a Dataset, a DataFrame or a list of
                dictionaries.
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

        Returns:
            The report; None when people have to judge on the platform first.

        Raises:
            InvalidArgumentError: models or questions are missing, the evaluators cannot judge such
                models, or a prompt, n or k is wrong.
        """
        if not self.qianfan_evaluators:
            run = self.start(
                llms,
                dataset,
                worker_num=worker_num,
                budget=budget,
                budget_tokens=budget_tokens,
                cluster=cluster,
                prompts=prompts,
                n=n,
                k=k,
                **options,
            )
            return run.report()
        if prompts is not None or n != 1:
            raise InvalidArgumentError(
                tr("prompts= and n= are for local_evaluators: the platform asks each question once")
            )
        if not (models := [*map(trained_model, llms)]):
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
        """Start what `eval` does, with the same arguments or models by label, and return at once;
        `.report()` waits.

        Raises:
            InvalidArgumentError: models or questions are missing, a prompt, n or k is wrong, or the
                evaluators are the platform's.
        """
        self._require_local_evaluators("start")
        cluster = cluster or getattr(dataset, "cluster", "")
        if prompts is None:
            templates = {}
        else:
            templates = parse_prompts(prompts)
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
        if len(models) * len(templates or " ") < 2:
            for evaluator in self.local_evaluators:
                if isinstance(evaluator, ComparingEvaluator):
                    evaluator.compare_answers([])  # raises: there is nothing to compare
        if templates:
            prompted = prompted_questions(rows, templates, cluster)
        else:
            prompted = {}
        if prompted:
            questions = next(iter(prompted.values()))
        else:
            questions = questions_of(rows, cluster=cluster)
        run = EvaluationRun(
            questions,
            self.local_evaluators,
            self.pre_processors,
            cluster=cluster,
            prompted=prompted,
            prompts=templates,
            ks=ks,
            **getattr(dataset, "report_fields", {}),
        )
        run.start(models, dataset, RunOptions(worker_num, budget, budget_tokens, options, n))
        return run

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
        if isinstance(output_column, str):
            outputs = [output_column]
        else:
            outputs = list(output_column)
        if not isinstance(dataset, Batch):
            batch = None
        else:
            batch = dataset.job.request
        model = model or (batch.endpoint or batch.model if batch else None)
        if isinstance(model, str):
            labels = [model]
        else:
            labels = list(model or outputs)
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
        samples = [
            question.to_sample(label, to_text(row.get(column)), error=_missing_reason(row, column))
            for label, column in zip(unique_labels(labels), outputs, strict=True)
            for question, row in zip(questions, rows, strict=True)
        ]
        if batch:
            origins = dict.fromkeys(labels, batch.platform)
        else:
            origins = {}
        return build_report(
            samples,
            self.local_evaluators,
            self.pre_processors,
            cluster=cluster,
            origins=origins,
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
    parts = [to_text(row.get(name)) for name in ("error", "message")]
    return ": ".join(part for part in parts if part) or f"NoOutput: {tr('the cell is empty')}"

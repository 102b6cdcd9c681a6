"""Earlier evaluations: listed, opened again, and compared with each other on the questions that
both have.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from .._tables import frame_class
from ..base.language import tr, trn
from ..base.text import did_you_mean, labelled
from ..errors import InvalidArgumentError
from .report import EvaluationResult, archive, text
from .report.files import Findings
from .samples import Sample

if TYPE_CHECKING:
    import pandas as pd

HISTORY_COLUMNS: Final = (
    "id", "created", "dataset", "digest", "questions", "models", "metrics", "scores", "failed",
    "sandbox",
    "sandbox_models", "problem",
)  # fmt: skip


def history() -> pd.DataFrame:
    """Return every evaluation of this user as a DataFrame, the newest first.

    Columns: id, created, dataset (its name), digest (of its questions and references), questions,
    models, metrics, scores ({model: {metric: mean}}), failed (questions without an answer), sandbox
    (whether it answered), sandbox_models (for which models it did), problem (why a file cannot be
    read). The newest 200 are kept, up to 200 MB, in the folder `history` of the state folder.
    """
    import pandas as pd  # noqa: PLC0415 - 0.3 s that only tables should pay

    rows = []
    for entry in archive.list_entries():
        row: dict[str, Any] = {name: getattr(entry, name, None) for name in HISTORY_COLUMNS}
        for name in ("models", "metrics", "sandbox_models"):
            row[name] = [*getattr(entry, name)]
        row["created"] = pd.Timestamp.fromtimestamp(entry.created).floor("s")
        row["sandbox"] = entry.from_sandbox
        row["scores"] = {}
        for model, means in entry.scores.items():
            row["scores"][model] = {name: mean for name, (mean, *_) in means.items()}
        rows.append(row)
    frame: pd.DataFrame = frame_class("HistoryTable")(
        pd.DataFrame(rows, columns=list(HISTORY_COLUMNS))
    )
    return frame


def open_report(id: str | None = None) -> EvaluationResult:  # noqa: A002
    """Return the report of an earlier evaluation; it shows, saves and exports what the fresh one
    did.

    Args:
        id: of `history()`, or its beginning; default the newest.

    Raises:
        InvalidArgumentError: there is no such evaluation, or its file is damaged.
    """
    return EvaluationResult(**archive.read_fields(archive.find_entry(id or _newest().id)))


@dataclass(frozen=True, repr=False)
class Diff(Findings):
    """Two evaluations, compared on the questions that both have.

    Attributes:
        earlier, later: ids.
        shared: the number of questions that both have.
        only_earlier, only_later: the numbers of questions that only one has.
        remarks: what is not the same in both besides the models.
        report: both on the shared questions; its `compared` pairs are those of a model then and
            now.
    """

    earlier: str
    later: str
    shared: int
    only_earlier: int
    only_later: int
    remarks: tuple[str, ...]
    report: EvaluationResult = field(repr=False, compare=False)

    def lines(self) -> list[str]:
        """Return the comparison as lines of text."""
        report = self.report
        lines = [self.shared_sentence(), self.which(), *self.remarks]
        others = []
        units = []
        for pair in report.comparisons:
            if pair.metric != report.metric_names[0]:
                others.append(text.comparison_sentence(pair))
                continue
            lines += [text.comparison_sentence(pair), text.counts_sentence(pair)]
            lines += text.power_sentences(pair)
            units.append(pair.test.interval.units)
        rough = text.rough_sentence(units, is_clustered=bool(report.cluster))
        return [*filter(None, [*lines, *others, rough])]

    def shared_sentence(self) -> str:
        """Return how many questions are in both, and how many are not."""
        if not self.only_earlier and not self.only_later:
            return trn(
                "Both have the same {n} question.", "Both have the same {n} questions.", self.shared
            )
        return tr(
            "{shared} questions are in both and are compared; {earlier} only in the earlier "
            "evaluation, "
            "{later} only in the later one.",
            shared=f"{self.shared:,}",
            earlier=f"{self.only_earlier:,}",
            later=f"{self.only_later:,}",
        )

    def which(self) -> str:
        """Return the ids of both."""
        return f"{self.earlier} → {self.later}"


def diff(
    earlier: str | EvaluationResult | None = None,
    later: str | EvaluationResult | None = None,
    models: tuple[str, str] | None = None,
) -> Diff:
    """Compare two evaluations on the questions that both have, by question, reference and
    conversation.

    Every model of both is compared with itself, then and now; where they share none, their last
    models are compared.

    Args:
        earlier: an id of `history()` or a report; default the one before `later` with the same
            questions.
        later: likewise; default the newest.
        models: one of each to compare instead.

    Raises:
        InvalidArgumentError: an evaluation or a model does not exist, or they share no question or
            no metric.
    """
    after = _resolve(later or _newest().id)
    before = _resolve(earlier or _previous(after).id)
    if before.id == after.id:
        raise InvalidArgumentError(
            tr("{id} is one evaluation: a comparison takes two", id=before.id)
        )
    positions = _match_questions(before, after)
    pairs = _pair_models(before, after, models)
    metrics, remarks = _shared_metrics(before, after)
    records: list[Sample] = []
    origins: dict[str, str] = {}
    compared = []
    for pair in pairs:
        labels = tr("{model} (earlier)", model=pair[0]), tr("{model} (later)", model=pair[1])
        compared.append(labels)
        sides = ((before, [*positions]), (after, [*positions.values()]))
        for model, label, (report, indexes) in zip(pair, labels, sides, strict=True):
            position = {index: number for number, index in enumerate(indexes)}
            records += [
                replace(sample, model=label, index=position[sample.index])
                for sample in report.records
                if sample.model == model and sample.index in position
            ]
            if model in report.origins:
                origins[label] = report.origins[model]
    report = replace(
        after,
        records=tuple(records),
        models=tuple(label for labels in compared for label in labels),
        metric_names=metrics,
        origins=origins,
        notes=tuple(dict.fromkeys([*before.notes, *after.notes])),
        platform={},
        summaries={},
        verdicts=(),
        cells={},
        prompts={},
        compared=tuple(compared),
    )
    shared = len(positions)
    only_before = len(archive.question_keys(before)) - shared
    only_after = len(archive.question_keys(after)) - shared
    changed = [
        name
        for name, template in after.prompts.items()
        if before.prompts.get(name, template) != template
    ]
    if changed:
        title = tr("Prompts with another text than before")
        remarks = [*remarks, labelled(title, tr(", ").join(changed))]
    result = Diff(before.id, after.id, shared, only_before, only_after, tuple(remarks), report)
    notes = (result.which(), result.shared_sentence(), *remarks, *report.notes)
    return replace(result, report=replace(report, notes=notes))


def _resolve(value: str | EvaluationResult) -> EvaluationResult:
    if isinstance(value, EvaluationResult):
        return value
    return open_report(value)


def _readable() -> list[archive.Entry]:
    return [entry for entry in archive.list_entries() if not entry.problem]


def _newest() -> archive.Entry:
    entries = _readable()
    if not entries:
        raise InvalidArgumentError(
            tr("no evaluation is in the history yet: qfnb.compare(...) or %qfeval makes one")
        )
    return entries[0]


def _previous(report: EvaluationResult) -> archive.Entry:
    """Return the newest evaluation before a report that has the same questions."""
    entries = _readable()
    ids = [entry.id for entry in entries]
    if report.id in ids:
        entries = entries[ids.index(report.id) + 1 :]
    digest = archive.digest_questions(report)
    for entry in entries:
        if entry.digest == digest:
            return entry
    raise InvalidArgumentError(
        tr(
            "no earlier evaluation has the same questions as {id}: name two, `%qfeval list` "
            "shows all",
            id=report.id,
        )
    )


def _match_questions(before: EvaluationResult, after: EvaluationResult) -> dict[int, int]:
    """Return {index then: index now} of the questions that both have.

    Raises:
        InvalidArgumentError: there are none.
    """
    old = {key: index for index, key in archive.question_keys(before).items()}
    new = archive.question_keys(after)
    positions = {old[key]: index for index, key in new.items() if key in old}
    if not positions:
        raise InvalidArgumentError(
            tr(
                "the two evaluations share no question: {n_before} in {before}, {n_after} in "
                "{after}; "
                "a question is the same where prompt, reference and conversation are",
                n_before=f"{len(old):,}", n_after=f"{len(new):,}", before=_report_label(before),
                after=_report_label(after),
            )
        )  # fmt: skip
    return positions


def _report_label(report: EvaluationResult) -> str:
    if report.dataset:
        return f"{report.id} ({report.dataset})"
    return report.id


def _pair_models(
    before: EvaluationResult, after: EvaluationResult, models: tuple[str, str] | None
) -> list[tuple[str, str]]:
    if models is not None:
        for name, report in zip(models, (before, after), strict=True):
            if name not in report.models:
                raise InvalidArgumentError(
                    tr(
                        "{id} has no model {name!r}{hint}: it has {names}",
                        id=report.id,
                        name=name,
                        hint=did_you_mean(name, report.models),
                        names=tr(", ").join(report.models),
                    )
                )
        return [models]
    common = [(name, name) for name in after.models if name in before.models]
    return common or [(before.models[-1], after.models[-1])]


def _shared_metrics(
    before: EvaluationResult, after: EvaluationResult
) -> tuple[tuple[str, ...], list[str]]:
    """Return the metrics that both count alike, and remarks on those that they do not.

    Raises:
        InvalidArgumentError: there are none.
    """
    relative = {verdict.metric for verdict in (*before.verdicts, *after.verdicts)}
    alike = []
    remarks = []
    for name in after.metric_names:
        if name not in before.metric_names or name in relative:
            continue
        if before.counting.get(name) == after.counting.get(name):
            alike.append(name)
            continue
        remarks.append(
            tr(
                "{metric} is left out, it was counted in another way: {before}, now {after}",
                metric=text.metric_title(name),
                before=before.recipes.get(name, name),
                after=after.recipes.get(name, name),
            )
        )
    remarks += [
        tr(
            "{metric} is left out, it compares answers of one evaluation with each other",
            metric=text.metric_title(name),
        )
        for name in sorted(relative)
    ]
    if not alike:
        names = [tr(", ").join(report.metric_names) or tr("none") for report in (before, after)]
        reason = "\n".join(remarks) or tr(
            "{before} then, {after} now", before=names[0], after=names[1]
        )
        raise InvalidArgumentError(
            tr(
                "the two evaluations share no metric: {reason}\n`%qfeval rescore` counts both "
                "alike",
                reason=reason,
            )
        )
    return tuple(alike), remarks

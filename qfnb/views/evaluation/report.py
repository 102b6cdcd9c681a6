"""A report and a card: what is better, by how much, what got worse, what it costs; in a notebook,
and as one HTML file that needs no network, runs no script, and is legible in light, dark and on
paper.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

from ...base.language import html_lang, tr, tr_noop, trn
from ...base.text import listed
from ...evaluation.report import EvaluationResult, sources, text as wording
from ...evaluation.report.card import Card
from ...evaluation.report.judging import judge_lines
from ...evaluation.report.matrix import Matrix, build_matrix
from ...evaluation.report.text import format_cell, metric_title, redact_text, to_plain
from ...evaluation.stats.aggregates import Comparison
from .. import components
from ..components import Fold, Html
from ..display import Bundle
from ..formats import escape
from .questions import changes_html
from .tables import (
    averages_table,
    effect_figure,
    matrix_blocks,
    matrix_folds,
    pairs_table,
    repeats_table,
    score_table,
    shift_table,
    subject_folds,
    usage_table,
)

MAX_EXAMPLES: Final = 10  # regressions, and improvements, that are shown
MAX_SAMPLES: Final = 500  # samples of a page; a file with more of them takes long to open
NEXT_STEPS: Final = (
    tr_noop("question by question: `%qfeval browse`"),
    tr_noop("to save it: `%qfeval save report.html`, or .csv, .xlsx, .md"),
    tr_noop(
        "to train on its questions, which are no test from then on: `%qfeval open -o questions`, "
        "then `questions.to_sft()`"
    ),
)
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_STYLE: Final = (
    "body { max-width: 60rem; margin: 1.5rem auto; padding: 0 1rem; color-scheme: light dark }"
)


def bundle(report: EvaluationResult, notice: str = "") -> Bundle:
    """Return the report in every format; `notice` is a remark above it."""
    lines = [*filter(None, [notice]), text(report)]
    return _bundle(wording.report_title(report), lines, blocks(report, notice))


def matrix_bundle(matrix: Matrix) -> Bundle:
    """Return a matrix in every format."""
    report = matrix.report
    title = wording.report_title(report)
    content = [_header(report, report.models), *_matrix_blocks(matrix, is_open=False)]
    return _bundle(sources.with_mark(title, report), [title, repr(matrix)], content)


def card_bundle(card: Card) -> Bundle:
    """Return the card in every format."""
    title = wording.title((card.base, card.tuned))
    lines = sources.with_sources(card.report, card.lines())
    return _bundle(title, [title, *lines], _card_blocks(card))


def html(report: EvaluationResult, notice: str = "") -> Html:
    """Return verdict, means and what is missing; the evidence is folded."""
    return _with_steps(wording.report_title(report), blocks(report, notice))


def card_html(card: Card) -> Html:
    """Return verdict, difference and means, what else changed, and the folded regressions and
    improvements.
    """
    return _with_steps(wording.title((card.base, card.tuned)), _card_blocks(card))


def _bundle(title: str, lines: Sequence[str], content: Sequence[Html]) -> Bundle:
    return {"text/plain": to_plain("\n".join(lines)), "text/html": _with_steps(title, content)}


def text(report: EvaluationResult) -> str:
    """Return the summary and the conclusion."""
    if not report.metric_names:
        return tr("The report has no metric.")
    return f"{wording.report_title(report)}\n{report!r}"


def output(title: str, content: Iterable[object]) -> Html:
    """Return a panel without secrets."""
    return Html(redact_text(components.panel_output(title, *content)))


def _with_steps(title: str, content: Iterable[object]) -> Html:
    return output(title, [*content, components.next_steps(*map(tr, NEXT_STEPS))])


def blocks(report: EvaluationResult, notice: str = "", *, is_open: bool = False) -> list[Html]:
    """Return the parts of a report, from its header to its folds; `is_open` unfolds them."""
    head = [_header(report, report.models)]
    if notice:
        head.append(components.note("warn", notice, sign="■"))
    if not report.metric_names:
        return [*head, components.note("bad", tr("The report has no metric."), sign="✕")]
    if not any(score.n for score in report.model_scores):
        reason = tr("No answer has a score.")
        return [*head, components.note("bad", reason, _common_error(report), sign="✕")]
    if report.cells:
        return [*head, *_matrix_blocks(build_matrix(report), is_open=is_open)]
    metric = report.metric_names[0]
    pairs = []
    for pair in report.comparisons:
        if pair.metric == metric and pair.baseline == report.models[0]:
            pairs.append(pair)
    return [
        *head,
        *_verdicts(pairs),
        *_means(report, metric, report.models),
        components.folds(*_folds(report), is_open=is_open),
    ]


def _matrix_blocks(matrix: Matrix, *, is_open: bool) -> list[Html]:
    report = matrix.report
    return [
        *matrix_blocks(matrix),
        *_remarks(report, matrix.metric, report.models),
        components.folds(*matrix_folds(matrix), *_folds(report), is_open=is_open),
    ]


def _card_blocks(card: Card) -> list[Html]:
    report = card.report
    models = (card.base, card.tuned)
    pairs = (card.comparison, *card.other_comparisons)
    return [
        _header(report, models),
        *_verdicts([card.comparison]),
        *_means(report, card.metric, models),
        shift_table(card),
        components.folds(*_evidence_folds(report, models, pairs, models, card.metric)),
    ]


def _means(report: EvaluationResult, metric: str, models: Sequence[str]) -> list[Html]:
    averages = averages_table(report, models)
    return [score_table(report, models), averages, *_remarks(report, metric, models)]


def _remarks(report: EvaluationResult, metric: str, models: Sequence[str]) -> list[Html]:
    """Return which models have answers without a score, with the commonest reason, and how far the
    first judge agrees with people.
    """
    remarks = []
    scores = [s for s in report.model_scores if s.metric == metric and s.model in models]
    missing = sum(score.total - score.n for score in scores)
    if missing:
        statement = trn("{n} answer has no score.", "{n} answers have no score.", missing)
        sentences = [*filter(None, map(wording.coverage_sentence, scores)), _common_error(report)]
        remarks.append(components.note("warn", statement, " ".join(sentences), sign="⚠︎"))
    lines = [components.with_code(line) for line in judge_lines(report)]
    return [*remarks, components.dim_lines(*lines[:1])]


def _header(report: EvaluationResult, models: Sequence[str]) -> Html:
    usage = [usage for usage in report.model_usage if usage.model in models]
    failed = sum(row.failed for row in usage)
    questions = max((len(report.samples_of(model)) for model in models), default=0)
    facts = [trn("{n} question", "{n} questions", questions)]
    if report.repeat_count > 1:
        facts.append(_repeats(report))
    pill = components.pill("ok", tr("Done"))
    if failed:
        facts.append(trn("{n} answer failed", "{n} answers failed", failed))
        pill = components.pill("warn", trn("Done, {n} failed", "Done, {n} failed", failed), "✓")
    else:
        facts.append(tr("no answer failed"))
    if not any(row.answered for row in usage):
        pill = components.pill("bad", tr("Failed"))
    title = wording.title(models)
    if len(models) == len(report.models):
        title = wording.report_title(report)
    mark = sources.sandbox_mark(report)
    return components.header(title, pill=pill, subtitle=" · ".join(facts), mark=mark)


def _repeats(report: EvaluationResult) -> str:
    return trn("{n} answer to each", "{n} answers to each", report.repeat_count)


def _verdicts(pairs: Sequence[Comparison]) -> list[Html]:
    """Return for each pair the verdict and its evidence; the difference of the only pair is
    drawn.
    """
    if len(pairs) != 1:  # a line for each; the counts are among the pairs
        return [Html(f"<p>{_verdict(pair)}<br>{_difference(pair)}</p>") for pair in pairs]
    (pair,) = pairs
    is_clustered = pair.test.pairs.clusters is not None
    rough = wording.rough_sentence([pair.test.interval.units], is_clustered=is_clustered)
    lines = [wording.counts_sentence(pair), *wording.power_sentences(pair), rough]
    small = components.dim_lines(*lines)
    sentence = _difference(pair).replace("p = ", "p\u00a0=\u00a0")
    evidence = Html(f"<p>{sentence}</p>{small}")
    figure = effect_figure(pair)
    if figure:
        evidence = components.side_by_side(Html(f"<div>{evidence}</div>"), figure)
    return [Html(f'<p class="qf-say">{_verdict(pair)}</p>'), evidence]


def _verdict(pair: Comparison) -> str:
    return f"<strong>{escape(wording.verdict_sentence(pair))}</strong>"


def _difference(pair: Comparison) -> str:
    return escape(wording.difference_sentence(pair))


def _common_error(report: EvaluationResult) -> str:
    errors = Counter(sample.error for sample in report.records if sample.error)
    if not errors:
        return ""
    (reason, count), *_ = errors.most_common(1)
    return trn("{n} time: {reason}", "{n} times: {reason}", count, reason=to_plain(reason[:200]))


def _folds(report: EvaluationResult) -> list[Fold]:
    base = report.models[0]
    tuned = report.models[-1]
    if report.cells and (best := build_matrix(report).best):
        tuned = best.label
    metric = report.metric_names[0]
    return _evidence_folds(report, report.models, report.comparisons, (base, tuned), metric)


def _evidence_folds(
    report: EvaluationResult,
    models: Sequence[str],
    pairs: Sequence[Comparison],
    changed: tuple[str, str],
    metric: str,
) -> list[Fold]:
    """Return tests, subjects, questions that changed from one model to another, repeats, judges,
    usage and methods.
    """
    folds: list[Fold] = []
    if pairs:
        n = max(pair.n_comparisons for pair in pairs)
        corrected = tr("intervals and p corrected for {n} comparisons (Holm)", n=f"{n:,}")
        folds.append((tr("Pairs"), corrected if n > 1 else "", pairs_table(pairs)))
    folds += subject_folds(report, models)
    folds += _change_folds(report, *changed, metric)
    if report.repeat_count > 1:
        folds.append((tr("Repeats"), _repeats(report), repeats_table(report)))
    if judgements := [components.with_code(line) for line in judge_lines(report)]:
        judges = listed(dict.fromkeys(report.judges.values()))
        folds.append((tr("Judge"), judges, components.dim_lines(*judgements)))
    folds.append((tr("Usage and speed"), "", usage_table(report)))
    lines = [*sources.footnote_lines(report)]
    methods = dict.fromkeys(score.interval.method for score in report.model_scores if score.n)
    if methods:
        lines.append(tr("Intervals: {methods}.", methods=listed(methods)))
    if lines:
        folds.append((tr("How it was computed"), "", components.dim_lines(*lines)))
    return folds


def _change_folds(report: EvaluationResult, base: str, tuned: str, metric: str) -> list[Fold]:
    """Return the questions that changed most, the regressions first."""
    if base == tuned:
        return []
    changes = report.changes(metric, base=base, tuned=tuned)
    worse = [change for change in changes if change.gain < 0]
    better = [change for change in reversed(changes) if change.gain > 0]
    folds: list[Fold] = []
    for name, group in (
        (tr("Questions that got worse"), worse),
        (tr("Questions that got better"), better),
    ):
        if group:
            count = f"{len(group):,}"
            if len(group) > MAX_EXAMPLES:
                count = tr("{n}, the first {shown} are shown", n=count, shown=MAX_EXAMPLES)
            remark = [count, metric_title(metric)]
            if report.cells:
                remark.append(f"{base} → {tuned}")
            questions = changes_html(report, group[:MAX_EXAMPLES], base, tuned)
            folds.append((name, " · ".join(remark), questions))
    return folds


def render_page(report: EvaluationResult, lead: Sequence[str] = ()) -> str:
    """Return a whole page: what a notebook shows, unfolded, the lines of a card, and the first
    samples.

    Args:
        report: the report.
        lead: lines of text above the report.
    """
    title = wording.report_title(report)
    content = components.panel(
        title, components.dim_lines(*lead), *blocks(report, is_open=True), _samples_html(report)
    )
    page = (
        f'<!doctype html>\n<html lang="{html_lang()}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{escape(sources.with_mark(title, report))}</title>\n<style>{_STYLE}</style>\n"
        f"</head>\n<body>\n{components.output(content)}\n</body>\n</html>\n"
    )
    return redact_text(page)


def _samples_html(report: EvaluationResult) -> Html:
    """Return the first samples, folded."""
    columns = ["model", "index", "prompt", "reference", "output", *report.metric_names]
    if any(sample.error for sample in report.records):
        columns.append("error")
    frame: Any = report.samples.sort_values(["index", "model"], kind="stable").head(MAX_SAMPLES)
    rows = frame[columns].map(format_cell).values.tolist()
    remark = tr("{n} of {total}", n=f"{len(rows):,}", total=f"{len(report.records):,}")
    numeric = range(5, 5 + len(report.metric_names))
    return components.folds(
        (tr("Answers"), remark, components.table(columns, rows, numeric=numeric))
    )

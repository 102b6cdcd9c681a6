"""A report and a card in a notebook: what is better, by how much, what got worse, what it costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from ...base.language import tr, tr_noop, trn
from ...evaluation.report import ReportData, sources, text as wording
from ...evaluation.report.card import Card
from ...evaluation.report.matrix import Matrix, build_matrix
from ...evaluation.report.text import format_difference, metric_title, redact_text, to_plain
from ...evaluation.stats.aggregates import Comparison
from .. import components
from ..components import Html
from ..display import Bundle
from ..text import escape
from . import charts, matrix as matrix_view
from .questions import changes_html
from .score_bars import effect_figure, judge_folds, judge_note, score_table
from .usage import averages_table, shift_table, subject_folds, usage_table

MAX_EXAMPLES: Final = 10  # regressions, and improvements, that are shown
NEXT_STEPS: Final = (
    tr_noop("question by question: `%qfeval browse`"),
    tr_noop("to save it: `%qfeval save report.html`, or .csv, .xlsx, .md"),
    tr_noop(
        "to train on its questions, which are no test from then on: `%qfeval open -o questions`, "
        "then `questions.to_sft()`"
    ),
)


def bundle(report: ReportData, notice: str = "") -> Bundle:
    """Return the report in every format; `notice` is a remark above it."""
    if notice:
        lines = [notice]
    else:
        lines = []
    return {
        "text/plain": to_plain("\n".join([*lines, text(report)])),
        "text/html": html(report, notice),
    } | _picture(report)


def text(report: ReportData) -> str:
    """Return the summary and the conclusion."""
    if not report.metric_names:
        return tr("The report has no metric.")
    return f"{wording.report_title(report)}\n{report!r}"


def html(report: ReportData, notice: str = "") -> Html:
    """Return verdict, means and what is missing; the evidence is folded."""
    return output(
        wording.report_title(report), *blocks(report, notice), components.footer(*_next_steps())
    )


def blocks(report: ReportData, notice: str = "", *, is_open: bool = False) -> list[Html]:
    """Return the parts of a report, from its header to its folds; `is_open` unfolds them."""
    head = _header(report, report.models)
    if notice:
        note = components.note("warn", notice, sign="■")
    else:
        note = Html("")
    if not any(score.n for score in report.model_scores):
        if report.metric_names:
            reason = tr("No answer has a score.")
        else:
            reason = tr("The report has no metric.")
        return [head, note, components.note("bad", reason, _common_error(report), sign="✕")]
    metric = report.metric_names[0]
    base = report.models[0]
    if report.cells:
        return [head, note, *_matrix_blocks(build_matrix(report), is_open=is_open)]
    of_metric = [pair for pair in report.comparisons if pair.metric == metric]
    if report.compared:
        pairs = of_metric
    else:
        pairs = [pair for pair in of_metric if pair.baseline == base]
    folds = components.folds(*_folds(report), is_open=is_open)
    missing = _missing(report, metric)
    judge = judge_note(report)
    return [head, note, *_verdicts(pairs), *_scores(report, report.models), missing, judge, folds]


def _matrix_blocks(matrix: Matrix[Any], *, is_open: bool = False) -> list[Html]:
    report = matrix.report
    levels = (
        tr("Prompts and models, averaged"),
        "",
        _pairs_table(matrix_view.pairs_of_levels(matrix)),
    )
    details = [
        (tr("Prompts"), str(len(matrix.prompts)), matrix_view.templates_table(matrix)),
        *([levels] if matrix.prompt_effect and matrix.model_effect else []),
        (tr("All cells"), str(len(matrix.cells)), score_table(report, report.models)),
    ]
    missing = _missing(report, matrix.metric)
    judge = judge_note(report)
    return [
        *matrix_view.blocks(matrix),
        missing,
        judge,
        components.folds(*details, *_folds(report), is_open=is_open),
    ]


def matrix_bundle(matrix: Matrix[Any]) -> Bundle:
    """Return a matrix in every format."""
    report = matrix.report
    title = sources.with_mark(wording.report_title(report), report)
    content = [
        _header(report, report.models),
        *_matrix_blocks(matrix),
        components.footer(*_next_steps()),
    ]
    return {
        "text/plain": to_plain(f"{wording.report_title(report)}\n{matrix!r}"),
        "text/html": output(title, *content),
    } | _picture(report)


def card_bundle(card: Card[Any]) -> Bundle:
    """Return the card in every format."""
    title = wording.title((card.base, card.tuned))
    lines = sources.with_sources(card.report, card.lines())
    return {
        "text/plain": to_plain("\n".join([title, *lines])),
        "text/html": card_html(card),
    } | _picture(card.report)


def card_html(card: Card[Any]) -> Html:
    """Return verdict, difference and means, what else changed, and the folded regressions and
    improvements.
    """
    report = card.report
    models = (card.base, card.tuned)
    title = wording.title(models)
    pairs = (card.comparison, *card.other_comparisons)
    changes = _change_folds(report, card.base, card.tuned, card.metric)
    return output(
        title,
        _header(report, models),
        *_verdicts([card.comparison]),
        *_scores(report, models),
        _missing(report, card.metric, models),
        judge_note(report),
        shift_table(card),
        components.folds(
            _pairs_fold(pairs),
            *subject_folds(report, models),
            *changes,
            *_repeats_fold(report),
            *judge_folds(report),
            *_usage_fold(report),
            *_method_fold(report),
        ),
        components.footer(*_next_steps()),
    )


def output(title: str, *content: object) -> Html:
    """Return a panel without secrets."""
    return Html(redact_text(components.output(components.panel(title, *content))))


def _picture(report: ReportData) -> Bundle:
    """Return the means as a PNG, for programs that show no HTML."""
    by_kind = charts.all_charts(report).by_kind
    if "bars" in by_kind:
        return {"image/png": by_kind["bars"].png}
    return {}


def _next_steps() -> list[Html]:
    return [components.with_code(tr(step)) for step in NEXT_STEPS]


def _header(report: ReportData, models: Sequence[str]) -> Html:
    usage = [usage for usage in report.model_usage if usage.model in models]
    failed = sum(row.failed for row in usage)
    questions = max((len(report.samples_of(model)) for model in models), default=0)
    parts = [trn("{n} question", "{n} questions", questions)]
    parts.append(
        trn("{n} answer failed", "{n} answers failed", failed) if failed else tr("no answer failed")
    )
    pill = components.pill("ok", tr("Done"))
    if failed:
        pill = components.pill("warn", trn("Done, {n} failed", "Done, {n} failed", failed), "✓")
    if not any(row.answered for row in usage):
        pill = components.pill("bad", tr("Failed"))
    if report.repeat_count > 1:
        parts.insert(1, trn("{n} answer to each", "{n} answers to each", report.repeat_count))
    if len(models) == len(report.models):
        title = wording.report_title(report)
    else:
        title = wording.title(models)
    title = to_plain(title)
    subtitle = " · ".join(parts)
    return components.header(
        title, pill=pill, subtitle=subtitle, mark=to_plain(sources.sandbox_mark(report))
    )


def _verdicts(pairs: Sequence[Comparison]) -> list[Html]:
    """Return for each pair the verdict and its evidence; the difference of the only pair is
    drawn.
    """
    if len(pairs) != 1:  # a line for each; the counts are among the pairs
        return [
            _sentences(wording.verdict_sentence(pair), wording.difference_sentence(pair))
            for pair in pairs
        ]
    (pair,) = pairs
    evidence = _evidence(pair)
    figure = effect_figure(pair)
    if figure:
        both = Html(f'<div class="qf-two"><div>{evidence}</div>{figure}</div>')
    else:
        both = evidence
    return [_say(wording.verdict_sentence(pair)), both]


def _scores(report: ReportData, models: Sequence[str]) -> list[Html]:
    """Return the means of models, and the averages that a benchmark reports."""
    return [score_table(report, models), averages_table(report, models)]


def _say(sentence: str) -> Html:
    return Html(f'<p class="qf-say"><strong>{escape(to_plain(sentence))}</strong></p>')


def _sentences(verdict: str, difference: str) -> Html:
    return Html(
        f"<p><strong>{escape(to_plain(verdict))}</strong><br>{escape(to_plain(difference))}</p>"
    )


def _evidence(pair: Comparison) -> Html:
    interval = pair.test.interval
    is_clustered = pair.test.pairs.clusters is not None
    rough = wording.rough_sentence([interval.units], is_clustered=is_clustered)
    lines = [wording.counts_sentence(pair), *wording.power_sentences(pair), rough]
    small = components.dim_lines(*(line for line in lines if line))
    sentence = escape(to_plain(wording.difference_sentence(pair))).replace("p = ", "p\u00a0=\u00a0")
    return Html(f"<p>{sentence}</p>{small}")


def _missing(report: ReportData, metric: str, models: Sequence[str] = ()) -> Html:
    """Return which models have answers without a score, and the commonest reason."""
    scores = [
        s for s in report.model_scores if s.metric == metric and (not models or s.model in models)
    ]
    if not (missing := sum(score.total - score.n for score in scores)):
        return Html("")
    statement = trn("{n} answer has no score.", "{n} answers have no score.", missing)
    sentences = [to_plain(line) for line in map(wording.coverage_sentence, scores) if line]
    return components.note(
        "warn", statement, " ".join([*sentences, _common_error(report)]), sign="⚠︎"
    )


def _common_error(report: ReportData) -> str:
    errors = Counter(sample.error for sample in report.records if sample.error)
    if not errors:
        return ""
    (reason, count), *_ = errors.most_common(1)
    return trn("{n} time: {reason}", "{n} times: {reason}", count, reason=to_plain(reason[:200]))


def _folds(report: ReportData) -> list[tuple[object, object, object]]:
    gallery = charts.all_charts(report)
    others_by_kind = {kind: chart for kind, chart in gallery.by_kind.items() if kind != "bars"}
    more_charts = charts.charts_html(charts.Charts(others_by_kind, gallery.left_out))
    changes = []
    base, tuned = report.compared[-1] if report.compared else (report.models[0], report.models[-1])
    if report.cells and (best := build_matrix(report).best):
        tuned = best.label
    if base != tuned:
        changes = _change_folds(report, base, tuned, report.metric_names[0])
    chart_fold = (tr("More charts"), str(len(others_by_kind)), more_charts)
    if report.comparisons:
        pairs = [_pairs_fold(report.comparisons)]
    else:
        pairs = []
    folds = [
        *pairs,
        *subject_folds(report, report.models),
        *changes,
        *_repeats_fold(report),
        chart_fold,
    ]
    return [*folds, *judge_folds(report), *_usage_fold(report), *_method_fold(report)]


def _repeats_fold(report: ReportData) -> list[tuple[object, object, object]]:
    if report.repeat_count == 1:
        return []
    remark = trn("{n} answer to each", "{n} answers to each", report.repeat_count)
    return [(tr("Repeats"), remark, matrix_view.repeats_table(report))]


def _pairs_fold(pairs: Sequence[Comparison]) -> tuple[object, object, object]:
    """Return the tests as a table; the names of the models only where there are several pairs."""
    n = max(pair.n_comparisons for pair in pairs)
    if n > 1:
        remark = tr("intervals and p corrected for {n} comparisons (Holm)", n=f"{n:,}")
    else:
        remark = ""
    return tr("Pairs"), remark, _pairs_table(pairs)


def _pairs_table(pairs: Sequence[Comparison]) -> Html:
    names = {(pair.baseline, pair.candidate) for pair in pairs}
    heads = [
        tr("Metric"),
        *([tr("Verdict")] if len(names) > 1 else []),
        tr("Difference"),
        tr("95% interval"),
        "p",
    ]
    heads += [tr("Better"), tr("Worse"), tr("Equal")]
    rows = []
    for pair in pairs:
        test = pair.test
        if len(names) > 1:
            verdict = [to_plain(wording.verdict_sentence(pair))]
        else:
            verdict = []
        interval = wording.format_interval(test.interval.low, test.interval.high, plus=True)
        p_value = (
            wording.format_p_value(pair.p_holm)
            .removeprefix("p = ")
            .removeprefix("p: ")
            .removeprefix("p ")
        )
        counts = [f"{count:,}" for count in (test.wins, test.losses, test.ties)]
        difference = format_difference(test.difference)
        rows.append(
            [to_plain(metric_title(pair.metric)), *verdict, difference, interval, p_value, *counts]
        )
    if len(names) > 1:
        first = 2
    else:
        first = 1
    return components.table(heads, rows, numeric=range(first, len(heads)))


def _change_folds(
    report: ReportData, base: str, tuned: str, metric: str
) -> list[tuple[object, object, object]]:
    """Return the questions that changed most, the regressions first."""
    changes = report.changes(metric, base=base, tuned=tuned)
    if report.cells:
        cells = [f"{base} → {tuned}"]
    else:
        cells = []
    worse = [change for change in changes if change.gain < 0]
    better = [change for change in reversed(changes) if change.gain > 0]
    groups = ((tr("Questions that got worse"), worse), (tr("Questions that got better"), better))
    return [
        (
            name,
            " · ".join([_describe_count(len(group)), metric_title(metric), *cells]),
            changes_html(report, group[:MAX_EXAMPLES], base, tuned),
        )
        for name, group in groups
        if group
    ]


def _describe_count(n: int) -> str:
    if n <= MAX_EXAMPLES:
        return f"{n:,}"
    return tr("{n}, the first {shown} are shown", n=f"{n:,}", shown=MAX_EXAMPLES)


def _usage_fold(report: ReportData) -> list[tuple[object, object, object]]:
    return [(tr("Usage and speed"), "", usage_table(report))]


def _method_fold(report: ReportData) -> list[tuple[object, object, object]]:
    lines = [*sources.footnote_lines(report)]
    methods = dict.fromkeys(score.interval.method for score in report.model_scores if score.n)
    lines += [tr("Intervals: {methods}.", methods=tr(", ").join(methods))] if methods else []
    if lines:
        return [(tr("How it was computed"), "", components.dim_lines(*map(to_plain, lines)))]
    return []

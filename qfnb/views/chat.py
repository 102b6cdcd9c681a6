"""Answers of chat models, while they stream and after: one with its facts, or several side by
side.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import indent
from typing import Any, Final, Literal, NamedTuple

from ..base.language import tr, trn
from ..base.text import clip, diff_texts
from ..redact import hide_keys
from ..resources.inference.reply import ChatResponse, Reply, ToolStep
from ..resources.inference.thinking import CUT_WHILE_THINKING
from ..resources.inference.tools import describe_call
from ..wire.prices import PriceRange, sum_prices
from . import components, formats
from .components import Html, Kind
from .display import Bundle
from .markdown import MAX_CHARS, render_markdown
from .text import escape, one_line, strip_controls

MAX_SHOWN_CHARS = 2000
"""Characters of arguments and of a result that are shown."""


def steps_html(steps: Sequence[ToolStep], running: str = "") -> str:
    """Return the calls as folded blocks, and the one that is running as a line; "" without calls.

    Args:
        steps: the calls that have ended.
        running: the call that has not, "" for none.
    """
    blocks = "".join(map(_step_html, steps))
    return blocks + (
        f"<div>⚙ <code>{escape(running)}</code> {tr('running')}…</div>" if running else ""
    )


def _step_html(step: ToolStep) -> str:
    arguments = json.dumps(step.call.arguments, ensure_ascii=False, indent=1, default=str)
    parts = [
        (tr("Arguments"), arguments),
        (tr("Error") if step.is_error else tr("Result"), step.result),
    ]
    body = "".join(
        f'<div class="qf-sub">{label}</div><pre>{escape(clip(text, MAX_SHOWN_CHARS))}</pre>'
        for label, text in parts
    )
    sign, outcome = ("✕", f" {escape(one_line(step.result, 100))}") if step.is_error else ("⚙", "")
    summary = (
        f"{sign} <code>{escape(describe_call(step.call, 120))}</code>{outcome} · "
        f"{formats.seconds(step.seconds)}"
    )
    return f"<details><summary>{summary}</summary>{body}</details>"


def steps_text(steps: Sequence[ToolStep]) -> str:
    """Return the calls as text, a line each."""
    return "\n".join(
        f"{'✕' if step.is_error else '⚙'} {strip_controls(describe_call(step.call, 120))}"
        f" → {one_line(step.result, 200)} · {formats.seconds(step.seconds)}"
        for step in steps
    )


AnswerForm = Literal["markdown", "text", "code", "folded"]
AnswerState = Literal["waiting", "streaming", "done", "interrupted", "failed"]

MAX_TEXT_REASONING = 1000
"""Characters of reasoning in a terminal, which cannot fold; all of it is in the reply's
`reasoning`.
"""

MAX_COMPARED_CHARS = 4000
"""Characters of an answer that are compared; longer ones take too long."""

MIN_SHARED: Final = 0.4
"""The share of a text that two answers have in common at least where their differences are
marked.
"""


@dataclass(frozen=True)
class StreamedAnswer:
    """An answer, or the part of it that has arrived.

    Attributes:
        seconds: from the question to now, or to the end.
        first_token: seconds until the first text.
        tokens: total of all rounds, None where the platform does not say.
        cached_tokens, reasoning_tokens: parts of prompt and completion.
        replacement: the model that was asked where the name in `model` has ended, "" otherwise.
        preface: what the model wrote before it called functions.
        steps: the calls of functions; `running` is the one that has not returned.
        damage_notice: that the sandbox's damaged database was moved aside, in the first answer
            after that.
        notices: remarks about the call with which nothing is wrong.
        cost: CNY by list price, None where it is not known; in the sandbox, which bills nothing,
            what it would be.
        error: what ended it badly, "" otherwise.
        form: how the text is shown.
    """

    model: str
    text: str = ""
    state: AnswerState = "waiting"
    seconds: float = 0.0
    first_token: float | None = None
    tokens: int | None = None
    from_sandbox: bool = False
    request_id: str = ""
    reasoning: str = ""
    cost: PriceRange | None = None
    error: str = ""
    replacement: str = ""
    form: AnswerForm = "markdown"
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    preface: str = ""
    steps: Sequence[ToolStep] = ()
    running: str = ""
    is_cut_while_thinking: bool = False
    damage_notice: str = ""
    notices: Sequence[str] = ()

    @classmethod
    def from_reply(cls, reply: ChatResponse, model: str = "") -> StreamedAnswer:
        """Return the answer of a complete reply, with what the replies before it thought and
        cost.
        """
        replies = [*(each for each in reply.earlier if isinstance(each, ChatResponse)), reply]
        return cls(
            model or str(reply.body.get("model") or ""),
            hide_keys(reply.text),
            "done",
            reply.statistic.get("total_latency", 0.0),
            reply.statistic.get("first_token_latency"),
            from_sandbox=reply.from_sandbox,
            request_id=reply.request_id,
            reasoning=hide_keys("\n\n".join(filter(None, (each.reasoning for each in replies)))),
            steps=reply.steps,
            is_cut_while_thinking=reply.is_cut_while_thinking,
            **usage_facts(replies),
        )


def usage_facts(replies: Sequence[Reply[Any]]) -> dict[str, Any]:
    """Return tokens and cost of the replies of one question, as fields of a `StreamedAnswer`."""
    totals = [reply.usage.total_tokens for reply in replies]
    return {
        "tokens": None if None in totals else sum(filter(None, totals)),
        "cached_tokens": sum(reply.usage.cached_tokens for reply in replies),
        "reasoning_tokens": sum(reply.usage.reasoning_tokens for reply in replies),
        "cost": sum_prices(reply.list_price for reply in replies),
    }


def footer(answer: StreamedAnswer) -> list[str]:
    """Return the facts below an answer: model, times, tokens, cost, and the request of an error."""
    is_other = answer.replacement.lower() not in {"", answer.model.lower()}
    if is_other:
        model = f"{answer.model} → {answer.replacement}"
    else:
        model = answer.model
    parts = [model, _times(answer), _tokens(answer), _cost(answer)]
    if answer.error and answer.request_id:
        parts.append(tr("request id {id}", id=answer.request_id))
    if answer.damage_notice:
        parts.append(answer.damage_notice)
    return [part for part in parts if part]


def _times(answer: StreamedAnswer) -> str:
    if answer.seconds:
        total = tr("total {time}", time=formats.seconds(answer.seconds))
    else:
        total = ""
    if answer.first_token is None:
        return total
    first = tr("first token {time}", time=formats.seconds(answer.first_token))
    if total:
        return f"{first} · {total}"
    return first


def _tokens(answer: StreamedAnswer) -> str:
    if answer.tokens is None:
        return ""
    if answer.reasoning_tokens:
        details = [tr("{n} thinking", n=f"{answer.reasoning_tokens:,}")]
    else:
        details = []
    details += [tr("{n} cached", n=f"{answer.cached_tokens:,}")] if answer.cached_tokens else []
    count = f"{answer.tokens:,} tokens"
    if details:
        return tr("{count} ({details})", count=count, details=tr(", ").join(details))
    return count


def _cost(answer: StreamedAnswer) -> str:
    """Return the cost; of an answer of the sandbox, which bills nothing, what it would be."""
    if not answer.from_sandbox:
        if answer.tokens is not None:
            return formats.cost(answer.cost)
        return ""
    free = formats.cost(None, is_free=True)
    if answer.cost:
        return tr("{free} (on the platform {cost})", free=free, cost=formats.cost(answer.cost))
    return free


def ending_note(answer: StreamedAnswer) -> Note | None:
    """Return how an unfinished answer stands or ended, None for a finished one."""
    if answer.is_cut_while_thinking:
        return Note("warn", "⚠︎", tr(CUT_WHILE_THINKING))
    if answer.state == "interrupted":
        return Note(
            "idle", "■", tr("Stopped."), tr("This is what had arrived.") if answer.text else ""
        )
    if answer.state == "failed":
        if answer.text:
            rest = tr("This is what had arrived.")
        else:
            rest = ""
        if answer.error:
            return Note("bad", "✕", answer.error, rest)
        return Note("warn", "⚠︎", tr("Not complete."), rest)
    return None


def status_line(answer: StreamedAnswer) -> str:
    """Return what an answer that still grows is doing, "" for one that has ended."""
    if answer.state == "waiting":
        return tr("Waiting for the first token")
    if answer.state != "streaming" or answer.running:  # a running function has a line of its own
        return ""
    if answer.text or not answer.reasoning:
        return tr("Answering")
    return tr("Thinking")


class Note(NamedTuple):
    """A remark about an answer: colour, sign, what is so, and what that means."""

    kind: Kind
    sign: str
    statement: str
    meaning: str = ""


def reasoning_title(answer: StreamedAnswer) -> str:
    """Return the title of the folded reasoning, "" without any."""
    if answer.reasoning:
        return f"{tr('Reasoning')} · {_characters(answer.reasoning)}"
    return ""


def _characters(text: str) -> str:
    return trn("{n} character", "{n} characters", len(text))


def html(answer: StreamedAnswer) -> Html:
    """Return the answer as safe HTML, without the stylesheet; the reasoning is folded."""
    blocks: list[str] = []
    if answer.reasoning:
        summary = (
            f"<summary>{tr('Reasoning')} <small>{_characters(answer.reasoning)}</small></summary>"
        )
        reasoning = f'<pre class="qf-think">{escape(clip(answer.reasoning, MAX_CHARS))}</pre>'
        blocks.append(f'<details class="qf-think">{summary}<div>{reasoning}</div></details>')
    blocks += (
        [f'<div class="qf-md qf-dim">{render_markdown(answer.preface)}</div>']
        if answer.preface
        else []
    )
    blocks.append(steps_html(answer.steps, answer.running))
    blocks += [_body(answer)] if answer.text else []
    if note := ending_note(answer):
        role: components.Role = "alert" if answer.state == "failed" else "status"
        blocks.append(
            components.note(note.kind, note.statement, note.meaning, sign=note.sign, role=role)
        )
    if status := status_line(answer):
        blocks.append(f'<div class="qf-sub" role="status">{escape(status)}</div>')
    mark = components.sandbox_mark() if answer.from_sandbox else ""
    facts = components.footer(mark, *footer(answer))
    facts = components.join([facts, components.dim_lines(*answer.notices)])
    # screen readers say it
    blocks.append(f'<div role="status">{facts}</div>' if answer.state == "done" else facts)
    if answer.state in {"waiting", "streaming"}:
        busy = ' aria-busy="true"'
    else:
        busy = ""
    return Html(f'<article class="qf-answer"{busy}>{"".join(blocks)}</article>')


def text(answer: StreamedAnswer) -> str:
    """Return the answer as text, for terminals and for other formats of a notebook."""
    reasoning = clip(strip_controls(answer.reasoning).strip(), MAX_TEXT_REASONING)
    if reasoning:
        folded = f"[{reasoning_title(answer)}]\n" + indent(reasoning, "  │ ", lambda _: True)
    else:
        folded = ""
    note = ending_note(answer)
    if note:
        ending = f"{note.sign} {strip_controls(note.statement)} {note.meaning}".strip()
    else:
        ending = status_line(answer)
    if answer.from_sandbox:
        mark = [tr(components.SANDBOX_MARK)]
    else:
        mark = []
    facts = f"[{' · '.join([*mark, *map(strip_controls, footer(answer))])}]"
    before = [folded, strip_controls(answer.preface), steps_text(answer.steps)]
    lines = [
        *before,
        strip_controls(answer.text),
        ending,
        facts,
        *map(strip_controls, answer.notices),
    ]
    return "\n".join(line for line in lines if line)


def reply_bundle(reply: ChatResponse) -> Bundle:
    """Return a complete reply in every format."""
    answer = StreamedAnswer.from_reply(reply)
    return answers_bundle([answer])


def answers_html(answers: Sequence[StreamedAnswer]) -> Html:
    """Return the answers of one question as an output of its own: one alone, several as columns."""
    return components.output(live_html(answers))


def live_html(answers: Sequence[StreamedAnswer]) -> Html:
    """Return the answers of one question, without the stylesheet."""
    if len(answers) == 1:
        return html(answers[0])
    return comparison_html(answers)


def answers_bundle(answers: Sequence[StreamedAnswer]) -> Bundle:
    """Return the answers of one question in every format."""
    blocks = [f"== {strip_controls(answer.model)} ==\n{text(answer)}" for answer in answers]
    return {
        "text/plain": text(answers[0]) if len(answers) == 1 else "\n\n".join(blocks),
        "text/html": answers_html(answers),
    }


def comparison_html(answers: Sequence[StreamedAnswer]) -> Html:
    """Return several answers as columns, their facts in a table, and the differences to the first
    one.
    """
    columns = "".join(
        f'<article class="s{n % 5 + 1}"><h4>{escape(answer.model)}</h4>{html(answer)}</article>'
        for n, answer in enumerate(answers)
    )
    return Html(
        '<div class="qf-answer"><div '
        f'class="qf-cols">{columns}</div>{_differences_html(answers)}</div>'
    )


def _body(answer: StreamedAnswer) -> str:
    if answer.form == "markdown":
        return f'<div class="qf-md">{render_markdown(answer.text)}</div>'
    if answer.form == "folded":
        summary = f"<summary>{tr('The answer as it came')}</summary>"
        return f"<details>{summary}<pre>{escape(answer.text)}</pre></details>"
    if answer.form == "code":
        inner = f"<code>{escape(answer.text)}</code>"
    else:
        inner = escape(answer.text)
    return f"<pre>{inner}</pre>"


def diff_html(first: str, second: str) -> str:
    """Return the second text as HTML, with insertions and deletions marked; unmarked where they
    share little.
    """
    edits = diff_texts(first[:MAX_COMPARED_CHARS], second[:MAX_COMPARED_CHARS])
    shared = sum(len(part) for op, part in edits if op == "equal")
    if shared < MIN_SHARED * max(len(first[:MAX_COMPARED_CHARS]), len(second[:MAX_COMPARED_CHARS])):
        reason = tr("These answers share too little wording for marks to mean anything.")
        return f'<span class="qf-dim">{reason}</span>'
    tags = {"delete": "<del>{}</del>", "insert": "<ins>{}</ins>"}
    return "".join(tags.get(op, "{}").format(escape(part)) for op, part in edits)


def _differences_html(answers: Sequence[StreamedAnswer]) -> Html:
    """Return the difference of each answer to the first, folded; nothing while they stream."""
    first = answers[0]
    rows = [
        f"<p><b>{escape(first.model)} → "
        f"{escape(later.model)}</b><br>{diff_html(first.text, later.text)}</p>"
        for later in answers[1:]
        if first.text and later.text and first.text != later.text
    ]
    if not rows or any(answer.state in {"waiting", "streaming"} for answer in answers):
        return Html("")
    return components.folds((tr("Differences"), tr("to the first answer"), Html("".join(rows))))

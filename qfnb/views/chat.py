"""Answers of chat models, while they stream and after: one with its facts, or several side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import indent
from typing import Any, Literal

from .._text import clip, clip_start, diff_texts
from ..resources.inference.reply import ChatResponse, Reply, ToolStep
from ..resources.inference.thinking import CUT_WHILE_THINKING
from ..wire.prices import PriceRange, sum_prices
from . import styles
from .display import Bundle
from .markdown import MAX_CHARS, render_markdown
from .text import escape, strip_controls
from .tool_steps import steps_html, steps_text

AnswerForm = Literal["markdown", "text", "code", "folded"]
AnswerState = Literal["waiting", "streaming", "done", "interrupted", "failed"]

MAX_LIVE_REASONING = 4000
"""Characters of reasoning that are sent ten times a second while it grows."""

MAX_TEXT_REASONING = 1000
"""Characters of reasoning in a terminal, which cannot fold; all of it is in the reply's `reasoning`."""

MAX_COMPARED_CHARS = 4000
"""Characters of an answer that are compared; longer ones take too long."""


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
        cost: CNY by list price, None where it is not known; in the sandbox, which bills nothing, what it would be.
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

    @classmethod
    def from_reply(cls, reply: ChatResponse, model: str = "") -> StreamedAnswer:
        """Return the answer of a complete reply, with what the replies before it thought and cost."""
        replies = [*(each for each in reply.earlier if isinstance(each, ChatResponse)), reply]
        return cls(
            model or str(reply.body.get("model") or ""),
            reply.text,
            "done",
            reply.statistic.get("total_latency", 0.0),
            reply.statistic.get("first_token_latency"),
            from_sandbox=reply.from_sandbox,
            request_id=reply.request_id,
            reasoning="\n\n".join(filter(None, (each.reasoning for each in replies))),
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


def footer(answer: StreamedAnswer) -> str:
    """Return one line of facts: sandbox, model, tokens, seconds, request."""
    parts = [styles.SANDBOX_LABEL] if answer.from_sandbox else []
    is_other = answer.replacement.lower() not in {"", answer.model.lower()}
    parts += [f"{answer.model} → {answer.replacement}" if is_other else answer.model] if answer.model else []
    details = [f"思考 thinking {answer.reasoning_tokens}"] if answer.reasoning_tokens else []
    details += [f"缓存 cached {answer.cached_tokens}"] if answer.cached_tokens else []
    tokens = f"{answer.tokens} tokens" + (f" ({', '.join(details)})" if details else "")
    parts += [tokens] if answer.tokens is not None else []
    first_token = f" (first token {answer.first_token:.2f} s)" if answer.first_token is not None else ""
    parts += [f"{answer.seconds:.2f} s{first_token}"] if answer.seconds else []
    if answer.from_sandbox:
        parts += [f"¥0（价目 list price {styles.format_cost(answer.cost)}）"] if answer.cost else []
    elif answer.tokens is not None:
        parts.append(styles.format_cost(answer.cost))
    parts += [answer.request_id] if answer.request_id else []
    return " · ".join(parts)


def ending_note(answer: StreamedAnswer) -> str:
    """Return the line that says how an unfinished answer ended, "" for a finished one."""
    if answer.is_cut_while_thinking:
        return f"⚠ {CUT_WHILE_THINKING}"
    if answer.state == "streaming" and not answer.text and (answer.reasoning or answer.running):
        return "" if answer.running else "… 正在思考 / thinking"  # a running function has a line of its own
    if answer.state == "failed" and not answer.text:
        return ""
    return {
        "waiting": "… 等待回答 / waiting",
        "streaming": "… 正在回答 / answering",
        "interrupted": "■ 已中断，以上为已收到的部分 / interrupted; this is what had arrived",
        "failed": "⚠ 回答未完成，以上为已收到的部分 / not complete; this is what had arrived",
    }.get(answer.state, "")


def reasoning_title(answer: StreamedAnswer) -> str:
    """Return the title of the folded reasoning, "" without any."""
    return f"思考过程 reasoning · {len(answer.reasoning):,} 字符 characters" if answer.reasoning else ""


def reasoning_html(answer: StreamedAnswer) -> str:
    """Return the reasoning as a block to be folded; of a long one that still grows the end."""
    is_growing = answer.state in {"waiting", "streaming"}
    text = clip_start(answer.reasoning, MAX_LIVE_REASONING) if is_growing else clip(answer.reasoning, MAX_CHARS)
    return f"<pre {styles.REASONING}>{escape(text)}</pre>"


def html(answer: StreamedAnswer, *, fold: bool = True) -> str:
    """Return the answer as safe static HTML.

    Args:
        answer: the answer.
        fold: put the reasoning into it, folded; False where a widget shows it.
    """
    thinking = ""
    if answer.reasoning and fold:
        summary = f"<summary {styles.SUMMARY}>{reasoning_title(answer)}</summary>"
        thinking = f"<details>{summary}{reasoning_html(answer)}</details>"
    thinking += f"<div {styles.EARLIER_TURN}>{render_markdown(answer.preface)}</div>" if answer.preface else ""
    thinking += steps_html(answer.steps, answer.running)
    body = _body(answer) if answer.text else ""
    status = f"<div><em>{escape(ending_note(answer))}</em></div>" if ending_note(answer) else ""
    status += f"<div>✘ {escape(answer.error)}</div>" if answer.error else ""
    return f"<div>{thinking}{body}{status}<div {styles.FOOT}>{escape(footer(answer))}</div></div>"


def text(answer: StreamedAnswer) -> str:
    """Return the answer as text, for terminals and for other formats of a notebook."""
    problem = f"✘ {strip_controls(answer.error)}" if answer.error else ""
    reasoning = clip(strip_controls(answer.reasoning).strip(), MAX_TEXT_REASONING)
    folded = f"[{reasoning_title(answer)}]\n" + indent(reasoning, "  │ ", lambda _: True) if reasoning else ""
    lines = [folded, strip_controls(answer.preface), steps_text(answer.steps)]
    lines += [strip_controls(answer.text), ending_note(answer), problem, f"[{strip_controls(footer(answer))}]"]
    return "\n".join(line for line in lines if line)


def reply_bundle(reply: ChatResponse) -> Bundle:
    """Return a complete reply in every format."""
    answer = StreamedAnswer.from_reply(reply)
    return {"text/plain": text(answer), "text/html": html(answer)}


def answers_html(answers: Sequence[StreamedAnswer]) -> str:
    """Return the answers of one question as safe static HTML: one alone, several as columns."""
    return html(answers[0]) if len(answers) == 1 else comparison_html(answers)


def live_html(answers: Sequence[StreamedAnswer]) -> str:
    """Return the answers while they stream; a widget of its own shows the reasoning of one alone."""
    return html(answers[0], fold=False) if len(answers) == 1 else comparison_html(answers)


def fold_reasoning(answers: Sequence[StreamedAnswer]) -> tuple[str, str]:
    """Return title and HTML of the reasoning of one answer alone, ("", "") of several."""
    return (reasoning_title(answers[0]), reasoning_html(answers[0])) if len(answers) == 1 else ("", "")


def answers_bundle(answers: Sequence[StreamedAnswer]) -> Bundle:
    """Return the answers of one question in every format."""
    blocks = [f"== {strip_controls(answer.model)} ==\n{text(answer)}" for answer in answers]
    return {
        "text/plain": text(answers[0]) if len(answers) == 1 else "\n\n".join(blocks),
        "text/html": answers_html(answers),
    }


def comparison_html(answers: Sequence[StreamedAnswer]) -> str:
    """Return several answers as columns, with the differences to the first one."""
    heads = "".join(f"<th {styles.CELL_FRAMED}>{escape(answer.model)}</th>" for answer in answers)
    cells = "".join(f"<td {styles.CELL_FRAMED}>{html(answer)}</td>" for answer in answers)
    table = f"<table {styles.TABLE_FIXED}><tr>{heads}</tr><tr>{cells}</tr></table>"
    return f"<div>{table}{_differences_html(answers)}</div>"


def _body(answer: StreamedAnswer) -> str:
    if answer.form == "markdown":
        return render_markdown(answer.text)
    if answer.form == "folded":
        raw = f"<pre {styles.PREFORMATTED}>{escape(answer.text)}</pre>"
        return f"<details><summary>原文 the answer as it came</summary>{raw}</details>"
    inner = f"<code>{escape(answer.text)}</code>" if answer.form == "code" else escape(answer.text)
    return f"<pre {styles.PREFORMATTED}>{inner}</pre>"


def diff_html(first: str, second: str) -> str:
    """Return the second text as HTML, with insertions and deletions marked."""
    tags = {"delete": f"<del {styles.REMOVED}>{{}}</del>", "insert": f"<ins {styles.ADDED}>{{}}</ins>"}
    edits = diff_texts(first[:MAX_COMPARED_CHARS], second[:MAX_COMPARED_CHARS])
    return "".join(tags.get(op, "{}").format(escape(part)) for op, part in edits)


def _differences_html(answers: Sequence[StreamedAnswer]) -> str:
    """Return the difference of each answer to the first, folded; nothing while they stream."""
    first = answers[0]
    rows = [
        f"<p><b>{escape(first.model)} → {escape(later.model)}</b><br>{diff_html(first.text, later.text)}</p>"
        for later in answers[1:]
        if first.text and later.text and first.text != later.text
    ]
    if not rows or any(answer.state in {"waiting", "streaming"} for answer in answers):
        return ""
    return f"<details><summary>差异 differences</summary>{''.join(rows)}</details>"

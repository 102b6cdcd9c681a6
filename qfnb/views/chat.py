"""An answer of a chat model, while it streams and after."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ..resources.inference.reply import ChatResponse
from . import stop_button, styles
from .display import Bundle, LiveOutput
from .escape import escape, strip_controls
from .markdown import render

AnswerForm = Literal["markdown", "text", "code", "folded"]
AnswerState = Literal["waiting", "streaming", "done", "interrupted", "failed"]


@dataclass(frozen=True)
class StreamedAnswer:
    """What is known of an answer.

    Attributes:
        seconds: from the question to now, or to the end.
        first_token: seconds until the first text.
        tokens: total, None where the platform does not say.
        cost: CNY, None where the price is not known.
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
    cost: float | None = None
    error: str = ""
    form: AnswerForm = "markdown"

    @classmethod
    def from_reply(cls, reply: ChatResponse, model: str = "") -> StreamedAnswer:
        """Return the answer that a whole reply is."""
        return cls(
            model or str(reply.body.get("model") or ""),
            reply.text,
            "done",
            reply.statistic.get("total_latency", 0.0),
            reply.statistic.get("first_token_latency"),
            reply.usage.total_tokens,
            reply.from_sandbox,
            reply.request_id,
            reply.reasoning,
            reply.cost,
        )


def footer(answer: StreamedAnswer) -> str:
    """Return one line of facts: sandbox, model, tokens, seconds, request."""
    parts = [styles.SANDBOX_LABEL] if answer.from_sandbox else []
    parts += [answer.model] if answer.model else []
    parts += [f"{answer.tokens} tokens"] if answer.tokens is not None else []
    first_token = f" (first token {answer.first_token:.2f} s)" if answer.first_token is not None else ""
    parts += [f"{answer.seconds:.2f} s{first_token}"] if answer.seconds else []
    parts += [] if answer.from_sandbox or answer.tokens is None else [styles.format_cost(answer.cost)]
    parts += [answer.request_id] if answer.request_id else []
    return " · ".join(parts)


def ending_note(answer: StreamedAnswer) -> str:
    """Return the line that says how an unfinished answer ended, "" for a finished one."""
    if answer.state == "failed" and not answer.text:
        return ""
    return {
        "waiting": "… 等待回答 / waiting",
        "streaming": "… 正在回答 / answering",
        "interrupted": "■ 已中断，以上为已收到的部分 / interrupted; this is what had arrived",
        "failed": "⚠ 回答未完成，以上为已收到的部分 / not complete; this is what had arrived",
    }.get(answer.state, "")


def html(answer: StreamedAnswer) -> str:
    """Return the answer as safe static HTML."""
    thinking = (
        f"<details><summary>思考过程 reasoning</summary><pre>{escape(answer.reasoning)}</pre></details>"
        if answer.reasoning
        else ""
    )
    body = _body(answer) if answer.text else ""
    status = f"<div><em>{escape(ending_note(answer))}</em></div>" if ending_note(answer) else ""
    status += f"<div>✘ {escape(answer.error)}</div>" if answer.error else ""
    return f"<div>{thinking}{body}{status}<div {styles.FOOT}>{escape(footer(answer))}</div></div>"


def text(answer: StreamedAnswer) -> str:
    """Return the answer as text, for terminals and for other formats of a notebook."""
    problem = f"✘ {strip_controls(answer.error)}" if answer.error else ""
    lines = [strip_controls(answer.text), ending_note(answer), problem, f"[{strip_controls(footer(answer))}]"]
    return "\n".join(line for line in lines if line)


def bundle(answer: StreamedAnswer) -> Bundle:
    """Return the answer in every format."""
    return {"text/plain": text(answer), "text/html": html(answer)}


def reply_bundle(reply: ChatResponse) -> Bundle:
    """Return a whole reply in every format."""
    return bundle(StreamedAnswer.from_reply(reply))


def open_live(answer: StreamedAnswer, stop: Callable[[], None]) -> LiveOutput:
    """Return a live output for an answer that is about to stream."""
    return LiveOutput(
        answer,
        widget=lambda: stop_button.create(stop, tooltip="Stop this answer"),
        draw=lambda box, state: stop_button.update_html(box, html(state)),
        final=bundle,
    )


def _body(answer: StreamedAnswer) -> str:
    if answer.form == "markdown":
        return render(answer.text)
    if answer.form == "folded":
        raw = f"<pre {styles.PREFORMATTED}>{escape(answer.text)}</pre>"
        return f"<details><summary>原文 the answer as it came</summary>{raw}</details>"
    inner = f"<code>{escape(answer.text)}</code>" if answer.form == "code" else escape(answer.text)
    return f"<pre {styles.PREFORMATTED}>{inner}</pre>"

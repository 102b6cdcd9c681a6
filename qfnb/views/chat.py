"""Answers of chat models, while they stream and after: one with its facts, or several side by
side.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import indent
from typing import Any, Final, Literal

from ..base.language import tr, tr_noop, trn
from ..base.text import clip, listed, turn_text
from ..redact import hide_keys
from ..resources.inference.reply import ChatResponse, Reply, ToolStep
from ..resources.inference.responses import ResponseReply
from ..resources.inference.thinking import CUT_WHILE_THINKING
from ..resources.inference.tools import describe_call
from ..wire.prices import PriceRange, sum_prices
from . import components, formats
from .components import Html
from .display import Bundle
from .drawing import css
from .formats import escape, inert, mark_difference, one_line, strip_controls
from .markdown import MAX_CHARS, render_markdown

MAX_SHOWN_CHARS = 2000
"""Characters of arguments and of a result that are shown."""


def steps_html(steps: Sequence[ToolStep], running: str = "") -> Html:
    """Return the calls as folded blocks, and the one that is running as a line; "" without calls.

    Args:
        steps: the calls that have ended.
        running: the call that has not, "" for none.
    """
    html = ""
    lines = []
    for step in steps:
        call = describe_call(step.call, 120)
        time = formats.seconds(step.seconds)
        sign = "⚙"
        outcome = ""
        if step.is_error:
            sign = "✕"
            outcome = f" {escape(one_line(step.result, 100))}"
        summary = f"{sign} <code>{escape(call)}</code>{outcome} · {time}"
        arguments = json.dumps(step.call.arguments, ensure_ascii=False, indent=1, default=str)
        texts = {
            tr("Arguments"): arguments,
            tr("Error") if step.is_error else tr("Result"): step.result,
        }
        body = ""
        for label, text in texts.items():
            shown = escape(clip(text, MAX_SHOWN_CHARS))
            body += f'<div class="qf-sub">{label}</div><pre>{shown}</pre>'
        html += f"<details><summary>{summary}</summary>{body}</details>"
        lines.append(f"{sign} {strip_controls(call)} → {one_line(step.result, 200)} · {time}")
    if running:
        html += f"<div>⚙ <code>{escape(running)}</code> {tr('running')}…</div>"
    return Html(html, "\n".join(lines))


AnswerForm = Literal["markdown", "text", "code", "folded"]
AnswerState = Literal["waiting", "streaming", "done", "interrupted", "failed"]

MAX_TEXT_REASONING = 1000
"""Characters of reasoning in a terminal, which cannot fold; all of it is in the reply's
`reasoning`.
"""

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
    model = answer.model
    if answer.replacement.lower() not in {"", answer.model.lower()}:
        model = f"{model} → {answer.replacement}"
    times = []
    if answer.first_token is not None:
        times.append(tr("first token {time}", time=formats.seconds(answer.first_token)))
    if answer.seconds:
        times.append(tr("total {time}", time=formats.seconds(answer.seconds)))
    facts = [model, " · ".join(times), _tokens(answer), _cost(answer)]
    if answer.error and answer.request_id:
        facts.append(tr("request id {id}", id=answer.request_id))
    return [*filter(None, facts)]


def _tokens(answer: StreamedAnswer) -> str:
    if answer.tokens is None:
        return ""
    details = []
    if answer.reasoning_tokens:
        details.append(tr("{n} thinking", n=f"{answer.reasoning_tokens:,}"))
    if answer.cached_tokens:
        details.append(tr("{n} cached", n=f"{answer.cached_tokens:,}"))
    count = f"{answer.tokens:,} tokens"
    if details:
        return tr("{count} ({details})", count=count, details=listed(details))
    return count


def _cost(answer: StreamedAnswer) -> str:
    """Return the cost; of an answer of the sandbox, which bills nothing, what it would be."""
    if not answer.from_sandbox:
        return "" if answer.tokens is None else formats.cost(answer.cost)
    free = formats.cost(None, is_free=True)
    if answer.cost:
        return tr("{free} (on the platform {cost})", free=free, cost=formats.cost(answer.cost))
    return free


def ending_note(answer: StreamedAnswer) -> Html:
    """Return how an unfinished answer stands or ended, "" for a finished one."""
    role: components.Role = "status"
    if answer.state == "failed":
        role = "alert"
    arrived = ""
    if answer.text:
        arrived = tr("This is what had arrived.")
    if answer.is_cut_while_thinking:
        return components.note("warn", tr(CUT_WHILE_THINKING), sign="⚠︎", role=role)
    if answer.state == "interrupted":
        return components.note("idle", tr("Stopped."), arrived, sign="■", role=role)
    if answer.state == "failed" and answer.error:
        return components.note("bad", answer.error, arrived, sign="✕", role=role)
    if answer.state == "failed":
        return components.note("warn", tr("Not complete."), arrived, sign="⚠︎", role=role)
    return Html()


def status_line(answer: StreamedAnswer) -> str:
    """Return the activity of an answer that still grows, "" for one that has ended."""
    if answer.state == "waiting":
        return tr("Waiting for the first token")
    if answer.state != "streaming" or answer.running:  # a running function has a line of its own
        return ""
    if answer.text or not answer.reasoning:
        return tr("Answering")
    return tr("Thinking")


def _characters(text: str) -> str:
    return trn("{n} character", "{n} characters", len(text))


def html(answer: StreamedAnswer) -> Html:
    """Return the answer as safe HTML, without the stylesheet; the reasoning is folded."""
    content = ""
    if answer.reasoning:
        title = f"{tr('Reasoning')} <small>{_characters(answer.reasoning)}</small>"
        reasoning = f'<pre class="qf-think">{escape(clip(answer.reasoning, MAX_CHARS))}</pre>'
        fold = f"<summary>{title}</summary><div>{reasoning}</div>"
        content += f'<details class="qf-think">{fold}</details>'
    if answer.preface:
        content += f'<div class="qf-md qf-dim">{render_markdown(answer.preface)}</div>'
    content += steps_html(answer.steps, answer.running)
    if answer.text:
        content += _body(answer)
    content += ending_note(answer)
    if status := status_line(answer):
        content += f'<div class="qf-sub" role="status">{escape(status)}</div>'
    mark = ""
    if answer.from_sandbox:
        mark = components.sandbox_mark()
    facts = components.footer(mark, *footer(answer)) + components.dim_lines(*answer.notices)
    # screen readers say it
    content += f'<div role="status">{facts}</div>' if answer.state == "done" else facts
    busy = ""
    if answer.state in {"waiting", "streaming"}:
        busy = ' aria-busy="true"'
    return Html(f'<article class="qf-answer"{busy}>{content}</article>')


def text(answer: StreamedAnswer) -> str:
    """Return the answer as text, for terminals and for other formats of a notebook."""
    lines = []
    if answer.reasoning.strip():
        reasoning = clip(strip_controls(answer.reasoning).strip(), MAX_TEXT_REASONING)
        lines.append(f"[{tr('Reasoning')} · {_characters(answer.reasoning)}]")
        lines.append(indent(reasoning, "  │ ", lambda _: True))
    lines += [answer.preface, steps_html(answer.steps).text, answer.text]
    lines.append(ending_note(answer).text or status_line(answer))
    mark = []
    if answer.from_sandbox:
        mark = [tr(components.SANDBOX_MARK)]
    lines += [f"[{' · '.join([*mark, *footer(answer)])}]", *answer.notices]
    return "\n".join(filter(None, map(strip_controls, lines)))


def reply_bundle(reply: ChatResponse) -> Bundle:
    """Return a complete reply in every format."""
    return answers_bundle([StreamedAnswer.from_reply(reply)])


def response_bundle(reply: ResponseReply) -> Bundle:
    """Return a reply of the Responses API; function calls stand where an answer has no text."""
    calls = []
    for call in reply.tool_calls:
        calls.append(f"`{call.name}({json.dumps(call.arguments, ensure_ascii=False)})`")
    answer = StreamedAnswer(
        str(reply.body.get("model") or ""),
        reply.text or "\n\n".join(calls),
        "done",
        reply.statistic.get("total_latency", 0.0),
        from_sandbox=reply.from_sandbox,
        request_id=reply.id,
        reasoning=reply.reasoning,
        **usage_facts([reply]),
    )
    return answers_bundle([answer])


def answers_bundle(answers: Sequence[StreamedAnswer]) -> Bundle:
    """Return the answers of one question in every format."""
    blocks = [f"== {strip_controls(answer.model)} ==\n{text(answer)}" for answer in answers]
    return {
        "text/plain": text(answers[0]) if len(answers) == 1 else "\n\n".join(blocks),
        "text/html": components.output(live_html(answers)),
    }


def live_html(answers: Sequence[StreamedAnswer]) -> Html:
    """Return the answers of one question, without the stylesheet: one alone, several as columns
    with the differences to the first one.
    """
    if len(answers) == 1:
        return html(answers[0])
    columns = ""
    for n, answer in enumerate(answers, 1):
        head = f"<h4>{escape(answer.model)}</h4>"
        columns += f'<article class="{css(n)}">{head}{html(answer)}</article>'
    columns = f'<div class="qf-cols">{columns}</div>'
    return Html(f'<div class="qf-answer">{columns}{_differences_html(answers)}</div>')


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


def _differences_html(answers: Sequence[StreamedAnswer]) -> Html:
    """Return the difference of each answer to the first, folded; nothing while they stream."""
    first = answers[0]
    if any(answer.state in {"waiting", "streaming"} for answer in answers):
        return Html()
    rows = ""
    for later in answers[1:]:
        if first.text and later.text and first.text != later.text:
            names = f"{escape(first.model)} → {escape(later.model)}"
            texts = (first.text[:MAX_COMPARED_CHARS], later.text[:MAX_COMPARED_CHARS])
            marked = mark_difference(*texts, MAX_COMPARED_CHARS)
            if "<ins>" not in marked and "<del>" not in marked:
                reason = tr("These answers share too little wording for marks to mean anything.")
                marked = f'<span class="qf-dim">{reason}</span>'
            rows += f"<p><b>{names}</b><br>{marked}</p>"
    if not rows:
        return Html()
    return components.folds((tr("Differences"), tr("to the first answer"), Html(rows)))


ROLES: Final = {
    "user": tr_noop("You"),
    "assistant": tr_noop("Model"),
    "system": tr_noop("System"),
    "tool": tr_noop("Function"),
    "function": tr_noop("Function"),
}

MAX_TURNS: Final = 40
"""Turns of a conversation that are shown; the last ones."""


@dataclass(frozen=True)
class ConversationView:
    """A stored conversation that shows itself, read from top to bottom.

    Attributes:
        name: of the conversation.
        turns: as they are sent, the oldest first.
        updated: Unix seconds of the last turn.
    """

    name: str
    turns: Sequence[Mapping[str, Any]]
    updated: float

    def _repr_mimebundle_(self, **_: Any) -> Bundle:
        return inert(conversation_bundle(self))

    def __repr__(self) -> str:
        return str(conversation_bundle(self)["text/plain"])


def conversation_bundle(view: ConversationView) -> Bundle:
    """Return a conversation in every static format."""
    title = f"{tr('Conversation')} · {view.name}"
    count = trn("{n} turn", "{n} turns", len(view.turns))
    earlier = len(view.turns) - MAX_TURNS
    more = ""
    if earlier > 0:
        more = trn("{n} earlier turn", "{n} earlier turns", earlier)
    turns = [_turn_html(turn) for turn in view.turns[-MAX_TURNS:]]
    step = tr("to go on: `%%qfchat --session {name}`", name=view.name)
    head = components.header(title, subtitle=f"{count} · {formats.as_of(view.updated)}")
    blocks = (head, components.dim_lines(more), *turns, components.next_steps(step))
    page = components.panel_output(view.name, *blocks)
    lines = [title, *(turn.text for turn in turns), step]
    return {"text/plain": "\n\n".join(lines), "text/html": page}


def _turn_html(turn: Mapping[str, Any]) -> Html:
    role = str(turn.get("role", ""))
    content = turn_text(turn)
    if role in {"tool", "function"}:
        body = f"<details><summary>{tr('Result')}</summary><pre>{escape(content)}</pre></details>"
    elif role == "assistant" and not turn.get("tool_calls"):
        body = f'<div class="qf-md">{render_markdown(content)}</div>'
    else:
        body = f'<div class="qf-text">{escape(content)}</div>'
    folded = ""
    if reasoning := str(turn.get("reasoning_content") or ""):
        thought = f'<div class="qf-text">{escape(reasoning)}</div>'
        summary = f"<summary>{tr('Reasoning')}</summary>"
        folded = f'<details class="qf-think">{summary}{thought}</details>'
    label = tr(ROLES[role]) if role in ROLES else role
    html = f"<h4>{escape(label)}</h4>{folded}{body}"
    text = f"{label}: {strip_controls(content)}"
    return Html(f'<article class="qf-answer qf-sample">{html}</article>', text)

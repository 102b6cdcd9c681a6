"""What a batch will be, before anything is asked: rows, repetitions, tokens, cost, time, wrong rows."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from .. import config
from ..errors import InvalidArgumentError
from ..resources.outcome import Outcome
from ..resources.tokenizer import Tokenizer
from ..wire import catalog
from .plan import Conversation, Plan
from .row import Entry
from .source import Item

LOOK_AHEAD = 1000
"""Rows of an input that can be read only once, which are checked before the first is asked."""

KEPT = 20_000
"""Rows that are kept from the first look at them, so that they need not be read a second time."""

PATIENCE = 2.0
"""Seconds that a slow input gets for it."""

NAMED = 5
"""Wrong rows that a message names."""

ASSUMED = 150
"""Tokens of an answer before any was seen."""

SAME = "the prompt names no column: every row asks the same (模板中没有 {列名}，每行问的都一样)"


@dataclass
class Survey:
    """What the rows of an input are like.

    Attributes:
        rows: how many were looked at; `complete` says whether that is all.
        wrong: how many cannot be asked; `problems` names the first of them.
        repeated: how many are identical to an earlier one.
        too_long: how many are longer than the model takes; `longest` names the first of them.
        prompt_tokens: an estimate.
        first: the first rows, with their keys.
        digest: what distinguishes these rows from others.
    """

    rows: int = 0
    complete: bool = True
    wrong: int = 0
    repeated: int = 0
    too_long: int = 0
    prompt_tokens: int = 0
    problems: list[tuple[int, str]] = field(default_factory=list)
    longest: list[int] = field(default_factory=list)
    first: list[Entry] = field(default_factory=list)
    digest: str = ""

    def refuse_wrong_rows(self) -> None:
        """Raise when a row cannot be asked.

        Raises:
            InvalidArgumentError: names the rows and what is wrong with them.
        """
        if not self.wrong:
            return
        named = "; ".join(f"row {number}: {problem}" for number, problem in self.problems)
        more = f" and {self.wrong - len(self.problems)} more" if self.wrong > len(self.problems) else ""
        raise InvalidArgumentError(
            f"{self.wrong} of {self.rows} rows cannot be asked: {named}{more}\n"
            "补全或删去这些行，或记为失败 / mend or drop them, or keep them as failed rows: "
            "wrong_rows='keep' (--keep-wrong-rows)"
        )


@dataclass(frozen=True)
class Preflight:
    """What a batch is about to do.

    Attributes:
        rows: in the input, None when it has not been read to its end.
        to_ask: requests that will be sent.
        cached: rows whose answer is in the journal already.
        repeated: rows identical to an earlier one.
        too_long: rows longer than the model takes, the first of them named in `longest`.
        prompt_tokens, completion_tokens: estimates for what is to be asked.
        cost: CNY by list price, None where it is not known.
        seconds: what the present limits ask for at least, None when no limit is known.
        notes: what else deserves a look.
    """

    rows: int | None
    to_ask: int
    cached: int = 0
    repeated: int = 0
    wrong: int = 0
    too_long: int = 0
    longest: tuple[int, ...] = ()
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = None
    seconds: float | None = None
    model: str = ""
    budget: float | None = None
    notes: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Return it as a few lines for people."""
        rows = "?" if self.rows is None else f"{self.rows:,}"
        parts = [f"{rows} rows, {self.to_ask:,} to ask"]
        parts += [f"{self.cached:,} answered before"] if self.cached else []
        parts += [f"{self.repeated:,} repeated"] if self.repeated else []
        parts += [f"{self.wrong:,} cannot be asked"] if self.wrong else []
        tokens = f"≈ {self.prompt_tokens:,} + {self.completion_tokens:,} tokens"
        cost = "price not known" if self.cost is None else f"≈ {self.cost:.4g} CNY"
        time = "" if self.seconds is None else f" · at least {_span(self.seconds)} at the present limits"
        lines = [" · ".join(parts), f"{tokens} · {cost}{time}"]
        if self.too_long:
            named = ", ".join(map(str, self.longest))
            lines.append(f"⚠ {self.too_long:,} rows are longer than {self.model} takes: {named}…")
        if self.budget is not None and self.cost is not None and self.cost > self.budget:
            share = self.budget / self.cost
            lines.append(f"⚠ the budget of {self.budget:g} CNY is enough for about {share:.0%} of it")
        return lines + [f"⚠ {note}" for note in self.notes]

    def __repr__(self) -> str:
        return "\n".join(self.lines())


def numbered(plan: Plan, items: Iterable[Item], start: int = 0) -> Iterator[tuple[Entry, Conversation]]:
    """Yield rows with their keys; a row that cannot be asked has a problem instead of a conversation."""
    for number, item in enumerate(items, start):
        try:
            conversation = plan.conversation(item)
        except InvalidArgumentError as error:
            problem = Outcome.failed(error)
            yield Entry(number, plan.key(f"\0{number}"), _writable(item), problem), ""
        else:
            yield Entry(number, plan.key(conversation), item), conversation


def _writable(item: Item) -> Item:
    """Return a row that a journal can hold, though its keys may be anything."""
    return {str(name): value for name, value in item.items()} if isinstance(item, Mapping) else item


def look_ahead(items: Iterator[Item]) -> tuple[list[Item], bool]:
    """Return the first rows of an input that can be read only once, and whether these are all."""
    first, until = list[Item](), time.monotonic() + PATIENCE
    for item in items:
        first.append(item)
        if len(first) == LOOK_AHEAD or time.monotonic() > until:
            return first, False
    return first, True


def survey(plan: Plan, items: Iterable[Item], *, whole: bool) -> Survey:
    """Look at rows without asking anything; `whole` says that these are all."""
    found, digest, seen = Survey(complete=whole), hashlib.blake2b(plan.digest, digest_size=8), set[bytes]()
    row = catalog.find("chat", plan.model or catalog.DEFAULT_CHAT)
    most = row.chars if row else None
    count = Tokenizer().count_tokens
    persona = count(str(plan.options.get("system") or ""))
    for entry, conversation in numbered(plan, items):
        found.rows += 1
        digest.update(entry.key)
        if len(found.first) < KEPT:
            found.first.append(entry)
        if entry.problem is not None:
            found.wrong += 1
            found.problems += [(entry.number, entry.problem.message)] if len(found.problems) < NAMED else []
            continue
        found.repeated += entry.key in seen
        seen.add(entry.key)
        text = conversation if isinstance(conversation, str) else " ".join(_texts(conversation))
        found.prompt_tokens += count(text) + persona
        if most is not None and len(text) > most:
            found.too_long += 1
            found.longest += [entry.number] if len(found.longest) < NAMED else []
    found.digest = digest.hexdigest()
    return found


def priced(
    plan: Plan,
    found: Survey,
    rows: int | None,
    to_ask: int,
    cached: int,
    each: float | None,
    budget: float | None,
) -> Preflight:
    """Return what it takes to ask so many of the rows.

    Args:
        plan: who is asked.
        found: what the rows are like.
        rows: how many there are, None when that is not known.
        to_ask: how many of them are asked.
        cached: how many have an answer.
        each: tokens of an answer, None when none was seen.
        budget: CNY that it may cost.
    """
    share = to_ask / max(found.rows, 1)
    prompt, completion = int(found.prompt_tokens * share), int(to_ask * (ASSUMED if each is None else each))
    cost = 0.0 if plan.platform == "sandbox" else catalog.cost(plan.model or "", prompt, completion)
    return Preflight(
        rows,
        to_ask,
        cached,
        found.repeated,
        found.wrong,
        found.too_long,
        tuple(found.longest),
        prompt,
        completion,
        cost,
        _seconds(to_ask, prompt + completion),
        plan.endpoint or plan.model or "",
        budget,
        () if plan.template is None or plan.template.names else (SAME,),
    )


def _seconds(requests: int, tokens: int) -> float | None:
    """Return what the limits of the settings ask for at least."""
    now = config.settings()
    rpm = now.qps_limit * 60 or now.rpm_limit
    spans = [amount * 60 / limit for amount, limit in ((requests, rpm), (tokens, now.tpm_limit)) if limit]
    return max(spans, default=None)


def _texts(conversation: list[dict[str, object]]) -> Iterator[str]:
    return (str(turn.get("content") or "") for turn in conversation)


def _span(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"

"""What a batch will be, before anything is asked: rows, repetitions, tokens, cost, time, wrong rows."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from .. import config
from .._jobs.row_result import RowResult
from ..errors import InvalidArgumentError
from ..resources.inference.tokenizer import Tokenizer
from ..wire import catalog
from .input.source import Item
from .request_spec import Conversation, RequestSpec
from .row import RowEntry

MAX_PEEKED_ROWS = 1000
"""Rows of an input that can be read only once, which are checked before the first is asked."""

MAX_KEPT_ROWS = 20_000
"""Rows that are kept from the first look at them, so that they need not be read a second time."""

PEEK_TIMEOUT_S = 2.0
"""Seconds that a slow input gets for it."""

MAX_NAMED_ROWS = 5
"""Wrong rows that a message names."""

ASSUMED_ANSWER_TOKENS = 150
"""Tokens of an answer before any was seen."""

NO_COLUMN_NOTE = "the prompt names no column: every row asks the same (模板中没有 {列名}，每行问的都一样)"


@dataclass
class InputScan:
    """What the rows of an input are like.

    Attributes:
        rows: how many were looked at; `is_complete` says whether that is all.
        invalid: how many cannot be asked; `problems` names the first of them.
        duplicates: how many are identical to an earlier one.
        too_long: how many are longer than the model takes; `too_long_rows` names the first of them.
        prompt_tokens: an estimate.
        first_entries: the first rows, with their keys.
        digest: what distinguishes these rows from others.
    """

    rows: int = 0
    is_complete: bool = True
    invalid: int = 0
    duplicates: int = 0
    too_long: int = 0
    prompt_tokens: int = 0
    problems: list[tuple[int, str]] = field(default_factory=list)
    too_long_rows: list[int] = field(default_factory=list)
    first_entries: list[RowEntry] = field(default_factory=list)
    digest: str = ""

    def raise_if_invalid(self) -> None:
        """Raise when a row cannot be asked.

        Raises:
            InvalidArgumentError: names the rows and what is wrong with them.
        """
        if not self.invalid:
            return
        named = "; ".join(f"row {number}: {problem}" for number, problem in self.problems)
        suffix = f" and {self.invalid - len(self.problems)} more" if self.invalid > len(self.problems) else ""
        raise InvalidArgumentError(
            f"{self.invalid} of {self.rows} rows cannot be asked: {named}{suffix}\n"
            "补全或删去这些行，或记为失败 / mend or drop them, or keep them as failed rows: "
            "invalid_rows='fail' (--keep-wrong-rows)"
        )


@dataclass(frozen=True)
class Preflight:
    """What a batch is about to do.

    Attributes:
        rows: in the input, None when it has not been read to its end.
        requests: requests that will be sent.
        cached: rows whose answer is in the journal already.
        duplicates: rows identical to an earlier one.
        too_long: rows longer than the model takes, the first of them named in `too_long_rows`.
        prompt_tokens, completion_tokens: estimates for what is to be asked.
        cost: CNY by list price, None where it is not known.
        seconds: what the present limits ask for at least, None when no limit is known.
        notes: what else deserves a look.
    """

    rows: int | None
    requests: int
    cached: int = 0
    duplicates: int = 0
    invalid: int = 0
    too_long: int = 0
    too_long_rows: tuple[int, ...] = ()
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
        parts = [f"{rows} rows, {self.requests:,} to ask"]
        parts += [f"{self.cached:,} answered before"] if self.cached else []
        parts += [f"{self.duplicates:,} repeated"] if self.duplicates else []
        parts += [f"{self.invalid:,} cannot be asked"] if self.invalid else []
        tokens = f"≈ {self.prompt_tokens:,} + {self.completion_tokens:,} tokens"
        cost = "price not known" if self.cost is None else f"≈ {self.cost:.4g} CNY"
        time = (
            "" if self.seconds is None else f" · at least {_format_span(self.seconds)} at the present limits"
        )
        lines = [" · ".join(parts), f"{tokens} · {cost}{time}"]
        if self.too_long:
            named = ", ".join(map(str, self.too_long_rows))
            lines.append(f"⚠ {self.too_long:,} rows are longer than {self.model} takes: {named}…")
        if self.budget is not None and self.cost is not None and self.cost > self.budget:
            share = self.budget / self.cost
            lines.append(f"⚠ the budget of {self.budget:g} CNY is enough for about {share:.0%} of it")
        return lines + [f"⚠ {note}" for note in self.notes]

    def __repr__(self) -> str:
        return "\n".join(self.lines())


def build_entries(
    spec: RequestSpec, items: Iterable[Item], start: int = 0
) -> Iterator[tuple[RowEntry, Conversation]]:
    """Yield rows with their keys; a row that cannot be asked has a problem instead of a conversation."""
    for number, item in enumerate(items, start):
        try:
            conversation = spec.build_conversation(item)
        except InvalidArgumentError as error:
            problem = RowResult.from_error(error)
            yield RowEntry(number, spec.row_key(f"\0{number}"), _with_text_keys(item), problem), ""
        else:
            yield RowEntry(number, spec.row_key(conversation), item), conversation


def _with_text_keys(item: Item) -> Item:
    """Return a row that a journal can hold, though its keys may be anything."""
    return {str(name): value for name, value in item.items()} if isinstance(item, Mapping) else item


def peek_rows(items: Iterator[Item]) -> tuple[list[Item], bool]:
    """Return the first rows of an input that can be read only once, and whether these are all."""
    rows, deadline = list[Item](), time.monotonic() + PEEK_TIMEOUT_S
    for item in items:
        rows.append(item)
        if len(rows) == MAX_PEEKED_ROWS or time.monotonic() > deadline:
            return rows, False
    return rows, True


def scan_rows(spec: RequestSpec, items: Iterable[Item], *, is_complete: bool) -> InputScan:
    """Look at rows without asking anything; `is_complete` says that these are all."""
    scan, digest, seen_keys = (
        InputScan(is_complete=is_complete),
        hashlib.blake2b(spec.digest, digest_size=8),
        set[bytes](),
    )
    model_row = catalog.find_model("chat", spec.model or catalog.DEFAULT_CHAT)
    max_characters = model_row.chars if model_row else None
    count_tokens = Tokenizer().count_tokens
    persona_tokens = count_tokens(str(spec.options.get("system") or ""))
    for entry, conversation in build_entries(spec, items):
        scan.rows += 1
        digest.update(entry.key)
        if len(scan.first_entries) < MAX_KEPT_ROWS:
            scan.first_entries.append(entry)
        if entry.problem is not None:
            scan.invalid += 1
            scan.problems += (
                [(entry.number, entry.problem.message)] if len(scan.problems) < MAX_NAMED_ROWS else []
            )
            continue
        scan.duplicates += entry.key in seen_keys
        seen_keys.add(entry.key)
        text = conversation if isinstance(conversation, str) else " ".join(_message_texts(conversation))
        scan.prompt_tokens += count_tokens(text) + persona_tokens
        if max_characters is not None and len(text) > max_characters:
            scan.too_long += 1
            scan.too_long_rows += [entry.number] if len(scan.too_long_rows) < MAX_NAMED_ROWS else []
    scan.digest = digest.hexdigest()
    return scan


def build_preflight(
    spec: RequestSpec,
    scan: InputScan,
    rows: int | None,
    requests: int,
    cached: int,
    answer_tokens: float | None,
    budget: float | None,
) -> Preflight:
    """Return what it takes to ask so many of the rows.

    Args:
        spec: who is asked.
        scan: what the rows are like.
        rows: how many there are, None when that is not known.
        requests: how many of them are asked.
        cached: how many have an answer.
        answer_tokens: tokens of an answer, None when none was seen.
        budget: CNY that it may cost.
    """
    share = requests / max(scan.rows, 1)
    prompt, completion = (
        int(scan.prompt_tokens * share),
        int(requests * (ASSUMED_ANSWER_TOKENS if answer_tokens is None else answer_tokens)),
    )
    cost = 0.0 if spec.platform == "sandbox" else catalog.reply_cost(spec.model or "", prompt, completion)
    return Preflight(
        rows,
        requests,
        cached,
        scan.duplicates,
        scan.invalid,
        scan.too_long,
        tuple(scan.too_long_rows),
        prompt,
        completion,
        cost,
        _min_seconds(requests, prompt + completion),
        spec.endpoint or spec.model or "",
        budget,
        () if spec.template is None or spec.template.names else (NO_COLUMN_NOTE,),
    )


def _min_seconds(requests: int, tokens: int) -> float | None:
    """Return what the limits of the settings ask for at least."""
    settings = config.settings()
    rpm = settings.qps_limit * 60 or settings.rpm_limit
    spans = [
        amount * 60 / limit for amount, limit in ((requests, rpm), (tokens, settings.tpm_limit)) if limit
    ]
    return max(spans, default=None)


def _message_texts(conversation: list[dict[str, object]]) -> Iterator[str]:
    return (str(message.get("content") or "") for message in conversation)


def _format_span(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"

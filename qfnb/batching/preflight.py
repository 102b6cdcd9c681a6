"""Before anything is sent: the rows that were read, what they will take, and the job as a value."""

import hashlib
import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .. import config
from .._jobs.batch_progress import BatchProgress
from .._text import approximate_duration
from ..errors import InvalidArgumentError
from ..resources.inference.chat import ChatCompletion
from ..resources.inference.embedding_reranker_tokenizer import Tokenizer
from ..transport.request import CallOptions
from ..wire import catalog
from .input_source import Item, RowSource
from .request_spec import Conversation, InputRow, OfflineVia, RequestSpec

MAX_PEEKED_ROWS = 1000
"""Rows of an input that can be read only once, which are checked before the first is sent."""

MAX_KEPT_ROWS = 20_000
"""Rows that are kept in memory, so that they need not be read a second time."""

PEEK_TIMEOUT_S = 2.0
"""Seconds after which a slow input is no longer waited for."""

MAX_NAMED_ROWS = 5
"""Invalid rows that a message names."""

ASSUMED_ANSWER_TOKENS = 150
"""Tokens of an answer, before there is one."""

NO_COLUMN_NOTE = "the prompt names no column: every row asks the same (模板中没有 {列名}，每行问的都一样)"


@dataclass
class InputScan:
    """The rows of an input, counted.

    Attributes:
        rows: rows that were read; `is_complete` says whether these are all.
        invalid: rows that cannot be sent; `problems` has number and reason of the first of them.
        duplicates: rows that are identical to an earlier one.
        too_long: rows longer than the model's limit; `too_long_rows` has the numbers of the first of them.
        prompt_tokens: an estimate.
        first_rows: at most `MAX_KEPT_ROWS`.
        digest: a hash of all rows and of what is sent for them.
    """

    rows: int = 0
    is_complete: bool = True
    invalid: int = 0
    duplicates: int = 0
    too_long: int = 0
    prompt_tokens: int = 0
    problems: list[tuple[int, str]] = field(default_factory=list)
    too_long_rows: list[int] = field(default_factory=list)
    first_rows: list[InputRow] = field(default_factory=list)
    digest: str = ""

    def raise_if_invalid(self) -> None:
        """Raise if a row cannot be sent.

        Raises:
            InvalidArgumentError: names the rows and what is wrong with them.
        """
        if not self.invalid:
            return
        named = "; ".join(f"row {number}: {problem}" for number, problem in self.problems)
        suffix = f" and {self.invalid - len(self.problems)} more" if self.invalid > len(self.problems) else ""
        raise InvalidArgumentError(
            f"{self.invalid} of {self.rows} rows cannot be sent: {named}{suffix}\n"
            "补全或删去这些行，或记为失败 / fix or drop them, or count them as failed: "
            "invalid_rows='fail' (--keep-wrong-rows)"
        )


@dataclass(frozen=True)
class Preflight:
    """What a batch is about to do.

    Attributes:
        rows: rows of the input, None when it has not been read to its end.
        requests: requests that will be sent.
        cached: rows whose answer is in the journal already.
        duplicates: rows identical to an earlier one.
        invalid: rows that cannot be sent.
        too_long: rows longer than the model's limit; `too_long_rows` has the numbers of the first of them.
        prompt_tokens, completion_tokens: estimates for the requests.
        cost: CNY by list price, None where it is not known.
        seconds: the least that the present rate limits allow, None without limits.
        budget: CNY that the batch may cost, None for no limit.
        notes: warnings.
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
        """Return it as a few lines of text."""
        rows = "?" if self.rows is None else f"{self.rows:,}"
        parts = [f"{rows} rows, {self.requests:,} to send"]
        parts += [f"{self.cached:,} answered before"] if self.cached else []
        parts += [f"{self.duplicates:,} repeated"] if self.duplicates else []
        parts += [f"{self.invalid:,} cannot be sent"] if self.invalid else []
        tokens = f"≈ {self.prompt_tokens:,} + {self.completion_tokens:,} tokens"
        cost = "price not known" if self.cost is None else f"≈ {self.cost:.4g} CNY"
        lines = [" · ".join(parts), f"{tokens} · {cost}"]
        if self.seconds is not None:
            lines[1] += f" · at least {approximate_duration(self.seconds)} at the present limits"
        if self.too_long:
            named = ", ".join(map(str, self.too_long_rows))
            lines.append(f"⚠ {self.too_long:,} rows are longer than {self.model} takes: {named}…")
        if self.budget is not None and self.cost is not None and self.cost > self.budget:
            share = self.budget / self.cost
            lines.append(f"⚠ the budget of {self.budget:g} CNY is enough for about {share:.0%} of it")
        return lines + [f"⚠ {note}" for note in self.notes]

    def __repr__(self) -> str:
        return "\n".join(self.lines())


def peek_items(items: Iterator[Item]) -> tuple[list[Item], bool]:
    """Return the first items of an input that can be read only once, and whether these are all."""
    first, deadline = list[Item](), time.monotonic() + PEEK_TIMEOUT_S
    for item in items:
        first.append(item)
        if len(first) == MAX_PEEKED_ROWS or time.monotonic() > deadline:
            return first, False
    return first, True


def scan_rows(request: RequestSpec, items: Iterable[Item], *, is_complete: bool) -> InputScan:
    """Read rows without sending anything.

    Args:
        request: what is sent for each row.
        items: the rows.
        is_complete: whether these are all rows of the input.
    """
    scan, digest = InputScan(is_complete=is_complete), hashlib.blake2b(request.digest, digest_size=8)
    seen_keys = set[bytes]()
    model_row = catalog.find_model("chat", request.model or catalog.DEFAULT_CHAT)
    max_characters = model_row.max_chars if model_row and model_row.max_chars is not None else math.inf
    count_tokens = Tokenizer().count_tokens
    system_tokens = count_tokens(str(request.options.get("system") or ""))
    for row in request.input_rows(items):
        scan.rows += 1
        digest.update(row.key)
        if len(scan.first_rows) < MAX_KEPT_ROWS:
            scan.first_rows.append(row)
        if row.problem is not None:
            scan.invalid += 1
            if len(scan.problems) < MAX_NAMED_ROWS:
                scan.problems.append((row.number, row.problem.message))
            continue
        scan.duplicates += row.key in seen_keys
        seen_keys.add(row.key)
        text = _text_of(row.conversation)
        scan.prompt_tokens += count_tokens(text) + system_tokens
        if len(text) > max_characters:
            scan.too_long += 1
            if len(scan.too_long_rows) < MAX_NAMED_ROWS:
                scan.too_long_rows.append(row.number)
    scan.digest = digest.hexdigest()
    return scan


def build_preflight(
    request: RequestSpec,
    scan: InputScan,
    *,
    rows: int | None,
    requests: int,
    cached: int = 0,
    answer_tokens: float | None = None,
    budget: float | None = None,
) -> Preflight:
    """Return what a batch is about to do.

    Args:
        request: what is sent for each row.
        scan: the rows that were read.
        rows: number of rows, None when it is not known.
        requests: number of requests that will be sent.
        cached: number of rows that have an answer.
        answer_tokens: mean tokens of an answer, None before the first.
        budget: CNY that the batch may cost, None for no limit.
    """
    share = requests / max(scan.rows, 1)
    prompt_tokens = int(scan.prompt_tokens * share)
    completion_tokens = int(requests * (ASSUMED_ANSWER_TOKENS if answer_tokens is None else answer_tokens))
    is_free = request.platform == "sandbox"
    cost = None if is_free else catalog.reply_cost(request.model or "", prompt_tokens, completion_tokens)
    return Preflight(
        rows=rows,
        requests=requests,
        cached=cached,
        duplicates=scan.duplicates,
        invalid=scan.invalid,
        too_long=scan.too_long,
        too_long_rows=tuple(scan.too_long_rows),
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        cost=0.0 if is_free else cost.high if cost else None,
        seconds=_min_seconds(requests, prompt_tokens + completion_tokens),
        model=request.endpoint or request.model or "",
        budget=budget,
        notes=() if request.template is None or request.template.names else (NO_COLUMN_NOTE,),
    )


def _min_seconds(requests: int, tokens: int) -> float | None:
    """Return the seconds that the rate limits of the settings allow at least, None without limits."""
    settings = config.settings()
    rpm = settings.qps_limit * 60 or settings.rpm_limit
    limited = ((requests, rpm), (tokens, settings.tpm_limit))
    return max((amount * 60 / limit for amount, limit in limited if limit), default=None)


def _text_of(conversation: Conversation | None) -> str:
    if isinstance(conversation, str):
        return conversation
    return " ".join(str(message.get("content") or "") for message in conversation or ())


@dataclass(frozen=True, kw_only=True)
class JobSpec:
    """What a batch is to do.

    Attributes:
        path: the journal.
        request: what is sent for each row.
        chat: the `ChatCompletion` that sends it, with its keys.
        preflight: what was expected before the start.
        source: the input, None when the batch is resumed by name.
        stream: rows that are read while others are sent; None when the journal has all rows.
        worker_count: rows in flight at once, 1 to 1000.
        budget: CNY that the batch may cost in all, None for no limit.
        canary: rows that are sent first, and decide whether the others are; 0 for none.
        output_path: a file that the results are written to at the end, or None.
        call_options: timeout and attempts of each row.
        notes: warnings that are shown.
        offline_via: the service that the rows are handed to, None for online.
    """

    path: Path
    request: RequestSpec
    chat: ChatCompletion
    preflight: Preflight
    source: RowSource | None = None
    stream: Iterator[InputRow] | None = None
    worker_count: int = 8
    budget: float | None = None
    canary: int = 3
    output_path: Path | None = None
    call_options: CallOptions = field(default_factory=CallOptions)
    notes: tuple[str, ...] = ()
    offline_via: OfflineVia | None = None

    @property
    def name(self) -> str:
        """The batch's name."""
        return self.path.stem

    def initial_progress(self) -> BatchProgress:
        """Return the progress before the start."""
        return BatchProgress(
            name=self.name,
            model=self.request.endpoint or self.request.model or "",
            total=self.preflight.rows,
            cached=self.preflight.cached,
            budget=self.budget,
            notes=(*self.preflight.lines(), *self.notes),
            mode="offline" if self.offline_via else "online",
            from_sandbox=self.request.platform == "sandbox",
        )

"""What a batch is about to do: rows, tokens and cost, and the job as a value."""

import hashlib
import math
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path

from .. import config
from .._jobs.batch_progress import BatchProgress, ProgressCounter
from ..base.language import tr, tr_noop
from ..base.text import approximate_duration
from ..errors import InvalidArgumentError
from ..resources.inference.chat import ChatCompletion
from ..resources.inference.embedding_reranker_tokenizer import Tokenizer
from ..resources.inference.response_format import ResponseFormat
from ..transport.client import CallOptions
from ..wire import catalog
from ..wire.prices import PriceRange, token_cost
from .input_files import Item
from .input_source import RowSource, name_of_rows
from .journal_reader import JournalCounts, ParseAnswer
from .request_spec import InputRow, OfflineVia, RequestSpec, text_of

MAX_PEEKED_ROWS = 1000
"""Rows of an input that can be read only once, which are checked before the first is sent."""

MAX_KEPT_ROWS = 20_000
"""Rows that are kept in memory, so that they need not be read a second time."""

PEEK_TIMEOUT_S = 2.0
"""Seconds after which a slow input is no longer waited for."""

MAX_NAMED_ROWS = 5
"""Invalid rows that a message names."""


@dataclass
class InputScan:
    """The rows of an input, counted.

    Attributes:
        rows: rows that were read; `is_complete` says whether these are all.
        invalid: rows that cannot be sent; `problems` has number and reason of the first of them.
        duplicates: rows that are identical to an earlier one.
        too_long: rows longer than the model's limit; `too_long_rows` has the numbers of the first
            of them.
        prompt_lengths: an estimate of the tokens of each prompt -> number of rows.
        first_rows: at most `MAX_KEPT_ROWS`.
        digest: a hash of all rows and of what is sent for them.
    """

    rows: int = 0
    is_complete: bool = True
    invalid: int = 0
    duplicates: int = 0
    too_long: int = 0
    prompt_lengths: Counter[int] = field(default_factory=Counter)
    problems: list[tuple[int, str]] = field(default_factory=list)
    too_long_rows: list[int] = field(default_factory=list)
    first_rows: list[InputRow] = field(default_factory=list)
    digest: str = ""

    @property
    def prompt_tokens(self) -> int:
        """An estimate of the tokens of all prompts."""
        return sum(tokens * rows for tokens, rows in self.prompt_lengths.items())

    def raise_if_invalid(self) -> None:
        """Raise if a row cannot be sent.

        Raises:
            InvalidArgumentError: names the rows and what is wrong with them.
        """
        if not self.invalid:
            return
        named = tr("; ").join(
            tr("row {number}: {problem}", number=number, problem=problem)
            for number, problem in self.problems
        )
        unnamed = self.invalid - len(self.problems)
        if unnamed:
            suffix = tr(" and {n} more", n=unnamed)
        else:
            suffix = ""
        raise InvalidArgumentError(
            tr(
                "{invalid} of {rows} rows cannot be sent: {named}{suffix}\nfix or drop them, or "
                "count them as "
                "failed: invalid_rows='fail' (--keep-wrong-rows)",
                invalid=self.invalid,
                rows=self.rows,
                named=named,
                suffix=suffix,
            )
        )


def scan_input(
    request: RequestSpec, source: RowSource
) -> tuple[InputScan, Iterator[InputRow] | None]:
    """Read the input, or the first rows of one that can be read only once; return also its rows as
    a stream.
    """
    request.validate_columns(source)
    stream = None
    if source.is_rereadable:
        scan = scan_rows(request, source.items(), is_complete=True)
    else:
        items = source.items()
        first, is_complete = peek_items(items)
        scan = scan_rows(request, first, is_complete=is_complete)
        stream = chain(scan.first_rows, request.input_rows(items, len(scan.first_rows)))
    if not scan.rows:
        raise InvalidArgumentError(
            tr("the input has no rows ({description})", description=source.description)
        )
    return scan, stream


def peek_items(items: Iterator[Item]) -> tuple[list[Item], bool]:
    """Return the first items of an input that can be read only once, and whether these are all."""
    first = list[Item]()
    deadline = time.monotonic() + PEEK_TIMEOUT_S
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
    scan = InputScan(is_complete=is_complete)
    digest = hashlib.blake2b(request.digest, digest_size=8)
    seen_keys = set[bytes]()
    model_row = catalog.asked_model("chat", request.model or catalog.default_model("chat"))
    max_characters = (model_row and model_row.max_chars) or math.inf
    max_tokens = (model_row and (model_row.max_input or model_row.context)) or math.inf
    count_tokens = Tokenizer().count_tokens
    if request.response_format:
        instruction = request.response_format.instruction(None)
    else:
        instruction = ""
    system = str(request.options.get("system") or "") + instruction
    if system:
        system_tokens = count_tokens(system)
    else:
        system_tokens = 0
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
        text = text_of(row.conversation)
        tokens = count_tokens(text) + system_tokens
        scan.prompt_lengths[tokens] += 1
        if len(text) > max_characters or tokens > max_tokens:
            scan.too_long += 1
            if len(scan.too_long_rows) < MAX_NAMED_ROWS:
                scan.too_long_rows.append(row.number)
    scan.digest = digest.hexdigest()
    return scan


def scan_cost(
    request: RequestSpec, scan: InputScan, answer_tokens: int, *, is_offline: bool
) -> PriceRange | None:
    """Return the price of all rows that were read; each length of a prompt may have its own tier.

    Args:
        request: what is sent for each row.
        scan: the rows.
        answer_tokens: of each answer.
        is_offline: whether the platform's batch service answers.
    """
    cost = PriceRange(0, 0)
    for tokens, rows in scan.prompt_lengths.items():
        price = row_cost(request, tokens, answer_tokens, is_offline=is_offline)
        if price is None:
            return None
        cost += price * rows
    return cost


def row_cost(
    request: RequestSpec, prompt_tokens: int, answer_tokens: int, *, is_offline: bool = False
) -> PriceRange | None:
    """Return the cost of a row on the platform at any hour, None where the price is not known.

    Args:
        request: what is sent for each row.
        prompt_tokens: of the row.
        answer_tokens: of its answer.
        is_offline: whether the platform's batch service answers.
    """
    # the price of one's own service is never known
    if request.endpoint:
        model = None
    else:
        model = request.model
    if not model:
        row = None
        prices = None
    else:
        row = catalog.asked_model(request.kind, model)
        prices = catalog.find_prices(request.kind, row.id if row else model)
    if request.draws:
        if prices is None or prices.image is None:
            return None
        return PriceRange(prices.image, prices.image)
    return token_cost(prices, prompt_tokens, answer_tokens, is_batch=is_offline)


ASSUMED_ANSWER_TOKENS = 150
"""Tokens of an answer, before there is one."""

PICTURE_NOTE = tr_noop(
    "offline pictures: the platform publishes neither a batch price nor limits for them"
)
NO_COLUMN_NOTE = tr_noop("the prompt names no column: every row asks the same")


@dataclass(frozen=True)
class Preflight:
    """What a batch is about to do.

    Attributes:
        rows: rows of the input, None when it has not been read to its end.
        requests: requests that will be sent.
        cached: rows whose answer is in the journal already.
        duplicates: rows identical to an earlier one.
        invalid: rows that cannot be sent.
        too_long: rows longer than the model's limit; `too_long_rows` has the numbers of the first
            of them.
        prompt_tokens, completion_tokens: estimates for the requests.
        cost_range: CNY by list price for these tokens, None where it is not known.
        is_free: whether nobody bills it: the sandbox answers.
        seconds: the least that the present rate limits allow, None without limits.
        budget: CNY that the batch may cost, None for no limit.
        budget_tokens: tokens of prompts and answers that it may use, None for no limit.
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
    cost_range: PriceRange | None = None
    is_free: bool = False
    seconds: float | None = None
    model: str = ""
    budget: float | None = None
    budget_tokens: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def cost(self) -> float | None:
        """The upper end of `cost_range`, which a budget must hold; None where it is not known."""
        if self.cost_range:
            return self.cost_range.high
        return None

    @property
    def tokens(self) -> int:
        """Tokens of all prompts and answers, an estimate."""
        return self.prompt_tokens + self.completion_tokens

    def lines(self) -> list[str]:
        """Return it as a few lines of text."""
        rows = "?" if self.rows is None else f"{self.rows:,}"
        parts = [tr("{rows} rows, {n:,} to send", rows=rows, n=self.requests)]
        parts += [tr("{cached:,} answered before", cached=self.cached)] if self.cached else []
        parts += (
            [tr("{duplicates:,} repeated", duplicates=self.duplicates)] if self.duplicates else []
        )
        parts += [tr("{invalid:,} cannot be sent", invalid=self.invalid)] if self.invalid else []
        tokens = tr(
            "≈ {sent:,} + {received:,} tokens",
            sent=self.prompt_tokens,
            received=self.completion_tokens,
        )
        tokens = tokens if self.tokens else tr("tokens unknown")
        cost = (
            tr("price unknown")
            if self.cost_range is None
            else tr("≈ {cost} CNY", cost=self.cost_range)
        )
        if self.is_free or self.cost == 0:
            cost = tr("free ({cost} on the platform)", cost=cost) if self.cost else tr("free")
        lines = [" · ".join(parts), f"{tokens if self.requests else '0 tokens'} · {cost}"]
        if self.seconds is not None:
            lines[1] += tr(
                " · at least {time} at the present limits", time=approximate_duration(self.seconds)
            )
        if self.too_long:
            named = tr(", ").join(map(str, self.too_long_rows))
            text = tr(
                "{n:,} longer than {model} takes: {rows}…",
                n=self.too_long,
                model=self.model,
                rows=named,
            )
            lines.append(f"⚠ {text}")
        budgets = (
            (format_amount(self.budget or 0, "CNY"), self.budget, self.cost),
            (format_amount(self.budget_tokens or 0, "tokens"), self.budget_tokens, self.tokens),
        )
        lines += [
            "⚠ "
            + tr(
                "the budget of {limit} is enough for about {share:.0%} of it",
                limit=limit,
                share=budget / cost,
            )
            for limit, budget, cost in budgets
            if budget is not None and cost is not None and cost > budget
        ]
        return lines + [f"⚠ {note}" for note in self.notes]

    def __repr__(self) -> str:
        return "\n".join(self.lines())


def format_amount(amount: float, unit: str) -> str:
    """Return an amount of CNY or tokens as text."""
    if unit == "tokens":
        return f"{amount:,} tokens"
    return f"{amount:g} {unit}"


def build_preflight(
    request: RequestSpec,
    scan: InputScan,
    *,
    rows: int | None,
    requests: int,
    cached: int = 0,
    answer_tokens: float | None = None,
    budget: float | None = None,
    budget_tokens: int | None = None,
    is_offline: bool = False,
    clients: Sequence[ChatCompletion] | None = None,
) -> Preflight:
    """Return the preview of a batch: rows, tokens and cost.

    Args:
        request: what is sent for each row.
        scan: the rows that were read.
        rows: number of rows, None when it is not known.
        requests: number of requests that will be sent.
        cached: number of rows that have an answer.
        answer_tokens: mean tokens of an answer, None before the first.
        budget: CNY that the batch may cost, None for no limit.
        budget_tokens: tokens that it may use, None for no limit.
        is_offline: whether the platform's batch service answers, at the model's batch price.
        clients: those that send the rows together, each with the limits of the settings; None for
            one.
    """
    share = requests / max(scan.rows, 1)
    prompt_tokens = int(scan.prompt_tokens * share)
    if request.draws:
        assumed_tokens = 0
    else:
        assumed_tokens = ASSUMED_ANSWER_TOKENS
    if answer_tokens is None:
        answer_tokens = assumed_tokens
    completion_tokens = int(requests * answer_tokens)
    cost = scan_cost(request, scan, int(answer_tokens), is_offline=is_offline)
    if request.template is not None and not request.template.names:
        notes = [tr(NO_COLUMN_NOTE)]
    else:
        notes = []
    notes += [tr(PICTURE_NOTE)] if request.draws else []
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
        cost_range=None if cost is None else cost * share,
        is_free=request.platform == "sandbox",
        seconds=_min_seconds(requests, prompt_tokens + completion_tokens, len(clients or "1")),
        model=request.endpoint or request.model or "",
        budget=budget,
        budget_tokens=budget_tokens,
        notes=tuple(notes),
    )


def build_batch_preflight(
    request: RequestSpec,
    source: RowSource,
    scan: InputScan,
    counts: tuple[int, JournalCounts] | None,
    budget: float | None,
    budget_tokens: int | None,
    *,
    is_offline: bool,
    clients: Sequence[ChatCompletion] | None = None,
) -> Preflight:
    """Return the preview of a batch with a journal.

    Args:
        request: what is sent for each row.
        source: the input.
        scan: the rows that were read.
        counts: rows without an answer, and the counts of the journal; None where it has not read
            the input yet.
        budget: CNY that the batch may cost, None for no limit.
        budget_tokens: tokens that it may use, None for no limit.
        is_offline: whether the platform's batch service answers.
        clients: as in `build_preflight`.
    """
    build = partial(
        build_preflight, request, scan, budget=budget, budget_tokens=budget_tokens, clients=clients
    )
    build = partial(build, is_offline=is_offline)
    if counts is None:
        return build(rows=source.total, requests=scan.rows)
    missing, stored = counts
    return build(
        rows=stored.rows,
        requests=missing,
        cached=stored.rows - missing - scan.invalid,
        answer_tokens=stored.completion_tokens / stored.ok if stored.ok else None,
    )


def _min_seconds(requests: int, tokens: int, clients: int) -> float | None:
    """Return the seconds that the rate limits of the settings allow at least, None without
    limits.
    """
    settings = config.settings()
    rpm = settings.qps_limit * 60 or settings.rpm_limit
    limited = ((requests, rpm), (tokens, settings.tpm_limit))
    return max((amount * 60 / limit / clients for amount, limit in limited if limit), default=None)


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
        budget_tokens: tokens that it may use in all, None for no limit.
        canary: rows that are sent first, and decide whether the others are; 0 for none.
        output_path: a file that the results are written to at the end, or None.
        call_options: timeout and attempts of each row.
        notes: warnings that are shown.
        input: the description of the rows.
        response_format: the form that answers must have, None without one.
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
    budget_tokens: int | None = None
    canary: int = 3
    output_path: Path | None = None
    call_options: CallOptions = field(default_factory=CallOptions)
    notes: tuple[str, ...] = ()
    input: str = ""
    offline_via: OfflineVia | None = None
    response_format: ResponseFormat | None = None

    @property
    def name(self) -> str:
        """The batch's name."""
        return self.path.stem

    @property
    def parse(self) -> ParseAnswer | None:
        """What turns an answer into a value, None without a schema."""
        checked = self.response_format is not None and self.response_format.is_checked
        if self.response_format is not None and checked:
            return self.response_format.parse
        return None

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of the answers' format, which are columns of the results."""
        if self.response_format is not None:
            return self.response_format.field_names
        return ()

    def budget_problem(self, counter: ProgressCounter, rows: int) -> str:
        """Return why the budgets do not allow this many more rows, those in flight included; ""
        where they do.

        A row is expected to use the mean of the rows so far, before the first what the preflight
        estimated.
        """
        for unit, budget in (("CNY", self.budget), ("tokens", self.budget_tokens)):
            if budget is None:
                continue
            used, mean = self._use(counter, unit)
            if used is None:
                return tr(
                    "the budget cannot be kept: the {unit} of an answered row are not known",
                    unit=unit,
                )
            if used + mean * (rows + counter.lost) > budget:
                limit = format_amount(budget, unit)
                spent = format_amount(used, unit)
                reason = tr(
                    "the budget of {limit} allows no more: {spent} are spent",
                    limit=limit,
                    spent=spent,
                )
                is_rehearsal = unit == "CNY" and self.preflight.is_free
                note = tr("a rehearsal by list price: the sandbox bills nothing")
                if is_rehearsal:
                    return tr("{first} ({second})", first=reason, second=note)
                return reason
        return ""

    def spent(self, counter: ProgressCounter) -> dict[str, float]:
        """Return the use of the batch by unit (`CNY`, `tokens`), lost answers included."""
        amounts = {}
        for unit in ("CNY", "tokens"):
            used, mean = self._use(counter, unit)
            amounts[unit] = (used or 0.0) + mean * counter.lost
        return amounts

    def _use(self, counter: ProgressCounter, unit: str) -> tuple[float | None, float]:
        """Return the use of the answered rows, None where it is unknown, and the mean of a row."""
        answered = counter.ok + counter.progress.cached
        used = counter.cost
        estimate = self.preflight.cost
        if unit == "tokens":
            used = counter.prompt_tokens + counter.completion_tokens
            estimate = self.preflight.tokens
            if counter.uncounted:
                used = None
        if answered:
            return used, (used or 0.0) / answered
        return used, (estimate or 0) / max(self.preflight.requests, 1)

    def initial_progress(self) -> BatchProgress:
        """Return the progress before the start."""
        return BatchProgress(
            name=self.name,
            model=self.request.endpoint or self.request.model or "",
            total=self.preflight.rows,
            cached=self.preflight.cached,
            budget=self.budget,
            budget_tokens=self.budget_tokens,
            notes=tuple(self.preflight.lines()),
            remarks=self.notes,
            rows_name=name_of_rows(self.input),
            mode="offline" if self.offline_via else "online",
            from_sandbox=self.request.platform == "sandbox",
        )

"""What a batch is about to do: rows, tokens and cost, and the job as a value."""

import hashlib
import math
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain

from .. import config
from ..base.language import tr
from ..base.text import approximate_duration
from ..errors import InvalidArgumentError
from ..resources.inference.embedding_reranker_tokenizer import Tokenizer
from ..wire import catalog
from ..wire.prices import PriceRange, token_cost
from .input_source import Item, RowSource
from .request_spec import InputRow, RequestSpec, text_of

MAX_PEEKED_ROWS = 1000
"""Rows of an input that can be read only once, which are checked before the first is sent."""

PEEK_TIMEOUT_S = 2.0
"""Seconds after which a slow input is no longer waited for."""

MAX_NAMED_ROWS = 5
"""Invalid rows that a message names."""

ASSUMED_ANSWER_TOKENS = 150
"""Tokens of an answer, before there is one."""


@dataclass
class InputScan:
    """The rows of an input, counted.

    Attributes:
        rows: rows that were read; `is_complete` says whether these are all.
        invalid: rows that cannot be sent; `problems` has the first of them, in words.
        duplicates: rows that are identical to an earlier one.
        too_long: rows longer than the model's limit.
        prompt_lengths: an estimate of the tokens of each prompt -> number of rows.
        first_rows: of an input that can be read only once.
        digest: a hash of all rows and of what is sent for them.
    """

    rows: int = 0
    is_complete: bool = True
    invalid: int = 0
    duplicates: int = 0
    too_long: int = 0
    prompt_lengths: Counter[int] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    first_rows: list[InputRow] = field(default_factory=list)
    digest: str = ""

    def raise_if_invalid(self) -> None:
        """Raise if a row cannot be sent.

        Raises:
            InvalidArgumentError: names the rows and what is wrong with them.
        """
        if not self.invalid:
            return
        suffix = ""
        if unnamed := self.invalid - len(self.problems):
            suffix = tr(" and {n} more", n=unnamed)
        raise InvalidArgumentError(
            tr(
                "{invalid} of {rows} rows cannot be sent: {named}{suffix}\nfix or drop them, or "
                "count them as "
                "failed: invalid_rows='fail' (--keep-wrong-rows)",
                invalid=self.invalid,
                rows=self.rows,
                named=tr("; ").join(self.problems),
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
        scan = _scan_rows(request, request.input_rows(source, source.items()))
    else:
        items = source.items()
        first, is_complete = _peek_items(items)
        first_rows = list(request.input_rows(source, first))
        scan = _scan_rows(request, first_rows)
        scan.first_rows = first_rows
        scan.is_complete = is_complete
        stream = chain(first_rows, request.input_rows(source, items, len(first)))
    if not scan.rows:
        raise InvalidArgumentError(
            tr("the input has no rows ({description})", description=source.description)
        )
    return scan, stream


def _peek_items(items: Iterator[Item]) -> tuple[list[Item], bool]:
    """Return the first items of an input that can be read only once, and whether these are all."""
    first = list[Item]()
    deadline = time.monotonic() + PEEK_TIMEOUT_S
    for item in items:
        first.append(item)
        if len(first) == MAX_PEEKED_ROWS or time.monotonic() > deadline:
            return first, False
    return first, True


def _scan_rows(request: RequestSpec, rows: Iterable[InputRow]) -> InputScan:
    """Return the counts of rows; nothing is sent."""
    scan = InputScan()
    digest = hashlib.blake2b(request.digest, digest_size=8)
    seen_keys = set[bytes]()
    max_characters = max_tokens = math.inf
    if model := catalog.asked_model("chat", request.model or catalog.default_model("chat")):
        max_characters = model.max_chars or math.inf
        max_tokens = model.max_input or model.context or math.inf
    count_tokens = Tokenizer().count_tokens
    system = str(request.options.get("system") or "")
    if request.response_format is not None:
        system += request.response_format.instruction(None)
    system_tokens = count_tokens(system) if system else 0
    for row in rows:
        scan.rows += 1
        digest.update(row.key)
        if row.problem is not None:
            scan.invalid += 1
            if len(scan.problems) < MAX_NAMED_ROWS:
                scan.problems.append(
                    tr("row {number}: {problem}", number=row.number, problem=row.problem.message)
                )
            continue
        scan.duplicates += row.key in seen_keys
        seen_keys.add(row.key)
        text = text_of(row.conversation)
        tokens = count_tokens(text) + system_tokens
        scan.prompt_lengths[tokens] += 1
        scan.too_long += len(text) > max_characters or tokens > max_tokens
    scan.digest = digest.hexdigest()
    return scan


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
    prices = None
    if request.model and not request.endpoint:  # the price of one's own service is never known
        model = catalog.asked_model("chat", request.model)
        prices = catalog.find_prices("chat", model.id if model else request.model)
    return token_cost(prices, prompt_tokens, answer_tokens, is_batch=is_offline)


@dataclass(frozen=True)
class Preflight:
    """What a batch is about to do.

    Attributes:
        rows: rows of the input, None when it has not been read to its end.
        requests: requests that will be sent.
        cached: rows whose answer is in the journal already.
        duplicates: rows identical to an earlier one.
        invalid: rows that cannot be sent.
        too_long: rows longer than the model's limit.
        prompt_tokens, completion_tokens: estimates for the requests.
        cost_range: CNY by list price for these tokens, None where it is not known.
        is_free: whether nobody bills it: the sandbox answers.
        seconds: the least that the present rate limits allow, None without limits.
        budget: CNY that the batch may cost, None for no limit.
        budget_tokens: tokens of prompts and answers that it may use, None for no limit.
    """

    rows: int | None
    requests: int
    cached: int = 0
    duplicates: int = 0
    invalid: int = 0
    too_long: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_range: PriceRange | None = None
    is_free: bool = False
    seconds: float | None = None
    model: str = ""
    budget: float | None = None
    budget_tokens: int | None = None

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
        counts = [tr("{rows} rows, {n:,} to send", rows=rows, n=self.requests)]
        if self.cached:
            counts.append(tr("{cached:,} answered before", cached=self.cached))
        if self.duplicates:
            counts.append(tr("{duplicates:,} repeated", duplicates=self.duplicates))
        if self.invalid:
            counts.append(tr("{invalid:,} cannot be sent", invalid=self.invalid))
        use = f"{self._describe_tokens()} · {self._describe_cost()}"
        if self.seconds is not None:
            use += tr(
                " · at least {time} at the present limits", time=approximate_duration(self.seconds)
            )
        lines = [" · ".join(counts), use]
        if self.too_long:
            lines.append(
                "⚠ " + tr("{n:,} longer than {model} takes", n=self.too_long, model=self.model)
            )
        expected = (("CNY", self.budget, self.cost), ("tokens", self.budget_tokens, self.tokens))
        for unit, budget, amount in expected:
            if budget is not None and amount is not None and amount > budget:
                warning = tr(
                    "the budget of {limit} is enough for about {share:.0%} of it",
                    limit=format_amount(budget, unit),
                    share=budget / amount,
                )
                lines.append(f"⚠ {warning}")
        return lines

    def _describe_tokens(self) -> str:
        if not self.requests:
            return "0 tokens"
        if not self.tokens:
            return tr("tokens unknown")
        return tr(
            "≈ {sent:,} + {received:,} tokens",
            sent=self.prompt_tokens,
            received=self.completion_tokens,
        )

    def _describe_cost(self) -> str:
        if self.cost == 0:
            return tr("free")
        cost = tr("price unknown")
        if self.cost_range is not None:
            cost = tr("≈ {cost} CNY", cost=self.cost_range)
        if not self.is_free:
            return cost
        if self.cost is None:
            return tr("free")
        return tr("free ({cost} on the platform)", cost=cost)

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
    answer_tokens: float = ASSUMED_ANSWER_TOKENS,
    budget: float | None = None,
    budget_tokens: int | None = None,
    is_offline: bool = False,
    clients: int = 1,
) -> Preflight:
    """Return the preview of a batch: rows, tokens and cost.

    Args:
        request: what is sent for each row.
        scan: the rows that were read.
        rows: number of rows, None when it is not known.
        requests: number of requests that will be sent.
        cached: number of rows that have an answer.
        answer_tokens: mean tokens of an answer.
        budget: CNY that the batch may cost, None for no limit.
        budget_tokens: tokens that it may use, None for no limit.
        is_offline: whether the platform's batch service answers, at the model's batch price.
        clients: those that send the rows together, each with the limits of the settings.
    """
    share = requests / max(scan.rows, 1)
    scanned_tokens = 0
    cost: PriceRange | None = PriceRange(0, 0)
    for tokens, count in scan.prompt_lengths.items():  # each length may have its own price
        scanned_tokens += tokens * count
        price = row_cost(request, tokens, int(answer_tokens), is_offline=is_offline)
        cost = None if cost is None or price is None else cost + price * count
    prompt_tokens = int(scanned_tokens * share)
    completion_tokens = int(requests * answer_tokens)
    return Preflight(
        rows=rows,
        requests=requests,
        cached=cached,
        duplicates=scan.duplicates,
        invalid=scan.invalid,
        too_long=scan.too_long,
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        cost_range=None if cost is None else cost * share,
        is_free=request.platform == "sandbox",
        seconds=_min_seconds(requests, prompt_tokens + completion_tokens, clients),
        model=request.endpoint or request.model or "",
        budget=budget,
        budget_tokens=budget_tokens,
    )


def _min_seconds(requests: int, tokens: int, clients: int) -> float | None:
    """Return the seconds that the rate limits of the settings allow at least, None without
    limits.
    """
    settings = config.settings()
    rpm = settings.qps_limit * 60 or settings.rpm_limit
    limited = ((requests, rpm), (tokens, settings.tpm_limit))
    return max((amount * 60 / limit / clients for amount, limit in limited if limit), default=None)

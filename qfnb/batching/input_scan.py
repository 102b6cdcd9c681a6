"""Reading an input before anything is sent: which rows cannot be sent, repeat others, are too long;
their tokens.
"""

import hashlib
import math
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain

from ..base.language import tr
from ..errors import InvalidArgumentError
from ..resources.inference.embedding_reranker_tokenizer import Tokenizer
from ..wire import catalog
from ..wire.prices import PriceRange, token_cost
from .input_files import Item
from .input_source import RowSource
from .request_spec import InputRow, RequestSpec, text_of

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
        suffix = tr(" and {n} more", n=unnamed) if unnamed else ""
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
    instruction = request.response_format.instruction(None) if request.response_format else ""
    system = str(request.options.get("system") or "") + instruction
    system_tokens = count_tokens(system) if system else 0
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
    """Return what a row costs on the platform at any hour, None where the price is not known.

    Args:
        request: what is sent for each row.
        prompt_tokens: of the row.
        answer_tokens: of its answer.
        is_offline: whether the platform's batch service answers.
    """
    # the price of one's own service is never known
    model = None if request.endpoint else request.model
    row = catalog.asked_model(request.kind, model) if model else None
    prices = catalog.find_prices(request.kind, row.id if row else model) if model else None
    if request.draws:
        return (
            None
            if prices is None or prices.image is None
            else PriceRange(prices.image, prices.image)
        )
    return token_cost(prices, prompt_tokens, answer_tokens, is_batch=is_offline)

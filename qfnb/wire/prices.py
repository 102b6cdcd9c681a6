"""What replies cost: a pure function of tokens, hour in China, and batch or not.

Prices are CNY per 1,000 tokens. In files they are a number, tiers by length of the whole input
(`<=32k:0.004|<=128k:0.006`, k = 1,024 tokens), or hours in China (`08-22h:0.008|22-08h:0.004`).
"""

import csv
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ..base.language import tr, tr_noop
from ..errors import InvalidArgumentError
from .base import JsonMapping

BATCH_SHARE = 0.4
"""What a batch pays of the usual price, where the price page has a batch column (page of
2026-09-22).
"""

CHINA_OFFSET_S = 8 * 3600
"""China has one time zone and no summer time."""


@dataclass(frozen=True)
class PriceRange:
    """An amount in CNY that lies between two ends; they are equal where the price is certain."""

    low: float
    high: float

    @property
    def is_exact(self) -> bool:
        """Whether both ends are the same."""
        return self.low == self.high

    def __add__(self, second: "PriceRange") -> "PriceRange":
        return PriceRange(self.low + second.low, self.high + second.high)

    def __mul__(self, factor: float) -> "PriceRange":
        return PriceRange(self.low * factor, self.high * factor)

    def __str__(self) -> str:
        low = f"{self.low:.4g}"
        high = f"{self.high:.4g}"
        if low == high:
            return high
        return f"{low}–{high}"


FREE = PriceRange(0, 0)


def sum_prices(prices: Iterable[PriceRange | None]) -> PriceRange | None:
    """Return the sum, 0 for none; None if any price is not known."""
    total = FREE
    for price in prices:
        if price is None:
            return None
        total += price
    return total


@dataclass(frozen=True)
class PriceStep:
    """A price and when it holds.

    Attributes:
        price: CNY per 1,000 tokens.
        max_input: the longest input in tokens that it holds for, None for any.
        hours: from and before which hour in China it holds, None for the whole day.
    """

    price: float
    max_input: int | None = None
    hours: tuple[int, int] | None = None

    def covers(self, hour: int) -> bool:
        """Return whether it holds at an hour, 0 to 23."""
        if self.hours is None:
            return True
        start, end = self.hours
        if start < end:
            return start <= hour < end
        return hour >= start or hour < end


@dataclass(frozen=True)
class ModelPrices:
    """The prices of one model.

    Attributes:
        input, output, cached: of tokens of the prompt, of the reply with its thinking, and of the
        part of the
            prompt that the platform had cached; empty where not known.
        batch_share: what a batch pays of them, 1 where there is no batch price, None where that is
            not known.
        image: CNY for one picture.
    """

    input: tuple[PriceStep, ...] = ()
    output: tuple[PriceStep, ...] = ()
    cached: tuple[PriceStep, ...] = ()
    batch_share: float | None = None
    image: float | None = None


def token_cost(
    prices: ModelPrices | None,
    prompt_tokens: int,
    completion_tokens: int = 0,
    *,
    cached_tokens: int = 0,
    hour: int | None = None,
    is_batch: bool = False,
) -> PriceRange | None:
    """Return the cost of one request, None where a price that it needs is not known.

    The upper end is never too low. Hours whose price is not listed count from the share that the
    model's listed hours differ by, up to the listed price; cached tokens without a price of their
    own as the others; a batch of a model of which no batch price is known from 40 % to the full
    price.

    Args:
        prices: of the model; None if not known.
        prompt_tokens: of the whole input, which decides the tier; an input above the last tier pays
            the last.
        completion_tokens: of the reply, its thinking included.
        cached_tokens: how many of `prompt_tokens` were cached.
        hour: in China, 0 to 23; None where it is open.
        is_batch: whether it is part of a batch.

    Raises:
        InvalidArgumentError: a number is out of its range.
    """
    if min(prompt_tokens, completion_tokens, cached_tokens) < 0:
        raise InvalidArgumentError(
            tr(
                "prompt_tokens={prompt_tokens}, completion_tokens={completion_tokens}, "
                "cached_tokens={cached_tokens}: token counts are 0 or more",
                prompt_tokens=prompt_tokens,
                completion_tokens=completion_tokens,
                cached_tokens=cached_tokens,
            )
        )
    if hour is not None and not 0 <= hour <= 23:
        raise InvalidArgumentError(
            tr(
                "hour={hour}: must be an hour in China from 0 to 23, or None if it is not known",
                hour=hour,
            )
        )
    if prices is None or not prices.input or (completion_tokens and not prices.output):
        return None
    cached_tokens = min(cached_tokens, prompt_tokens)
    counts = (
        (prices.input, prompt_tokens - cached_tokens),
        (prices.cached or prices.input, cached_tokens),
        (prices.output, completion_tokens),
    )
    low = high = 0.0
    for steps, count in counts:
        if count:
            step_low, step_high = _price_at(prices, steps, prompt_tokens, hour)
            low = low + step_low * count / 1000
            high = high + step_high * count / 1000
    if not is_batch:
        return PriceRange(low, high)
    share = prices.batch_share
    return PriceRange(
        low * (BATCH_SHARE if share is None else share), high * (1 if share is None else share)
    )


def china_hour(timestamp: float | None = None) -> int:
    """Return the hour in China, 0 to 23, of a Unix time, default now."""
    return int(((time.time() if timestamp is None else timestamp) + CHINA_OFFSET_S) // 3600 % 24)


def _price_at(
    table: ModelPrices, steps: tuple[PriceStep, ...], prompt_tokens: int, hour: int | None
) -> tuple[float, float]:
    """Return both ends of the price per 1,000 tokens of one column, for a length of input and an
    hour.
    """
    first = steps[0]
    if len(steps) == 1 and first.max_input is None and first.hours is None:  # of most models
        return first.price, first.price
    bounds = [step.max_input for step in steps if step.max_input is not None]
    tier = min(
        (bound for bound in bounds if bound >= prompt_tokens), default=max(bounds, default=None)
    )
    steps = tuple(step for step in steps if step.max_input in {tier, None})
    prices = [step.price for step in steps if hour is None or step.covers(hour)]
    if prices and (hour is not None or _covers_day(steps)):
        return min(prices), max(prices)
    listed = [step.price for step in steps]
    return min(listed) * _hourly_share(table), max(listed)


def _hourly_share(prices: ModelPrices) -> float:
    """Return the lowest price of an hour as a share of the highest, of the columns that list all
    hours.
    """
    columns = [
        [step.price for step in steps]
        for steps in (prices.input, prices.output, prices.cached)
        if any(step.hours for step in steps) and _covers_day(steps)
    ]
    return min((min(column) / max(column) for column in columns if max(column)), default=1.0)


def _covers_day(steps: tuple[PriceStep, ...]) -> bool:
    return all(any(step.covers(hour) for step in steps) for hour in range(24))


def show_steps(steps: tuple[PriceStep, ...]) -> str:
    """Return a price as text, "" where it is not known: "0.0008", "≤32k 0.004, ≤128k 0.006"."""
    return ", ".join(f"{_show_condition(step)}{step.price:g}" for step in steps)


def _show_condition(step: PriceStep) -> str:
    if step.hours:
        return f"{step.hours[0]:02}–{step.hours[1]:02}h "
    if step.max_input is None:
        return ""
    thousands, remainder = divmod(step.max_input, 1024)
    if not remainder:
        return f"≤{thousands}k "
    if remainder == 1023:
        return f"<{thousands + 1}k "
    return f"≤{step.max_input} "


_STEP = re.compile(
    r"(?:(?P<sign><=|<)(?P<tier>\d+)k:|(?P<start>\d\d)-(?P<end>\d\d)h:)?(?P<price>\d+(?:\.\d+)?)"
)
PRICE_FORMS = tr_noop(
    "a number of CNY per 1,000 tokens, tiers such as <=32k:0.004|<=128k:0.006, or hours "
    "08-22h:0.008|22-08h:0.004"
)


def parse_steps(text: str) -> tuple[PriceStep, ...]:
    """Return a price as it is written in files; "" is not known.

    Raises:
        ValueError: it is none of `PRICE_FORMS`.
    """
    if text.strip():
        return tuple(_parse_step(part.strip()) for part in text.split("|"))
    return ()


def _parse_step(text: str) -> PriceStep:
    match = _STEP.fullmatch(text)
    if match is None:
        raise ValueError(tr("{text!r} is not {forms}", text=text, forms=tr(PRICE_FORMS)))
    if not match["tier"]:
        max_input = None
    else:
        max_input = int(match["tier"]) * 1024 - (match["sign"] == "<")
    if not match["start"]:
        hours = None
    else:
        hours = (int(match["start"]), int(match["end"]))
    if hours and (hours[0] > 24 or hours[1] > 24 or hours[0] % 24 == hours[1] % 24):
        raise ValueError(tr("{text!r}: hours are 00 to 24 and differ", text=text))
    return PriceStep(float(match["price"]), max_input, hours)


# Prices of one's own, which win over the list prices: a CSV file.

FIELDS = ("input", "output", "cached", "batch", "image")


def own_prices(path: str) -> Mapping[str, ModelPrices]:
    """Return the prices of the setting `prices` by model in lower case; the file is read again when
    it changed.

    Args:
        path: of a CSV file with the columns model, input, output, cached, batch, image (only model
            is needed); batch is a share, 0.4 for 40 %.

    Raises:
        InvalidArgumentError: names file, model and field, and what is allowed.
    """
    file = Path(path).expanduser()
    try:
        return _read_file(file, file.stat().st_mtime_ns)
    except OSError as error:
        raise InvalidArgumentError(
            tr(
                "QIANFAN_PRICES={path}: the file cannot be read: {reason}",
                path=path,
                reason=error.strerror or error,
            )
        ) from None


@lru_cache(maxsize=4)
def _read_file(file: Path, changed_at: int) -> Mapping[str, ModelPrices]:
    name = tr("price file {file}", file=file.name)
    try:
        rows = csv.DictReader(file.read_text(encoding="utf-8-sig").splitlines(), restkey="")
    except ValueError as error:
        raise InvalidArgumentError(tr("{name}: {error}", name=name, error=error)) from None
    if "model" not in (rows.fieldnames or ()):
        problem = tr(
            "the first line must name the columns: model, {fields}", fields=tr(", ").join(FIELDS)
        )
        raise InvalidArgumentError(tr("{name}: {error}", name=name, error=problem))
    prices = {}
    for row in rows:
        model = row.pop("model")
        where = tr("{name}, model {model!r}", name=name, model=model)
        prices[model.strip().lower()] = _parse_model_prices(where, row)
    return prices


def _parse_model_prices(where: str, row: JsonMapping) -> ModelPrices:
    values = {key: str(value or "").strip() for key, value in row.items()}
    if unknown := [key for key in values if key not in FIELDS]:
        raise InvalidArgumentError(
            tr(
                "{where}: there is no field {name!r}; the fields are {fields}",
                where=where,
                name=unknown[0],
                fields=tr(", ").join(FIELDS),
            )
        )
    numbers: dict[str, float | None] = {}
    for key in ("batch", "image"):
        text = values.get(key, "")
        if text and not re.fullmatch(r"\d+(\.\d+)?", text):
            raise InvalidArgumentError(
                tr(
                    "{where}: {key}={text}: must be a number of 0 or more",
                    where=where,
                    key=key,
                    text=text,
                )
            )
        numbers[key] = float(text) if text else None
    try:
        steps = {key: parse_steps(values.get(key, "")) for key in ("input", "output", "cached")}
    except ValueError as error:
        raise InvalidArgumentError(f"{where}: {error}") from None
    return ModelPrices(**steps, batch_share=numbers["batch"], image=numbers["image"])

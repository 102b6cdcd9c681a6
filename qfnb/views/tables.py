"""The tables of `models()` and `usage()` in a notebook: the columns that matter; the value has all
of them.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from ..base.language import tr, tr_noop, trn
from ..wire.prices import PriceRange
from . import components, formats
from .display import Bundle

if TYPE_CHECKING:
    import pandas as pd

MAX_CALLS: Final = 20
"""Calls that are shown, the last ones."""

MODEL_HEADS: Final = (
    tr_noop("Model"),
    tr_noop("Context"),
    tr_noop("Longest output"),
    tr_noop("Thinking"),
    tr_noop("Input ¥/1k"),
    tr_noop("Output ¥/1k"),
)
CALL_HEADS: Final = (
    tr_noop("Time"),
    tr_noop("Model"),
    tr_noop("Tokens in"),
    tr_noop("Tokens out"),
    tr_noop("Duration"),
    tr_noop("Cost"),
    tr_noop("Error"),
)

THINKING: Final = {
    "no": tr_noop("no"),
    "optional": tr_noop("optional"),
    "always": tr_noop("always"),
}


def models_bundle(frame: pd.DataFrame) -> Bundle:
    """Return the table of models, a fold for each kind; the first, chat, is open."""
    by_kind = {
        str(kind): [_model_row(row) for row in records(part)]
        for kind, part in frame.groupby("kind", sort=False)
    }
    heads = [tr(head) for head in MODEL_HEADS]
    numeric = (1, 2, 4, 5)
    parts = [
        (kind, f"{len(rows):,}", components.table(heads, rows, numeric=numeric, is_wide=True))
        for kind, rows in by_kind.items()
    ]
    title = trn("{n} model", "{n} models", len(frame))
    return _bundle(frame, title, [components.folds(*parts, is_first_open=True)])


def usage_bundle(frame: pd.DataFrame) -> Bundle:
    """Return the use of the calls of this kernel, and the last of them."""
    rows = [_call_row(row) for row in records(frame.tail(MAX_CALLS))]
    heads = [tr(head) for head in CALL_HEADS]
    numbers = [
        (tr("Tokens in"), f"{int(frame['prompt_tokens'].sum()):,}", ""),
        (tr("Tokens out"), f"{int(frame['completion_tokens'].sum()):,}", ""),
        (tr("Cost"), _format_cost(_sum_cost(frame)), ""),
        (tr("Errors"), f"{int((frame['error'] != '').sum()):,}", ""),
    ]
    table = components.table(heads, rows, numeric=(2, 3, 4, 5), is_wide=True)
    earlier = len(frame) - len(rows)
    if earlier:
        note = trn("{n} earlier call is not shown.", "{n} earlier calls are not shown.", earlier)
    else:
        note = ""
    title = trn("{n} call", "{n} calls", len(frame))
    blocks = [
        components.key_numbers(*numbers),
        table if rows else "",
        components.dim_lines(note) if note else "",
    ]
    return _bundle(frame, title, blocks)


def _bundle(frame: pd.DataFrame, title: str, blocks: Sequence[object]) -> Bundle:
    remark = trn(
        "the value is a DataFrame with {n} column",
        "the value is a DataFrame with {n} columns",
        frame.shape[1],
    )
    panel = components.panel(title, components.header(title, subtitle=remark), *blocks)
    return {"text/plain": repr(frame), "text/html": components.output(panel)}


def records(frame: pd.DataFrame) -> list[dict[Any, Any]]:
    """Return the rows of a frame; None is for a value that is missing."""
    return frame.astype(object).where(frame.notna(), None).to_dict("records")


def _model_row(row: dict[Any, Any]) -> tuple[str, ...]:
    if not row["replacement"]:
        name = row["id"]
    else:
        name = f"{row['id']} → {row['replacement']}"
    lengths = (
        formats.compact(row[column]) if row[column] else "–" for column in ("context", "max_output")
    )
    prices = (_price_range(row[column] or "") for column in ("price_input", "price_output"))
    thinking = THINKING.get((row["thinking"] or "").partition(" ")[0])
    return (name, *lengths, tr(thinking) if thinking else "–", *prices)


def _price_range(steps: str) -> str:
    """Return the ends of a price that depends on length or hour: "0.004–0.006" of "≤32k 0.004,
    ≤128k 0.006".
    """
    prices = sorted({step.rpartition(" ")[2] for step in steps.split(", ") if step}, key=float)
    return "–".join([prices[0], prices[-1]] if len(prices) > 1 else prices) or "–"


def _call_row(row: dict[Any, Any]) -> tuple[str, ...]:
    if row["cost"] is None:
        price = None
    else:
        price = PriceRange(row["cost_low"], row["cost"])
    return (
        time.strftime("%H:%M:%S", time.localtime(row["at"].timestamp())),
        row["model"],
        *(
            "–" if row[name] is None else f"{int(row[name]):,}"
            for name in ("prompt_tokens", "completion_tokens")
        ),
        formats.seconds(row["seconds"]),
        "–" if row["error"] else _format_cost(price),
        row["error"],
    )


def _format_cost(price: PriceRange | None) -> str:
    """Return the cost of calls; what costs nothing, as in the sandbox, is free."""
    return formats.cost(price, is_free=price is not None and price.high == 0)


def _sum_cost(frame: pd.DataFrame) -> PriceRange | None:
    """Return the cost of all calls that were answered, None where one is not known."""
    answered = frame[frame["error"] == ""]
    if answered["cost"].isna().any():
        return None
    return PriceRange(float(answered["cost_low"].sum()), float(answered["cost"].sum()))

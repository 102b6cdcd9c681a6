"""What requests of the probe can cost at most, by list price; an unknown price stays unknown."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..base.language import tr
from ..wire import catalog, prices
from .exchange import Request

OVERHEAD_TOKENS = 50
"""Tokens that a platform adds to a conversation, and more."""

DEFAULT_OUTPUT_TOKENS = 4096
"""Counted for a request that does not limit its answer."""

_WITHOUT_OUTPUT = frozenset(["embedding", "reranker"])


@dataclass(frozen=True)
class CostLimit:
    """The sum of some requests.

    Attributes:
        cny: of those with a price, at most.
        unpriced: model -> tokens at most, of those without one.
    """

    cny: float
    unpriced: dict[str, int]

    def __str__(self) -> str:
        words = (
            tr("¥{cost} at most", cost=f"{max(self.cny, 0.0001):.4f}") if self.cny else tr("free")
        )
        if not self.unpriced:
            return words
        models = [
            tr("{text} ({remark})", text=model, remark=f"{tokens:,} tokens")
            for model, tokens in self.unpriced.items()
        ]
        unpriced = tr("price unknown: {models}", models=tr(", ").join(models))
        return f"{words} · {unpriced}" if self.cny else unpriced


def cost_limit(requests: Iterable[Request]) -> CostLimit:
    """Return what requests cost if each is answered at its full length, even those that should be
    refused.
    """
    cny = 0.0
    unpriced = dict[str, int]()
    for request in requests:
        body, count = request.lines or (request.body, 1)
        model = str(body.get("model") or "")
        if not model or request.key != "own":
            continue
        row = catalog.find_model(None, model)
        known = catalog.find_prices(row.kind, model) if row else None
        prompt, completion = _token_limits(body, row.kind if row else "chat")
        if known and known.image is not None:
            cny += known.image * int(body.get("n") or 1) * count
        elif cost := prices.token_cost(known, prompt, completion):
            cny += cost.high * count
        else:
            unpriced[model] = unpriced.get(model, 0) + (prompt + completion) * count
    return CostLimit(cny, unpriced)


def _token_limits(body: Mapping[str, Any], kind: str) -> tuple[int, int]:
    """Return the most tokens of prompt and answer: a character is at most about one token."""
    prompt = len(json.dumps(body, ensure_ascii=False)) + OVERHEAD_TOKENS
    if kind in _WITHOUT_OUTPUT:
        return prompt, 0
    limits = (body.get(name) for name in ("max_completion_tokens", "max_output_tokens"))
    return prompt, next((int(limit) for limit in limits if limit), DEFAULT_OUTPUT_TOKENS)

"""Labels of models: what tables and charts call them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import InvalidArgumentError


def model_label(model: Any) -> str:
    """Return the label of a service, a model or a chat model; None is the default chat model."""
    if isinstance(model, str):
        return model
    names = (getattr(model, name, None) for name in ("label", "name", "endpoint", "model", "id"))
    is_chat = model is None or hasattr(model, "batch_do")
    return next((str(name) for name in names if name), "the default model" if is_chat else str(model))


def unique_labels(labels: Sequence[str]) -> tuple[str, ...]:
    """Return labels of which those that occur more than once are numbered.

    Raises:
        InvalidArgumentError: a numbered label is already the label of another model.
    """
    numbered = tuple(
        label if labels.count(label) == 1 else f"{label} ({labels[: index + 1].count(label)})"
        for index, label in enumerate(labels)
    )
    if len(set(numbered)) < len(numbered):
        raise InvalidArgumentError(
            f"models of one name: {', '.join(labels)}; name them differently (名称重复)"
        )
    return numbered

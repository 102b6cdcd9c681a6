"""The options of inference calls: their types, and the ranges that are checked before anything is sent."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypedDict

from ...errors import InvalidArgumentError


class AccountKeys(TypedDict, total=False):
    """Keys of one account, given to a constructor instead of the settings; `base_url` is another server's."""

    api_key: str | None
    access_key: str | None
    secret_key: str | None
    ak: str | None
    sk: str | None
    access_token: str | None
    base_url: str | None


class ChatOptions(TypedDict, total=False):
    """What a chat call may carry; further options of a model travel as they are.

    temperature is in (0, 1], top_p in [0, 1], penalty_score in [1, 2]; stop has at most 4 texts.
    """

    system: str
    temperature: float
    top_p: float
    penalty_score: float
    frequency_penalty: float
    presence_penalty: float
    stop: list[str]
    max_output_tokens: int
    max_completion_tokens: int
    seed: int
    response_format: str | dict[str, Any]
    functions: list[dict[str, Any]]
    tools: list[dict[str, Any]]
    tool_choice: str | dict[str, Any]
    disable_search: bool
    enable_citation: bool
    user_id: str
    user: str


class ImageOptions(TypedDict, total=False):
    """What a text-to-image call may carry; size is one of IMAGE_SIZES, n 1-4, seed 0-4294967295."""

    negative_prompt: str
    size: str
    n: int
    steps: int
    sampler_index: str
    seed: int
    cfg_scale: float
    style: str
    user_id: str


OPTION_RANGES: dict[str, tuple[float, float, str]] = {
    "temperature": (0.0, 1.0, "(0, 1]"),
    "top_p": (0.0, 1.0, "[0, 1]"),
    "penalty_score": (1.0, 2.0, "[1, 2]"),
    "n": (1, 4, "1 to 4"),
    "steps": (10, 50, "10 to 50"),
    "seed": (0, 4294967295, "0 to 4294967295"),
    "cfg_scale": (0, 30, "0 to 30"),
}


def validate_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that are set, after checking each against its range.

    Raises:
        InvalidArgumentError: names the option, its value and the allowed range.
    """
    set_options = {name: value for name, value in options.items() if value is not None}
    for name, value in set_options.items():
        if name in OPTION_RANGES and not _is_in_range(name, value):
            raise InvalidArgumentError(
                f"{name}={value!r} is out of range: it is a number in {OPTION_RANGES[name][2]}"
            )
    stop = set_options.get("stop")
    if isinstance(stop, list) and len(stop) > 4:
        raise InvalidArgumentError(f"stop has {len(stop)} texts: at most 4 are allowed")
    return set_options


def _is_in_range(name: str, value: object) -> bool:
    low, high, _ = OPTION_RANGES[name]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return False
    return low <= value <= high and (name != "temperature" or value > 0)

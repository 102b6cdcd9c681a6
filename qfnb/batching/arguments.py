"""What `qfnb.batch` and `qfnb.estimate` may be given, checked before anything is read or sent."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from .. import config
from ..errors import InvalidArgumentError
from ..resources.chat import ChatCompletion
from ..resources.crew import checked_size
from ..resources.options import ChatOptions
from ..wire import catalog
from . import export
from .journals import path_of
from .plan import Plan
from .services import Via
from .source import Source


class Others(ChatOptions, total=False):
    """What an estimate takes because `batch` does, though it changes no number."""

    out: str | Path | None
    name: str | None
    workers: int | None
    canary: int
    wrong_rows: Literal["refuse", "keep"]
    update: bool
    mode: Literal["online", "offline"]
    offline_via: Via | None
    request_timeout: float | None
    retry_count: int | None


NAMES = (
    "rows",
    "prompt",
    "model",
    "endpoint",
    "budget",
    "dedupe",
    "asking",
    *sorted(Others.__optional_keys__),
)


def is_count(value: object, least: int) -> bool:
    """Tell whether a value is a whole number that is large enough."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def is_positive(value: object) -> bool:
    """Tell whether a value is a finite number above 0."""
    return (
        isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value > 0
    )


def _is_one_of(*values: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and value in values


_CHECKS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "model": (lambda value: isinstance(value, str), "it is a model's name"),
    "endpoint": (lambda value: isinstance(value, str), "it is the name of a service of yours"),
    "name": (lambda value: isinstance(value, str), "it is a text, the name of the journal"),
    "dedupe": (lambda value: isinstance(value, bool), "it is True or False"),
    "update": (lambda value: isinstance(value, bool), "it is True or False"),
    "asking": (lambda value: isinstance(value, ChatCompletion), "it is a qfnb.ChatCompletion"),
    "canary": (lambda value: is_count(value, 0), "it is a number of rows, 0 for none"),
    "wrong_rows": (_is_one_of("refuse", "keep"), "it is 'refuse' or 'keep'"),
    "mode": (_is_one_of("online", "offline"), "it is 'online' or 'offline'"),
    "offline_via": (_is_one_of("files", "bos"), "it is 'files' or 'bos', and for mode='offline'"),
    "request_timeout": (is_positive, "it is a number of seconds above 0"),
    "retry_count": (lambda value: is_count(value, 1), "it is a number of tries, 1 for no second one"),
}


def check(**given: object) -> None:
    """Refuse arguments that are of a wrong type or out of range.

    Raises:
        InvalidArgumentError: names the argument, its value and what is allowed.
    """
    for name, value in given.items():
        fits, allowed = _CHECKS[name]
        if not fits(value) and (value is not None or name not in _OPTIONAL):
            raise InvalidArgumentError(f"{name}={value!r}: {allowed}")


_OPTIONAL = {"model", "endpoint", "name", "asking", "offline_via", "request_timeout", "retry_count"}


def check_others(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a chat call among what an estimate is given, after checking the rest.

    Raises:
        InvalidArgumentError: `batch` has no such argument, or it is wrong.
    """
    _refuse_unknown(given)
    rest = {name: value for name, value in given.items() if name not in ChatOptions.__optional_keys__}
    checked_size("workers", rest.pop("workers", None))
    if (out := rest.pop("out", None)) is not None:
        export.checked(out)
    check(**rest)
    if name := rest.get("name"):
        path_of(name)
    return {name: value for name, value in given.items() if name in ChatOptions.__optional_keys__}


def _refuse_unknown(given: Mapping[str, Any]) -> None:
    for name, value in given.items():
        if name not in NAMES:
            near = difflib.get_close_matches(name, NAMES, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise InvalidArgumentError(f"{name}={value!r}: `batch` has no such argument{hint} (没有此参数)")


def target_of(out: str | Path | None, source: Source) -> Path | None:
    """Return the file that results are written to.

    Raises:
        InvalidArgumentError: it cannot be written, or it is the input.
    """
    target = None if out is None else export.checked(out)
    if target is not None and source.path is not None and target.exists() and target.samefile(source.path):
        raise InvalidArgumentError(
            f"out={str(out)!r}: this is the input: name another file (不能覆盖输入文件)"
        )
    return target


def via_of(mode: str, given: Via | None, asking: ChatCompletion) -> Via | None:
    """Return the offline service that the keys allow, None for online."""
    if given and mode == "online":
        raise InvalidArgumentError(f"offline_via={given!r}: it is 'files' or 'bos', and for mode='offline'")
    if mode == "online":
        return None
    if asking.has_own_keys:
        raise InvalidArgumentError("mode='offline' works with the settings' keys, not with asking='s own")
    keys = config.credentials()
    only_iam = keys.get("access_key") and not keys.get("api_key")
    return given or ("bos" if only_iam else "files")


def checked_budget(budget: float | None, plan: Plan) -> float | None:
    """Return a budget that can be kept.

    Raises:
        InvalidArgumentError: it is no sum, or the price of the model is not known.
    """
    if budget is None:
        return None
    if not is_positive(budget):
        raise InvalidArgumentError(f"budget={budget!r}: it is a number of CNY above 0")
    if plan.platform != "sandbox" and catalog.cost(plan.model or "", 1, 1) is None:
        raise InvalidArgumentError(
            f"budget={budget:g}: the price of {plan.endpoint or plan.model} is not known, so a budget cannot "
            "be kept (价格未知，无法控制预算)"
        )
    return float(budget)

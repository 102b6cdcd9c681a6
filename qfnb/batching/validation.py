"""What `qfnb.batch` and `qfnb.estimate` may be given, checked before anything is read or sent."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from .. import config
from .._jobs.worker_pool import validate_worker_count
from ..errors import InvalidArgumentError
from ..resources.inference.chat import ChatCompletion
from ..resources.inference.options import ChatOptions
from ..wire import catalog
from . import export
from .input.source import RowSource
from .journal_store import journal_path
from .offline.backends import OfflineVia
from .request_spec import RequestSpec


class EstimateOptions(ChatOptions, total=False):
    """What an estimate takes because `batch` does, though it changes no number."""

    out: str | Path | None
    name: str | None
    workers: int | None
    canary: int
    invalid_rows: Literal["raise", "fail"]
    allow_changed_input: bool
    mode: Literal["online", "offline"]
    offline_via: OfflineVia | None
    request_timeout: float | None
    retry_count: int | None


BATCH_ARGUMENTS = (
    "rows",
    "prompt",
    "model",
    "endpoint",
    "budget",
    "dedupe",
    "client",
    *sorted(EstimateOptions.__optional_keys__),
)


def is_count(value: object, minimum: int) -> bool:
    """Tell whether a value is a whole number that is large enough."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= minimum


def is_positive_number(value: object) -> bool:
    """Tell whether a value is a finite number above 0."""
    return (
        isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value > 0
    )


def _is_one_of(*values: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and value in values


_RULES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "model": (lambda value: isinstance(value, str), "it is a model's name"),
    "endpoint": (lambda value: isinstance(value, str), "it is the name of a service of yours"),
    "name": (lambda value: isinstance(value, str), "it is a text, the name of the journal"),
    "dedupe": (lambda value: isinstance(value, bool), "it is True or False"),
    "allow_changed_input": (lambda value: isinstance(value, bool), "it is True or False"),
    "client": (lambda value: isinstance(value, ChatCompletion), "it is a qfnb.ChatCompletion"),
    "canary": (lambda value: is_count(value, 0), "it is a number of rows, 0 for none"),
    "invalid_rows": (_is_one_of("raise", "fail"), "it is 'raise' or 'fail'"),
    "mode": (_is_one_of("online", "offline"), "it is 'online' or 'offline'"),
    "offline_via": (_is_one_of("files", "bos"), "it is 'files' or 'bos', and for mode='offline'"),
    "request_timeout": (is_positive_number, "it is a number of seconds above 0"),
    "retry_count": (lambda value: is_count(value, 1), "it is a number of tries, 1 for no second one"),
}


def validate_arguments(**arguments: object) -> None:
    """Refuse arguments that are of a wrong type or out of range.

    Raises:
        InvalidArgumentError: names the argument, its value and what is allowed.
    """
    for name, value in arguments.items():
        is_valid, allowed = _RULES[name]
        if not is_valid(value) and (value is not None or name not in _MAY_BE_NONE):
            raise InvalidArgumentError(f"{name}={value!r}: {allowed}")


_MAY_BE_NONE = {"model", "endpoint", "name", "client", "offline_via", "request_timeout", "retry_count"}


def validate_estimate_options(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a chat call among what an estimate is given, after checking the rest.

    Raises:
        InvalidArgumentError: `batch` has no such argument, or it is wrong.
    """
    _raise_if_unknown(arguments)
    remaining = {
        name: value for name, value in arguments.items() if name not in ChatOptions.__optional_keys__
    }
    validate_worker_count("workers", remaining.pop("workers", None))
    if (out := remaining.pop("out", None)) is not None:
        export.validate_output_path(out)
    validate_arguments(**remaining)
    if name := remaining.get("name"):
        journal_path(name)
    return {name: value for name, value in arguments.items() if name in ChatOptions.__optional_keys__}


def _raise_if_unknown(arguments: Mapping[str, Any]) -> None:
    for name, value in arguments.items():
        if name not in BATCH_ARGUMENTS:
            matches = difflib.get_close_matches(name, BATCH_ARGUMENTS, 1)
            hint = f"; did you mean {matches[0]}?" if matches else ""
            raise InvalidArgumentError(f"{name}={value!r}: `batch` has no such argument{hint} (没有此参数)")


def validate_output(out: str | Path | None, source: RowSource) -> Path | None:
    """Return the file that results are written to.

    Raises:
        InvalidArgumentError: it cannot be written, or it is the input.
    """
    path = None if out is None else export.validate_output_path(out)
    if path is not None and source.path is not None and path.exists() and path.samefile(source.path):
        raise InvalidArgumentError(
            f"out={str(out)!r}: this is the input: name another file (不能覆盖输入文件)"
        )
    return path


def choose_offline_via(mode: str, requested: OfflineVia | None, client: ChatCompletion) -> OfflineVia | None:
    """Return the offline service that the keys allow, None for online."""
    if requested and mode == "online":
        raise InvalidArgumentError(
            f"offline_via={requested!r}: it is 'files' or 'bos', and for mode='offline'"
        )
    if mode == "online":
        return None
    if client.has_own_keys:
        raise InvalidArgumentError("mode='offline' works with the settings' keys, not with those of client=")
    keys = config.credentials()
    has_only_iam = keys.get("access_key") and not keys.get("api_key")
    return requested or ("bos" if has_only_iam else "files")


def validate_budget(budget: float | None, plan: RequestSpec) -> float | None:
    """Return a budget that can be kept.

    Raises:
        InvalidArgumentError: it is no sum, or the price of the model is not known.
    """
    if budget is None:
        return None
    if not is_positive_number(budget):
        raise InvalidArgumentError(f"budget={budget!r}: it is a number of CNY above 0")
    if plan.platform != "sandbox" and catalog.reply_cost(plan.model or "", 1, 1) is None:
        raise InvalidArgumentError(
            f"budget={budget:g}: the price of {plan.endpoint or plan.model} is not known, so a budget cannot "
            "be kept (价格未知，无法控制预算)"
        )
    return float(budget)

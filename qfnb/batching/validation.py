"""The arguments of `qfnb.batch` and `qfnb.estimate`, checked before anything is read or sent."""

import difflib
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from .. import config
from .._jobs.worker_pool import validate_worker_count
from ..base.language import tr, tr_noop
from ..base.text import did_you_mean
from ..errors import InvalidArgumentError
from ..resources.inference.arguments import ChatOptions
from ..resources.inference.chat import ChatCompletion, validate_chat_options
from ..resources.inference.model_choice import find_living_model, refuse_other_kind
from ..resources.inference.response_format import ResponseFormat, parse_response_format
from ..wire import catalog
from . import export
from .client_pool import ClientPool
from .input_source import RowSource
from .journal_store import journal_path
from .preflight import row_cost
from .request_spec import OfflineVia, RequestSpec, platform_name

FORMAT_KINDS = frozenset({"text", "json_object", "json_schema"})
"""Values of `type` in the platform's own form of `response_format`, which is stored as it is."""

_OFFLINE_VIA = tr_noop("'files' or 'bos', and for mode='offline'")


class EstimateOptions(ChatOptions, total=False):
    """Arguments of `batch` that change no number of an estimate."""

    out: str | Path | None
    name: str | None
    workers: int | None
    canary: int
    invalid_rows: Literal["raise", "fail"]
    allow_changed_input: bool | Literal["keep"]
    allow_same_prompt: bool
    mode: Literal["online", "offline"]
    offline_via: OfflineVia | None
    request_timeout: float | None
    retry_count: int | None


_BATCH_ARGUMENTS = (
    *(
        "rows",
        "prompt",
        "model",
        "endpoint",
        "budget",
        "budget_tokens",
        "dedupe",
        "client",
        "clients",
    ),
    *sorted(EstimateOptions.__optional_keys__),
)


def _is_count(value: object, minimum: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= minimum


def _is_positive_number(value: object) -> bool:
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and math.isfinite(value)
        and value > 0
    )


def _is_one_of(*values: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and value in values


def _is_a(kind: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kind)


_RULES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "model": (_is_a(str), tr_noop("must be the name of a model")),
    "endpoint": (_is_a(str), tr_noop("must be the name of a service of yours")),
    "name": (_is_a(str), tr_noop("must be a string, the name of the journal")),
    "dedupe": (_is_a(bool), tr_noop("must be True or False")),
    "allow_changed_input": (
        lambda value: isinstance(value, bool) or value == "keep",
        tr_noop("must be True, False or 'keep'"),
    ),
    "allow_same_prompt": (_is_a(bool), tr_noop("must be True or False")),
    "client": (_is_a(ChatCompletion), tr_noop("must be a qfnb.ChatCompletion")),
    "budget_tokens": (
        lambda value: _is_count(value, 1),
        tr_noop("must be a number of tokens, 1 or more"),
    ),
    "canary": (lambda value: _is_count(value, 0), tr_noop("must be a number of rows, 0 for none")),
    "invalid_rows": (_is_one_of("raise", "fail"), tr_noop("must be 'raise' or 'fail'")),
    "mode": (_is_one_of("online", "offline"), tr_noop("must be 'online' or 'offline'")),
    "offline_via": (
        _is_one_of("files", "bos"),
        tr_noop("must be 'files' or 'bos', and for mode='offline'"),
    ),
    "request_timeout": (_is_positive_number, tr_noop("must be a number of seconds above 0")),
    "retry_count": (
        lambda value: _is_count(value, 1),
        tr_noop("must be a number of tries, 1 or more"),
    ),
}

_MAY_BE_NONE = {
    "model",
    "endpoint",
    "name",
    "client",
    "offline_via",
    "budget_tokens",
    "request_timeout",
    "retry_count",
}


def validate_arguments(**arguments: object) -> None:
    """Check the types and ranges of arguments of `batch`, by name.

    Raises:
        InvalidArgumentError: names the argument, its value and what is allowed.
    """
    for name, value in arguments.items():
        is_valid, allowed = _RULES[name]
        if not is_valid(value) and (value is not None or name not in _MAY_BE_NONE):
            raise InvalidArgumentError(
                tr("{name}={value!r}: {allowed}", name=name, value=value, allowed=tr(allowed))
            )


def validate_estimate_options(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Check the arguments that `estimate` takes because `batch` does; return the chat options among
    them.

    Raises:
        InvalidArgumentError: `batch` has no such argument, or it is wrong.
    """
    for name, value in arguments.items():
        if name not in _BATCH_ARGUMENTS:
            hint = did_you_mean(name, _BATCH_ARGUMENTS)
            raise InvalidArgumentError(
                tr(
                    "{name}={value!r}: `batch` has no such argument{hint}",
                    name=name,
                    value=value,
                    hint=hint,
                )
            )
    chat_options = {
        name: arguments[name] for name in arguments if name in ChatOptions.__optional_keys__
    }
    others = {name: arguments[name] for name in arguments if name not in chat_options}
    validate_worker_count("workers", others.pop("workers", None))
    if (out := others.pop("out", None)) is not None:
        export.validate_output_path(out)
    validate_arguments(**others)
    if others.get("name"):
        journal_path(others["name"])
    return chat_options


def storable_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of `ChatCompletion.do` after their checks, as journals store them: of a
    class the schema.

    Raises:
        InvalidArgumentError: names the option, its value and what is allowed.
    """
    if options.get("stream"):
        raise InvalidArgumentError(tr("stream=True: the rows of a batch cannot be streamed"))
    checked = validate_chat_options(options)
    if (response_format := checked.get("response_format")) is not None:
        value = options["response_format"]
        is_platforms = isinstance(value, str) or (
            isinstance(value, Mapping) and value.get("type") in FORMAT_KINDS
        )
        checked["response_format"] = value if is_platforms else response_format.to_json()
    return checked


def build_request(
    client: ChatCompletion | None,
    prompt: str | None,
    model: str | None,
    endpoint: str | None,
    dedupe: bool,
    options: Mapping[str, Any],
) -> tuple[ChatCompletion, RequestSpec]:
    """Return who sends the rows of a batch, and what is sent; the arguments are those of `batch`.

    Raises:
        InvalidArgumentError: the prompt or an option is wrong.
    """
    if prompt is not None and (not isinstance(prompt, str) or not prompt.strip()):
        raise InvalidArgumentError(
            tr(
                "prompt={prompt!r}: must be a template with {{column}} in it, or left out",
                prompt=prompt,
            )
        )
    _refuse_misspelt(options)
    chat_options = storable_options(options)
    chat = client or ChatCompletion()
    model, endpoint = chat.resolve_target(model, endpoint)
    defaults = {1: catalog.V1_DEFAULTS["chat"]}
    model = model or (
        None if endpoint else defaults.get(int(chat.version or 2), catalog.default_model("chat"))
    )
    info = chat.platform_info()
    request = RequestSpec(platform_name(info), model, endpoint, prompt, chat_options, dedupe)
    if model and not endpoint and not request.draws and info.name != "custom":
        if int(chat.version or 2) == 2:
            find_living_model("chat", model, is_strict=config.settings().strict_models)
        elif not catalog.find_model("chat", model):
            refuse_other_kind("chat", model)
    return chat, request


def refuse_same_requests(request: RequestSpec, rows: int | None, allow_same_prompt: bool) -> None:
    """Refuse a template that makes the same request of every row, unless the user says that this is
    meant.

    Args:
        request: what is sent for each row.
        rows: of the input, None if not known.
        allow_same_prompt: the argument of `batch`.

    Raises:
        InvalidArgumentError: all requests are the same, and there are several.
    """
    template = request.template
    is_edit = request.kind == "image2image"
    if (
        allow_same_prompt
        or template is None
        or template.names
        or is_edit
        or request.dedupe
        or rows == 1
    ):
        return
    if rows is None:
        count = tr("every row")
    else:
        count = tr("all {rows:,} rows", rows=rows)
    raise InvalidArgumentError(
        tr(
            "the prompt names no column, so {count} would send the same request: write {{column}} "
            "where "
            "the row's text belongs, or set allow_same_prompt=True (--same-prompt)",
            count=count,
        )
    )


def _refuse_misspelt(options: Mapping[str, Any]) -> None:
    """Refuse an option that is almost an argument of `batch`: as an option of the model, a budget
    would be lost.
    """
    own = (set(_BATCH_ARGUMENTS) - ChatOptions.__optional_keys__) | {"response_format"}
    for name in options.keys() - ChatOptions.__optional_keys__:
        if match := difflib.get_close_matches(name, own, 1, 0.8):
            raise InvalidArgumentError(
                tr(
                    "{name}={value!r}: `batch` has no such argument; did you mean {match}?",
                    name=name,
                    value=options[name],
                    match=match[0],
                )
            )


def choose_format(request: RequestSpec, value: Any) -> ResponseFormat | None:
    """Return the form of the answers: that of the user's class, where `value` is one, and not only
    of its schema.
    """
    if isinstance(value, (str, Mapping)):
        return request.response_format
    return parse_response_format(value)


def validate_output(out: str | Path | None, source: RowSource) -> Path | None:
    """Return the file that results are written to.

    Raises:
        InvalidArgumentError: it cannot be written, or it is the input.
    """
    if out is None:
        path = None
    else:
        path = export.validate_output_path(out)
    if path is not None and path.exists() and any(map(path.samefile, source.paths)):
        raise InvalidArgumentError(
            tr("out={out!r}: this is the input: name another file", out=str(out))
        )
    return path


def choose_offline_via(
    mode: str, requested: OfflineVia | None, client: ChatCompletion | None
) -> OfflineVia | None:
    """Return the offline service that the rows are handed to, None for online.

    Args:
        mode: `online` or `offline`.
        requested: the user's choice, None for what the keys allow.
        client: the argument of `batch`.

    Raises:
        InvalidArgumentError: a service is requested without the mode, or the client has keys of its
            own.
    """
    if requested and mode == "online":
        raise InvalidArgumentError(
            tr(
                "offline_via={requested!r}: must be {allowed}",
                requested=requested,
                allowed=tr(_OFFLINE_VIA),
            )
        )
    if mode == "online":
        return None
    if client is not None and client.has_own_keys:
        raise InvalidArgumentError(
            tr("mode='offline' works with the keys of the settings, not with those of client=")
        )
    keys = config.credentials()
    has_only_iam = keys.get("access_key") and not keys.get("api_key")
    return requested or ("bos" if has_only_iam else "files")


def validate_budget(
    budget: float, request: RequestSpec, client: ChatCompletion | None = None
) -> float:
    """Return the budget, if it can be kept: the price of a service of one's own is not known.

    Args:
        budget: CNY.
        request: what is sent for each row.
        client: who sends it; a pool may have services that `request` does not name.

    Raises:
        InvalidArgumentError: it is not a number above 0, or the price of the model is not known.
    """
    if not _is_positive_number(budget):
        raise InvalidArgumentError(
            tr("budget={budget!r}: must be a number of CNY above 0", budget=budget)
        )
    service = request.endpoint or (client.service if isinstance(client, ClientPool) else None)
    if row_cost(replace(request, endpoint=service), 1, 1) is None:
        raise InvalidArgumentError(
            tr(
                "budget={budget:g}: the price of {model} is not known, so a budget in CNY cannot "
                "be kept: "
                "set budget_tokens= (--budget-tokens), or name a file of your own prices in "
                "QIANFAN_PRICES",
                budget=budget,
                model=service or request.model,
            )
        )
    return float(budget)

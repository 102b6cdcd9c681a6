"""The arguments of `qfnb.batch` and `qfnb.estimate`, checked before anything is read or sent."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, InstanceOf, TypeAdapter, ValidationError

from .. import config
from ..base.language import tr, tr_noop
from ..errors import InvalidArgumentError
from ..resources.inference.arguments import ChatOptions
from ..resources.inference.chat import ChatCompletion, validate_chat_options
from ..resources.inference.model_choice import find_living_model, refuse_other_kind
from ..wire import catalog
from .client_pool import choose_target
from .preflight import row_cost
from .request_spec import RequestSpec, platform_name

FORMAT_KINDS = frozenset({"text", "json_object", "json_schema"})
"""Values of `type` in the platform's own form of `response_format`, which is stored as it is."""


Amount = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]


class RequestOptions(ChatOptions, total=False):
    """What `batch` and `batch_shards` take besides the options of `ChatCompletion.do`."""

    model: str | None
    endpoint: str | None
    workers: int | None
    budget: Amount | None
    budget_tokens: Count | None
    request_timeout: Amount | None
    retry_count: Count | None


class BatchOptions(RequestOptions, total=False):
    """The arguments of `batch` behind the rows and the prompt."""

    out: str | Path | None
    name: str | None
    dedupe: bool
    canary: Annotated[int, Field(ge=0)]
    invalid_rows: Literal["raise", "fail"]
    allow_changed_input: bool | Literal["keep"]
    allow_same_prompt: bool
    client: InstanceOf[ChatCompletion] | None
    clients: Sequence[ChatCompletion] | None
    mode: Literal["online", "offline"]


class ShardOptions(RequestOptions, total=False):
    """The arguments of `batch_shards` behind the rows, the prompt and the output folder."""

    engine: Literal["local", "ray"]
    address: str | None
    processes: Count | None
    shard_rows: Count
    rpm: Amount | None
    tpm: Amount | None


OWN_OPTIONS = BatchOptions.__optional_keys__ - ChatOptions.__optional_keys__
"""The arguments that are none of `ChatCompletion.do`."""

_FLAG = tr_noop("must be True or False")
_ABOVE_0 = tr_noop("must be a number above 0")

_KINDS: Final = {**BatchOptions.__annotations__, **ShardOptions.__annotations__}

_ALLOWED: Final = {
    "model": tr_noop("must be the name of a model"),
    "endpoint": tr_noop("must be the name of a service of yours"),
    "name": tr_noop("must be a string, the name of the journal"),
    "dedupe": _FLAG,
    "allow_changed_input": tr_noop("must be True, False or 'keep'"),
    "allow_same_prompt": _FLAG,
    "client": tr_noop("must be a qfnb.ChatCompletion"),
    "budget": tr_noop("must be a number of CNY above 0"),
    "budget_tokens": tr_noop("must be a number of tokens, 1 or more"),
    "canary": tr_noop("must be a number of rows, 0 for none"),
    "invalid_rows": tr_noop("must be 'raise' or 'fail'"),
    "mode": tr_noop("must be 'online' or 'offline'"),
    "request_timeout": tr_noop("must be a number of seconds above 0"),
    "retry_count": tr_noop("must be a number of tries, 1 or more"),
    "engine": tr_noop("must be 'local' or 'ray'"),
    "shard_rows": tr_noop("must be a number of rows, 1 or more"),
    "rpm": _ABOVE_0,
    "tpm": _ABOVE_0,
    "processes": _ABOVE_0,
}


def validate_arguments(arguments: Mapping[str, object]) -> None:
    """Check the types and ranges of arguments of `batch` and `batch_shards`, by name; others are
    left to who uses them.

    Raises:
        InvalidArgumentError: names the argument, its value and what is allowed.
    """
    for name, value in arguments.items():
        if name not in _ALLOWED:
            continue
        try:
            TypeAdapter(_KINDS[name]).validate_python(value, strict=True)
        except ValidationError:
            allowed = tr(_ALLOWED[name])
            raise InvalidArgumentError(
                tr("{name}={value!r}: {allowed}", name=name, value=value, allowed=allowed)
            ) from None


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
    chats: Sequence[ChatCompletion],
    prompt: str | None,
    model: str | None,
    endpoint: str | None,
    dedupe: bool,
    options: Mapping[str, Any],
) -> RequestSpec:
    """Return what is sent for each row.

    Args:
        chats: who sends it.
        prompt: the argument of `batch`, as are the others.
        model: its name.
        endpoint: a service of one's own.
        dedupe: whether identical rows are sent once.
        options: of `ChatCompletion.do`.

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
    model, endpoint = choose_target(chats, model, endpoint)
    version = int(chats[0].version or 2)
    if not model and not endpoint:
        model = catalog.V1_DEFAULTS["chat"] if version == 1 else catalog.default_model("chat")
    info = chats[0].platform_info()
    if model and not endpoint and info.name != "custom":
        if version == 2:
            find_living_model("chat", model, is_strict=config.settings().strict_models)
        elif not catalog.find_model("chat", model):
            refuse_other_kind("chat", model)
    return RequestSpec(platform_name(info), model, endpoint, prompt, chat_options, dedupe)


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
    if allow_same_prompt or template is None or template.names or request.dedupe or rows == 1:
        return
    count = tr("every row") if rows is None else tr("all {rows:,} rows", rows=rows)
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
    own = {"rows", "prompt", "response_format", *OWN_OPTIONS}
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


def validate_budget(
    budget: float | None, request: RequestSpec, chats: Sequence[ChatCompletion] = ()
) -> None:
    """Check that a budget can be kept: the price of a service of one's own is not known.

    Args:
        budget: CNY, None without one.
        request: what is sent for each row.
        chats: several clients, which may have services that `request` does not name.

    Raises:
        InvalidArgumentError: it is not a number above 0, or the price of the model is not known.
    """
    validate_arguments({"budget": budget})
    if budget is None:
        return
    service = request.endpoint
    if len(chats) > 1:
        service = next(filter(None, (chat.endpoint for chat in chats)), service)
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

"""The base of all inference models: validated calls, sent blocking, awaited, as a stream or in a
batch.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, Unpack

from ... import config, connect
from ..._jobs import worker_pool
from ..._notices import warn_once
from ...base.language import tr
from ...base.text import labelled
from ...config import Credentials
from ...credentials import Secret, secret_in_address
from ...errors import InvalidArgumentError
from ...transport import event_loop
from ...transport.auth import fetch_access_token
from ...transport.client import CallOptions
from ...wire import catalog
from ...wire.prices import token_cost
from . import batch_task
from .arguments import AccountKeys
from .call_sender import (
    CallSender,
    InferenceCall as InferenceCall,
    InferenceRequest as InferenceRequest,
    ReplyT,
)
from .client_options import CHAT_OPTIONS, split_client_options
from .model_choice import DEFAULT_SETTINGS, ModelChoice
from .reply import ChatResponse


@dataclass(frozen=True)
class ModelInfo:
    """Facts of a model; lengths in tokens or characters, prices in CNY for 1,000 tokens, None and 0
    where not known.

    Attributes:
        endpoint: the end of its path on v1, such as "/chat/completions"; "" where it was not there.
        required_keys: the options that it needs.
        optional_keys: the options that it is known to take; empty: not known.
        deprecated: whether it is retired.
        api_type: the kind of its calls.
    """

    endpoint: str
    required_keys: set[str] = field(default_factory=set)
    optional_keys: set[str] = field(default_factory=set)
    max_input_chars: int | None = None
    max_input_tokens: int | None = None
    input_price_per_1k_tokens: float = 0
    output_price_per_1k_tokens: float = 0
    deprecated: bool = False
    api_type: str = ""


_REQUIRED_KEYS = {"chat": "messages", "embedding": "input", "reranker": "query", "plugin": "query"}

_PATHS = {"embedding": "embeddings", "completion": "completions"}
"""Kinds that v1's paths spell in another way."""


Version = Literal[1, 2, "1", "2"]

_LIMITS = frozenset(
    [
        "buffer_ratio",
        "forcing_disable",
        "query_per_second",
        "redis_rate_limiter",
        "request_per_minute",
    ]
)
_WITHOUT_EFFECT = _LIMITS | {"sync_reading_thread_count", "use_custom_endpoint", "use_function"}
"""Keywords of the official SDK's constructors that a call can do without."""


class InferenceModel(CallSender[ReplyT]):
    """The base of all models that answer; each kind adds `do`, `ado` and its own arguments.

    Args:
        model: name of a preset model; unknown names are passed on to the platform.
        endpoint: a service of your own; wins over `model`.
        version: 1 or 2 decides the API; by default an API key or an IAM pair means 2, AK/SK means
            1.
        **keys: `api_key`, `access_key` + `secret_key`, `ak` + `sk` or `access_token`, and
            `base_url` for any server that speaks OpenAI's API; default: the settings'. Also
            `app_id` and `ssl`, of all its calls.
    """

    def __init__(
        self,
        model: str | None = None,
        endpoint: str | None = None,
        *,
        version: Version | None = None,
        **keys: Unpack[AccountKeys],
    ) -> None:
        self._keys: dict[str, Any] = {  # no repr or pickle shows a `Secret`
            name: Secret(value) if isinstance(value, str) and name != "app_id" else value
            for name, value in keys.items()
        }
        keys = {}  # IPython prints the variables of a frame that raises
        if address := self._keys.pop("base_url", None):
            self._keys["base_url"] = _validate_address(address)
        if version not in {None, 1, 2, "1", "2"}:
            raise InvalidArgumentError(tr("version={version!r}: must be 1 or 2", version=version))
        for name in sorted(_WITHOUT_EFFECT & self._keys.keys()):
            del self._keys[name]
            if name in _LIMITS:
                warn_once(
                    tr(
                        "{name}= has no effect: limits are settings, get_config().qps_limit and "
                        "rpm_limit",
                        name=name,
                    )
                )
        if unknown := sorted(set(self._keys) - set(AccountKeys.__annotations__)):
            allowed = tr(", ").join(AccountKeys.__annotations__)
            raise InvalidArgumentError(
                tr("{name!r} is none of {allowed}", name=unknown[0], allowed=allowed)
            )
        defaults = {name: self._keys.pop(name, None) for name in ("app_id", "ssl")}
        self.call_defaults, _ = split_client_options(defaults)
        if bearer := self._keys.pop("bearer_token", None):
            self._keys.setdefault("api_key", bearer)
        self.model = model
        self.endpoint = endpoint
        self.version = version

    @classmethod
    def models(cls, version: int | str | None = None) -> set[str]:
        """Return the names of the models of this kind; `version` changes nothing, since v1 has
        ended.
        """
        return set(catalog.model_names(cls.kind))

    @classmethod
    def get_model_info(cls, model: str) -> ModelInfo:
        """Return the facts of a model, also of a retired one.

        Raises:
            InvalidArgumentError: the catalogue does not have it.
        """
        row = catalog.find_model(cls.kind, model)
        if row is None:
            names = tr(", ").join(catalog.nearest_models(cls.kind, model))
            raise InvalidArgumentError(
                tr(
                    "model {model!r} is not in the catalogue; the nearest are {names}",
                    model=model,
                    names=names,
                )
            )
        prices = catalog.prices_of(row)
        input_price = token_cost(prices, 1000)
        output_price = token_cost(prices, 0, 1000)
        return ModelInfo(
            endpoint=f"/{_PATHS.get(cls.kind, cls.kind)}/{row.v1}" if row.v1 else "",
            required_keys={_REQUIRED_KEYS.get(cls.kind, "prompt")},
            max_input_chars=row.max_chars,
            max_input_tokens=row.max_input or row.context,
            input_price_per_1k_tokens=input_price.low if input_price else 0,
            output_price_per_1k_tokens=output_price.low if output_price else 0,
            deprecated=row.status == "retired",
            api_type=cls.kind,
        )

    def access_token(self) -> str:
        """Return an access token of v1, which the platform gives for an application's AK and SK.

        Raises:
            CredentialsError: there is no AK and SK.
        """
        if (token := config.credentials().access_token) and not self._keys:
            return token.get_secret_value()
        return event_loop.run(self._fetch_token()).get_secret_value()

    async def _fetch_token(self) -> config.Secret:
        return await fetch_access_token((await connect.aclient(self._keys)).send)

    def prepare(
        self,
        item: Any,
        model: str | None = None,
        endpoint: str | None = None,
        *,
        stream: bool = False,
        **options: Any,
    ) -> InferenceCall[ReplyT]:
        """Return the validated call for one input of `do`.

        Args:
            item: the input.
            model: a model for this call.
            endpoint: a service of your own for this call.
            stream: whether its reply comes in pieces.
            **options: of `do`, and the client's own: request_timeout, retry_count and
                `ClientOptions`.

        Raises:
            InvalidArgumentError: the input or an option is wrong.
        """
        call_options, sent = split_client_options(
            options, CHAT_OPTIONS if self.kind == "chat" else ()
        )
        return self.prepare_call(
            item, self.choose(model, endpoint), sent, call_options, stream=stream
        )

    def prepare_call(
        self,
        item: Any,
        choice: ModelChoice,
        options: Mapping[str, Any],
        call_options: CallOptions,
        /,
        *,
        stream: bool,
    ) -> InferenceCall[ReplyT]:
        """Return the validated call for one input; each kind of model has its own.

        Args:
            item: the input.
            choice: which model is asked.
            options: of `do`.
            call_options: timeout and attempts.
            stream: whether the reply comes in pieces.
        """
        raise NotImplementedError

    items_name = "items"
    """The official SDK's name of the inputs of a batch."""

    def batch_do(
        self, items: Iterable[Any] | None = None, worker_num: int | None = None, **options: Any
    ) -> batch_task.BatchTask[ReplyT]:
        """Send many inputs, at most `worker_num` at a time; returns at once.

        Args:
            items: one input of `do` each; by keyword also under the official SDK's name:
                prompt_list (Completion, Text2Image), texts_list (Embedding), query_list (Plugin),
                input_list (Image2Text).
            worker_num: 1 to 1000, default 8.
            **options: of `do`, the same for all; with stream=True each result is an iterator over
                the pieces.

        Raises:
            InvalidArgumentError: an option is wrong, or no input can be sent; nothing was sent. One
                wrong input among others is an error in its place in `results()`.

        Source: seed 003 (batch inference).
        """
        worker_count = worker_pool.validate_worker_count("worker_num", worker_num)
        items = options.pop(self.items_name, items)
        rows = batch_task.validate_rows(self.items_name, items, tr("inputs"))
        if not issubclass(self.reply_type, ChatResponse):
            batch_task.validate_no_stream(options)
        prepare_row = partial(
            batch_task.prepare_row, self.items_name, prepare=self.prepare, options=options
        )
        return self._start_batch(batch_task.prepare_rows(rows, prepare_row), worker_count)

    def _start_batch(
        self, calls: Iterable[InferenceCall[ReplyT] | InvalidArgumentError], worker_count: int
    ) -> batch_task.BatchTask[ReplyT]:
        return batch_task.BatchTask([self._sender(call) for call in calls], worker_count)

    def _sender(
        self, call: InferenceCall[ReplyT] | InvalidArgumentError
    ) -> Callable[[], Coroutine[Any, Any, ReplyT]]:
        if isinstance(call, InvalidArgumentError):
            return partial(batch_task.refuse_row, call)
        return partial(self.collect if call.is_streamed else self.send, call.for_batch())

    async def abatch_do(
        self, items: Iterable[Any] | None = None, worker_num: int | None = None, **options: Any
    ) -> list[ReplyT | Exception]:
        """The awaited form of `batch_do`: one reply or exception for each input, in order."""
        task = await self.batch_do(items, worker_num, **options)
        return task.awaited_results()

    def resolve_target(
        self, model: str | None, endpoint: str | None
    ) -> tuple[str | None, str | None]:
        """Return model and endpoint of one call, see `choose`."""
        choice = self.choose(model, endpoint)
        return choice.model, choice.endpoint

    def choose(self, model: str | None, endpoint: str | None) -> ModelChoice:
        """Return which model a call asks: the call's arguments win over the constructor's, and
        these over settings.

        Raises:
            InvalidArgumentError: a name is not a text.
        """
        endpoint = endpoint or (None if model else self.endpoint)
        model = model or self.model
        for option, name in (("model", model), ("endpoint", endpoint)):
            if name is not None and not isinstance(name, str):
                raise InvalidArgumentError(
                    tr("{field}={name!r:.60}: must be a name", field=option, name=name)
                )
        current = config.settings()
        if model is None and endpoint is None:
            model = getattr(current, DEFAULT_SETTINGS.get(self.kind, ""), None) or None
        if not self.version:
            version = None
        else:
            version = int(self.version)
        return ModelChoice(self.kind, model, endpoint, version, current.strict_models)

    @property
    def has_own_keys(self) -> bool:
        """Whether it was created with keys or a base_url of its own."""
        return bool(self._keys)

    def keys_in_use(self) -> Credentials:
        """Return the keys that a call would send now."""
        return connect.keys_in_use(self._keys)

    def platform_info(self) -> connect.PlatformInfo:
        """Return which platform a call would use, without starting anything."""
        return connect.platform_info(self._keys)


def _validate_address(address: object) -> str:
    """Return a base URL in clear text: it holds no secret."""
    if not isinstance(address, Secret):
        kind = type(address).__name__
        raise InvalidArgumentError(
            tr("{name} is a {kind}: it must be a string", name="base_url", kind=kind)
        )
    if problem := secret_in_address(address.get_secret_value()):
        raise InvalidArgumentError(labelled("base_url", problem))
    return address.get_secret_value()

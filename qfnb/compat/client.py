"""Other forms of `ChatCompletion`: `Qianfan().chat.completions.create(...)` with keys and limits of
its own, in the shape of OpenAI's client, and `Function`.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

from ..credentials import Secret
from ..resources.inference.chat import ChatCompletion, Conversation
from ..resources.inference.reply import ChatResponse
from ..resources.management.operation import operation
from ..wire import auth as wire


class Completions(ChatCompletion):
    """The chat models of a client.

    Args:
        limits: request_timeout and retry_count of calls that name none.
        keys: of the client.
    """

    def __init__(self, limits: dict[str, Any], keys: dict[str, Any]) -> None:
        super().__init__(version=2, **keys)
        self._limits = limits

    def prepare(
        self, item: Any, model: str | None = None, endpoint: str | None = None, **options: Any
    ) -> Any:
        """Return the validated call, with the client's limits where the call has none; see
        `InferenceModel`.
        """
        for name, limit in self._limits.items():
            if options.get(name) is None:
                options[name] = limit
        return super().prepare(item, model, endpoint, **options)


class AsyncCompletions(Completions):
    """The chat models of a client whose `create` is awaited."""

    async def create(self, *args: Any, **options: Any) -> Any:
        """The awaited form of `ChatCompletion.create`."""
        return await self.acreate(*args, **options)


class Chat:
    """The chat of a client."""

    def __init__(self, client: "Qianfan") -> None:
        self._client = client

    @property
    def completions(self) -> Completions:
        """The chat models."""
        return self._client.completions


class Qianfan:
    """A client with keys of its own; without any, those of the settings.

    Args:
        access_key: of an IAM pair.
        secret_key: of an IAM pair.
        api_key: `bce-v3/ALTAK-...`.
        bearer_token: another name of `api_key`.
        app_id: the application that is billed.
        console_api_base_url: of another installation, without a path.
        request_timeout: seconds for a whole call; default: the settings'.
        retry_count: attempts in all; default: the settings'.
        **keys: further keys of `ChatCompletion`.

    Source: the official SDK's Qianfan.
    """

    _completions: type[Completions] = Completions

    def __init__(
        self,
        *,
        access_key: str | None = None,
        secret_key: str | None = None,
        api_key: str | None = None,
        bearer_token: str | None = None,
        app_id: str | None = None,
        console_api_base_url: str | None = None,
        request_timeout: float | None = None,
        retry_count: int | None = None,
        **keys: Any,
    ) -> None:
        values = {
            "access_key": access_key,
            "secret_key": secret_key,
            "api_key": api_key or bearer_token,
            **keys,
        }
        if console_api_base_url:
            values["base_url"] = f"{console_api_base_url.rstrip('/')}/v2"
        secrets = {
            name: Secret(value) if isinstance(value, str) else value
            for name, value in values.items()
            if value
        }
        values = keys = {}  # IPython prints the variables of a frame that raises
        access_key = secret_key = api_key = bearer_token = console_api_base_url = None
        self._limits = {"request_timeout": request_timeout, "retry_count": retry_count}
        self._model = self._completions(
            self._limits, secrets | ({"app_id": app_id} if app_id else {})
        )

    @property
    def chat(self) -> Chat:
        """The chat: `client.chat.completions.create(model=..., messages=[...])`."""
        return Chat(self)

    @property
    def completions(self) -> Completions:
        """The chat models."""
        return self._model


class AsyncQianfan(Qianfan):
    """The awaited form of `Qianfan`: `await client.chat.completions.create(...)`."""

    _completions = AsyncCompletions


class Function(ChatCompletion):
    """A chat model that may call functions; `ChatCompletion` takes them too.

    Source: the official SDK's Function.
    """

    def do(  # type: ignore[override] # functions come second there
        self, messages: Conversation, functions: Sequence[Mapping[str, Any]] = (), **options: Any
    ) -> ChatResponse | Iterator[ChatResponse]:
        """Send a conversation with functions; the reply's `function_call` names the one to call.

        Args:
            messages: the conversation.
            functions: [{"name", "description", "parameters"}].
            **options: of `ChatCompletion.do`.
        """
        reply: ChatResponse | Iterator[ChatResponse] = super().do(
            messages, **_with_functions(functions), **options
        )
        return reply

    async def ado(  # type: ignore[override]
        self, messages: Conversation, functions: Sequence[Mapping[str, Any]] = (), **options: Any
    ) -> ChatResponse | AsyncIterator[ChatResponse]:
        """The awaited form of `do`."""
        reply: ChatResponse | AsyncIterator[ChatResponse]
        reply = await super().ado(messages, **_with_functions(functions), **options)
        return reply


def _with_functions(functions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    if functions:
        return {"functions": [dict(function) for function in functions]}
    return {}


class IAM:
    """Identity of an account. Source: API page of /v1/BCE-BEARER/token."""

    @operation(wire.BCE_BEARER)
    def create_bearer_token(expire_in_seconds: int = 1000) -> None:
        """Return a bearer token, as `token`, that is valid for so many seconds."""

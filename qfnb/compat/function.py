"""A chat with functions under the official SDK's name."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

from ..resources.inference.chat import ChatCompletion, Conversation
from ..resources.inference.reply import ChatResponse


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

"""What a kind of models can be asked about: names, facts and the account's token."""

from dataclasses import dataclass, field
from typing import Any

from ... import config, connect
from ...base.language import tr
from ...errors import InvalidArgumentError
from ...transport import event_loop
from ...transport.auth import fetch_access_token
from ...wire import catalog
from ...wire.prices import token_cost


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


class ModelFacts:
    """The questions; `InferenceModel` inherits them."""

    kind: catalog.ModelKind
    _keys: dict[str, Any]

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

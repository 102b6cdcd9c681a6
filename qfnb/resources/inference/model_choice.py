"""Which model a call asks: the default, the living replacement of a retired one, and its name on
one platform.
"""

from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from ..._notices import warn_once
from ...base.language import tr, tr_noop
from ...errors import APIError, CredentialsError, InvalidArgumentError
from ...transport.platform import Platform
from ...wire import catalog

T = TypeVar("T")

V1_ENDED = "2026-08-31"
"""The day on which the v1 inference API went off line on the cloud."""

NO_V1 = tr_noop(
    "an AK/SK pair or access token alone is for the v1 inference API, which ended on 2026-08-31: "
    "create an API key "
    "(bce-v3/ALTAK-...) in the console and set QIANFAN_API_KEY, or set an IAM pair "
    "(QIANFAN_ACCESS_KEY and "
    "QIANFAN_SECRET_KEY)"
)

DEFAULT_SETTINGS: dict[catalog.ModelKind, str] = {
    "chat": "model",
    "completion": "model",
    "embedding": "embedding_model",
    "reranker": "rerank_model",
    "text2image": "image_model",
}
"""The settings that name the default models."""

_CLASSES: dict[catalog.ModelKind, str] = {
    "chat": "ChatCompletion",
    "embedding": "Embedding",
    "reranker": "Reranker",
    "text2image": "Text2Image",
    "image2image": "ImageEdit",
}
"""The kinds that cannot stand for another one, and what asks them."""


@dataclass(frozen=True)
class ModelChoice:
    """What the user says about the model of a call.

    Attributes:
        kind: of the model.
        model: any of its names, None for the default.
        endpoint: a service of the user's own; wins over `model`.
        version: 1 or 2, None where the keys decide.
        is_strict: whether a retired name is an error.
    """

    kind: catalog.ModelKind
    model: str | None = None
    endpoint: str | None = None
    version: int | None = None
    is_strict: bool = False


class ModelTarget(NamedTuple):
    """A model on one platform: the API version, its id (v2) or segment of the path (v1), its row of
    the catalogue.
    """

    version: int
    model: str
    row: catalog.CatalogModel | None = None


def find_target(choice: ModelChoice, platform: Platform) -> ModelTarget:
    """Return how a platform names the model of a call.

    Raises:
        InvalidArgumentError: the model is of another kind, or retired and `strict_models` is set.
        CredentialsError: the keys are for the API that has ended.
    """
    kind = choice.kind
    default = catalog.default_model(choice.kind)
    if platform.openai.rstrip("/").endswith("/v2/coding"):
        default = "qianfan-code-latest"
    if not platform.is_qianfan:
        return ModelTarget(2, choice.endpoint or choice.model or default)
    version = choice.version or _default_version(choice, platform)
    if choice.endpoint:
        return ModelTarget(version, choice.endpoint)
    if version == 1:
        name = choice.model or catalog.V1_DEFAULTS.get(kind, default)
        return ModelTarget(1, catalog.path_segment(kind, name), catalog.find_model(kind, name))
    row = find_living_model(kind, choice.model or default, is_strict=choice.is_strict)
    return ModelTarget(2, row.id if row else choice.model or default, row)


def find_living_model(
    kind: catalog.ModelKind, name: str, *, is_strict: bool = False
) -> catalog.CatalogModel | None:
    """Return the model that is asked under a name: itself, or what replaces a retired one; None for
    an unknown name.

    Args:
        kind: of the model.
        name: any of its names.
        is_strict: whether a retired name is an error.

    Raises:
        InvalidArgumentError: the name is of another kind of model, or retired and `is_strict`.
    """
    row = catalog.find_model(kind, name)
    if row is None:
        refuse_other_kind(kind, name)
        return None
    if row.status != "retired" or (replacement := catalog.living_replacement(kind, name)) is None:
        return row
    if row.ended:
        ended = tr("{name} ended {ended}", name=name, ended=row.ended)
    else:
        ended = tr("{name} has ended", name=name)
    if is_strict:
        raise InvalidArgumentError(
            tr(
                "model={name!r}: {ended}; ask {replacement} instead (QIANFAN_STRICT_MODELS=1)",
                name=name,
                ended=ended,
                replacement=replacement.id,
            )
        )
    warn_once(tr("{ended}; asking {replacement} instead", ended=ended, replacement=replacement.id))
    return replacement


def refuse_v1_only(platform: Platform, label: str, instead: str) -> None:
    """Refuse a call that only v1 has on the cloud, where v1 has ended.

    Args:
        platform: the call goes to it.
        label: what is asked, for the message.
        instead: what to do instead.

    Raises:
        InvalidArgumentError: the platform is the cloud.
    """
    if platform.name == "qianfan":
        raise InvalidArgumentError(
            tr(
                "{label} is of the v1 inference API, which ended on {date}: {instead}",
                label=label,
                date=V1_ENDED,
                instead=instead,
            )
        )


def find_replacement(name: str, asked: str) -> str:
    """Return the model that was asked, if it is not the one of this name but replaces it, else
    "".
    """
    row = catalog.find_model("chat", name)
    if row is not None and row.id != asked and row.status == "retired":
        return asked
    return ""


def name_living_models(error: BaseException, kind: catalog.ModelKind, name: str) -> None:
    """Add the nearest living models to the hint of an error that says that there is no such
    model.
    """
    if (
        isinstance(error, APIError)
        and error.error_code == "invalid_model"
        and (nearest := catalog.nearest_models(kind, name))
    ):
        error.hint = tr(
            "{hint}\nsimilar models that are served: {names}",
            hint=error.hint,
            names=tr(", ").join(nearest),
        ).strip()


def refuse_other_kind(kind: catalog.ModelKind, name: str) -> None:
    """Refuse the name of a living model that is of another kind.

    Args:
        kind: that is needed.
        name: of the model.

    Raises:
        InvalidArgumentError: names the class that asks it.
    """
    row = catalog.find_model(None, name)
    if row is not None and row.is_living and kind in _CLASSES and row.kind in _CLASSES:
        raise InvalidArgumentError(
            tr(
                "model={name!r} is of the kind {kind}, not {expected}: use "
                "{class_}(model={name!r})",
                name=name,
                kind=row.kind,
                expected=kind,
                class_=_CLASSES[row.kind],
            )
        )


def _default_version(choice: ModelChoice, platform: Platform) -> int:
    """Return the API version that the keys of a platform are for: v2, unless there are only keys of
    v1.
    """
    keys = platform.credentials
    if (
        platform.openai
        or choice.kind in {"text2image", "image2image"}
        or keys.api_key
        or keys.access_key
    ):
        return 2
    if platform.name == "qianfan":
        raise CredentialsError(tr(NO_V1))
    return 1

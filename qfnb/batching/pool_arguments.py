"""The argument `clients` of `qfnb.batch`, checked before anything is sent: whose answers may be
mixed.
"""

from collections.abc import Sequence

from ..base.language import tr
from ..config import Credentials
from ..errors import CredentialsError, InvalidArgumentError
from ..resources.inference.chat import ChatCompletion
from .client_pool import ClientPool
from .pool_member import PoolMember
from .request_spec import platform_name


def build_pool(
    clients: object,
    *,
    client: object,
    model: str | None,
    endpoint: str | None,
    mode: str = "online",
) -> ClientPool:
    """Return the clients of a batch as one, if they can answer it together; nothing is sent.

    Args:
        clients: the argument of `batch`.
        client: the argument of `batch`, which cannot be used beside it.
        model: the argument of `batch`; the endpoints of clients serve it.
        endpoint: the argument of `batch`.
        mode: `online`, or `offline`, which works with one key.

    Raises:
        InvalidArgumentError: names the client by its position, its value and what to do.
    """
    if client is not None:
        raise InvalidArgumentError(
            tr("client= and clients=: only one of them can be used; put all into clients=[...]")
        )
    if mode == "offline":
        raise InvalidArgumentError(
            tr("mode='offline' works with the keys of the settings, not with those of clients=")
        )
    if isinstance(clients, (str, bytes)) or not isinstance(clients, Sequence):
        kind = type(clients).__name__  # not the value: it may be a key
        raise InvalidArgumentError(
            tr(
                "clients is a {kind}: must be a list, [ChatCompletion(api_key=...), "
                "ChatCompletion(...)]",
                kind=kind,
            )
        )
    if not clients:
        raise InvalidArgumentError(
            tr("clients=[]: name at least one, [ChatCompletion(api_key=...)]")
        )
    for index, chat in enumerate(clients):
        if not isinstance(chat, ChatCompletion):
            kind = type(chat).__name__
            raise InvalidArgumentError(
                tr("clients[{i}] is a {kind}: must be a qfnb.ChatCompletion", i=index, kind=kind)
            )
    platform, keys = _require_one_platform(clients)
    _refuse_duplicates(keys, [endpoint or chat.endpoint for chat in clients])
    target = _choose_target(clients, model, endpoint)
    names = [
        f"clients[{index}]{f' ({key.tail})' if key.tail else ''}" for index, key in enumerate(keys)
    ]
    return ClientPool(list(map(PoolMember, names, clients)), platform, target)


def _require_one_platform(clients: Sequence[ChatCompletion]) -> tuple[str, list[Credentials]]:
    """Return the platform of all clients and the keys of each."""
    names = list[str]()
    keys = list[Credentials]()
    for index, chat in enumerate(clients):
        try:
            names.append(platform_name(chat.platform_info()))
            keys.append(chat.keys_in_use())
        except CredentialsError as error:
            raise CredentialsError(f"clients[{index}]: {error}") from None
        if names[index] != names[0]:
            raise InvalidArgumentError(
                tr(
                    "clients[{i}] calls {platform}, and clients[0] calls {first}: answers of the "
                    "two are not mixed; "
                    "run a batch for each",
                    i=index,
                    platform=names[index],
                    first=names[0],
                )
            )
    return names[0], keys


def _refuse_duplicates(keys: Sequence[Credentials], endpoints: Sequence[str | None]) -> None:
    positions: dict[tuple[Credentials, str | None], int] = {}
    for index, sender in enumerate(zip(keys, endpoints, strict=True)):
        first = positions.setdefault(sender, index)
        if first != index:
            raise InvalidArgumentError(
                tr(
                    "clients[{i}] has the key and endpoint of clients[{first}] ({key}): leave one "
                    "of them out; "
                    "more rows at once are workers=",
                    i=index,
                    first=first,
                    key=keys[index].tail or tr("none"),
                )
            )


def _choose_target(
    clients: Sequence[ChatCompletion], model: str | None, endpoint: str | None
) -> tuple[str | None, str | None]:
    """Return model and endpoint of the batch: the endpoint only where it stands for the model.

    Raises:
        InvalidArgumentError: the clients answer with different models, or nobody says which.
    """
    models = [chat.choose(model, endpoint or chat.endpoint).model for chat in clients]
    endpoints = [endpoint or chat.endpoint for chat in clients]
    for index, chat in enumerate(clients):
        names = {
            "i": index,
            "service": endpoints[index],
            "model": models[index],
            "first": models[0],
        }
        if endpoint and chat.endpoint and chat.endpoint != endpoint:
            raise InvalidArgumentError(
                tr(
                    "endpoint={endpoint!r}, and clients[{i}] has endpoint={service!r}: leave "
                    "endpoint= out; those of "
                    "clients may differ",
                    i=index,
                    endpoint=endpoint,
                    service=chat.endpoint,
                )
            )
        if (
            models[index] is None
            and endpoints[index]
            and len(set(zip(models, endpoints, strict=True))) > 1
        ):
            raise InvalidArgumentError(
                tr(
                    "clients[{i}] has endpoint={service!r} and names no model: say which one all "
                    "clients answer with, "
                    "model='ernie-5.1' for example",
                    **names,
                )
            )
        if models[index] != models[0]:
            raise InvalidArgumentError(
                tr(
                    "clients[{i}] asks {model}, and clients[0] asks {first}: the answers of a "
                    "batch are of one model; "
                    "set model=",
                    **names,
                )
            )
    return models[0], endpoint if endpoint or models[0] else endpoints[0]

"""The platform's list of models, laid over the catalogue: kept a day on disk, refreshed in the
background.

Nothing needs it: without a list, with a broken one, or where the platform has none, the built-in
table holds.
"""

import concurrent.futures
import contextlib
import hashlib
import json
import re
import time
from pathlib import Path

from pydantic import ValidationError

from .. import config
from ..base.language import tr
from ..base.private_files import write_private
from ..errors import InvalidArgumentError, QianfanError
from ..wire import catalog as wire
from ..wire.base import EmptyBody
from . import event_loop
from .client import CallOptions, Client
from .platform import Platform

MAX_AGE_S = 86_400
"""Seconds for which a list counts as fresh."""

_PLAN_URL = re.compile("/v2/(coding|tokenplan)(/|$)")

REFRESH_OPTIONS = CallOptions(timeout=20, attempts=1)


_refreshes: dict[Platform, concurrent.futures.Future[None]] = {}
"""The last fetch of each platform in the background."""


def keep_fresh(client: Client) -> None:
    """Use the list on disk, and fetch a new one in the background if there is none or it is old."""
    platform = client.platform
    age = _use_saved_list(platform)
    has_key = any(platform.credentials.get(name) for name in ("api_key", "access_key"))
    last_refresh = _refreshes.get(platform)
    if (
        has_key
        and (age is None or not 0 <= age < MAX_AGE_S)
        and (last_refresh is None or last_refresh.done())
    ):
        _refreshes[platform] = event_loop.submit(_refresh_quietly(client))


async def fetch_models(client: Client) -> tuple[wire.CatalogModel, ...]:
    """Return the catalogue with the platform's list laid over it; of a server with OpenAI's API,
    only what it lists.

    The list of Qianfan's cloud also replaces the one on disk and the catalogue.

    Raises:
        InvalidArgumentError: the address is a plan's, which has no list.
        APIError: the platform refused.
        RequestError: no list came back, e.g. a page of HTML.
    """
    platform = client.platform
    if _PLAN_URL.search(platform.openai):
        raise InvalidArgumentError(
            tr("{url}: a plan's address has no list of models", url=platform.openai)
        )
    response = await client.send(wire.MODELS_V2, EmptyBody(), options=REFRESH_OPTIONS)
    table = () if platform.openai else wire.built_in_models()
    served = response.data
    models = wire.merge_models(table, served.data, _source_of(platform, time.time()))
    if served.data and _is_cloud(platform):
        document = {"at": time.time(), "list": served.model_dump(mode="json", exclude_none=True)}
        with contextlib.suppress(OSError):  # a full disk: the list holds for this process
            write_private(_list_file(platform), json.dumps(document, ensure_ascii=False))
        wire.use_models(models)
    return models


async def _refresh_quietly(client: Client) -> None:
    # a plan's key, no network, a page of HTML: the table holds
    with contextlib.suppress(QianfanError):
        await fetch_models(client)


def _use_saved_list(platform: Platform) -> float | None:
    """Lay the list on disk over the catalogue and return its age in seconds, None if there is none
    that can be read.
    """
    if not _is_cloud(platform):
        return None
    try:
        document = json.loads(_list_file(platform).read_text(encoding="utf-8"))
        saved_at = float(document["at"])
        served = wire.AvailableModelList.model_validate(document["list"])
    except (OSError, ValueError, TypeError, KeyError, ValidationError):
        return None
    wire.use_models(
        wire.merge_models(wire.built_in_models(), served.data, _source_of(platform, saved_at))
    )
    return time.time() - saved_at


def _is_cloud(platform: Platform) -> bool:
    """Return whether a platform's list may stand for the catalogue: not a sandbox's, not another
    vendor's.
    """
    return platform.name != "sandbox" and not platform.openai


def _source_of(platform: Platform, at: float) -> str:
    return f"{platform.host}, {time.strftime('%Y-%m-%d', time.localtime(at))}"


def _list_file(platform: Platform) -> Path:
    """Return the file of a platform's list; a name of its own for each host."""
    digest = hashlib.sha256(platform.console_url.encode()).hexdigest()[:8]
    return config.state_dir() / f"models-{digest}.json"

"""A world in this process whose engine is the test's to choose."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.upstreams import Upstream, serving
from support.worlds import world_of

from qfnb import config
from qfnb.sandbox.engines import choice
from qfnb.sandbox.world import World

KEY = "sk-canary-0123456789"


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """A server that speaks OpenAI's API."""
    with serving(Upstream()) as server:
        yield server


@pytest.fixture
def world(tmp_path: Path, upstream: Upstream) -> Iterator[Callable[..., World]]:
    """Start a world with an engine; by default the upstream is asked."""
    with ExitStack() as stack:

        def start(**options: Any) -> World:
            usual = {"engine": "upstream", "upstream_url": upstream.url, "upstream_key": KEY}
            choice.keep(
                tmp_path, choice.chosen(tmp_path, options if "engine" in options else usual | options)
            )
            running = stack.enter_context(world_of(tmp_path, time.monotonic))
            now, address = config.get_config(), running.address
            now.access_key, now.secret_key = address.access_key, address.secret_key
            now.bos_base_url, now.bos_bucket = f"{address.url}/bos", address.bucket
            now.train_status_polling_interval = now.model_publish_status_polling_interval = 0.2
            now.deploy_status_polling_interval = 0.2
            return running

        yield start


@pytest.fixture
def http() -> Iterator[Callable[[World], httpx.Client]]:
    """Return a client that speaks v2."""
    with ExitStack() as stack:

        def connect(world: World) -> httpx.Client:
            bearer = {"authorization": f"Bearer {world.address.api_key}"}
            client = httpx.Client(base_url=world.address.url, headers=bearer, trust_env=False, timeout=20)
            return stack.enter_context(client)

        yield connect

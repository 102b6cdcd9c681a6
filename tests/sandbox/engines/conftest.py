"""A world in this process whose engine the test chooses."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.fake_upstream import FakeUpstream, serve_upstream
from support.raw_http import open_client
from support.sandbox_thread import run_world

from qfnb import config
from qfnb.wire import sandbox as choice
from qianfan_sandbox.state.world import World

KEY = "sk-canary-0123456789"


@pytest.fixture
def upstream() -> Iterator[FakeUpstream]:
    """A server that speaks OpenAI's API."""
    with serve_upstream(FakeUpstream()) as server:
        yield server


@pytest.fixture
def world(tmp_path: Path, upstream: FakeUpstream) -> Iterator[Callable[..., World]]:
    """Start a world with an engine, by default the upstream."""
    with ExitStack() as stack:

        def start(**options: Any) -> World:
            defaults = {"engine": "upstream", "upstream_url": upstream.url, "upstream_key": KEY}
            choice.save_config(
                tmp_path,
                choice.resolve_config(
                    tmp_path, options if "engine" in options else defaults | options
                ),
            )
            world_ = stack.enter_context(run_world(tmp_path, time.monotonic))
            settings = config.get_config()
            address = world_.address
            settings.access_key = address.access_key
            settings.secret_key = address.secret_key
            settings.bos_base_url = f"{address.url}/bos"
            settings.bos_bucket = address.bucket
            settings.train_status_polling_interval = (
                settings.model_publish_status_polling_interval
            ) = 0.2
            settings.deploy_status_polling_interval = 0.2
            return world_

        yield start


@pytest.fixture
def http() -> Iterator[Callable[[World], httpx.Client]]:
    """Return a client that speaks v2."""
    with ExitStack() as stack:

        def connect(world: World) -> httpx.Client:
            bearer = {"authorization": f"Bearer {world.address.api_key}"}
            client = open_client(world.address.url, headers=bearer)
            return stack.enter_context(client)

        yield connect

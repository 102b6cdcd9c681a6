"""The engine in a server."""

import pytest
from support import finetune_runs

from qfnb import config
from qfnb.errors import APIError
from qianfan_sandbox.engines.builtin import engine


def test_more_rows_than_the_engine_learns_from_are_refused_with_their_number(world, monkeypatch):
    settings = config.get_config()
    settings.access_key = world.address.access_key
    settings.secret_key = world.address.secret_key
    settings.bos_base_url = f"{world.address.url}/bos"
    settings.bos_bucket = world.address.bucket
    monkeypatch.setattr(engine, "MAX_ROWS", 2)
    dataset = finetune_runs.create_dataset()
    with pytest.raises(
        APIError,
        match=r"has [\d,]+ rows, and the sandbox's small model learns from at most 2: use a",
    ):
        finetune_runs.start_run(dataset)

"""Every python block of seed 003, taken from its text, with `qfnb` and with the official SDK."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from support import seeds

import qfnb
from qfnb import Dataset, DeployConfig, LLMFinetune, TrainConfig
from qfnb.sandbox.command import environment

NAME = "003-inference.md"
CHAT, CHAT_ASYNC, COMPLETION, EMBEDDING, PLUGIN, IMAGE, BATCH = range(7)
GREETING = "你好！这里是 qfnb 本地沙盒"
GREETINGS = {CHAT: 1, CHAT_ASYNC: 2, COMPLETION: 3, EMBEDDING: 0, PLUGIN: 3, IMAGE: 0, BATCH: 3}


@pytest.fixture(scope="module")
def endpoint(mode):
    """The endpoint of a service of our own, for the seed's placeholder."""
    rows = [
        {"prompt": f"{ask}{end}", "response": "早上九点。"}
        for ask in ("几点开门", "何时营业")
        for end in ("", "？", "呀")
    ]
    deploy = DeployConfig(endpoint_suffix="seed")
    trainer = LLMFinetune(
        "ERNIE-Speed-8K", Dataset(rows, name="seed"), TrainConfig(epoch=1), deploy
    )
    return trainer.run().output["service_endpoint"]


def changes(endpoint, embedding="bge-large-zh"):
    """The placeholders of each block, and their values."""
    return {
        CHAT: {
            '(access_key="...", secret_key="...")': "()",
            "your_custom_endpoint": endpoint,
            "while True:": "for _ in range(2):",
        },
        CHAT_ASYNC: {},
        COMPLETION: {"your_custom_endpoint": endpoint},
        EMBEDDING: {'endpoint="your_custom_endpoint"': f'endpoint="{embedding}"'},
        PLUGIN: {"your_custom_endpoint": "my_application"},
        IMAGE: {},
        BATCH: {},
    }


@pytest.fixture(scope="module")
def namespace():
    """The variables that blocks share, and the imports that the document does not show."""
    return {
        "qfnb": qfnb,
        "Image": Image,
        "io": io,
        "Completion": qfnb.Completion,
        "input": lambda: "你是谁",
    }


@pytest.mark.parametrize("number", range(7))
def test_the_block_runs(mode, endpoint, namespace, number, capsys):
    blocks = seeds.python_blocks(NAME)
    assert len(blocks) == 7
    code = seeds.fill_placeholders(
        blocks[number].replace("qianfan", "qfnb"), changes(endpoint)[number]
    )
    if number == PLUGIN and mode == "strict":  # plugins were on v1 only
        with pytest.raises(qfnb.APIError, match="v1 inference ended on 2026-08-31"):
            seeds.run_block(code, namespace)
        return
    seeds.run_block(code, namespace)
    output = capsys.readouterr().out
    assert output.replace("\n", "").count(GREETING) == GREETINGS[number]
    if number == CHAT:
        assert output.count("我是 qfnb 本地沙盒模型") == 2
    if number == IMAGE:
        assert namespace["img"].size == (1024, 1024)
    if number == BATCH:
        assert [type(result).__name__ for result in namespace["results"]] == ["ChatResponse"] * 2
        assert re.match(r"[012]/2\n", output)
    if number == EMBEDDING:
        assert len(namespace["resp"]["data"][0]["embedding"]) == 1024
        assert [len(line.split(", ")) for line in output.splitlines()] == [384, 384]


def test_your_own_service_answers_from_its_training_data(sandbox, endpoint):
    assert qfnb.ChatCompletion().do("几点开门呀", endpoint=endpoint).text == "早上九点。"
    assert qfnb.Completion().do("几点开门呀", endpoint=endpoint)["result"] == "早上九点。"


SDK = """
import asyncio, io, sys
sys.path.insert(0, {tests!r})
import qianfan
from PIL import Image
from qianfan import Completion
from support import seeds
space = {{"qianfan": qianfan, "Completion": Completion, "Image": Image, "io": io, "input": lambda: "你是谁"}}
for number in {numbers!r}:
    seeds.run_block(seeds.fill_placeholders(seeds.python_blocks({name!r})[number], {changes!r}[number]), space)
    print("BLOCK", number)
"""


@pytest.mark.peer
def test_the_official_sdk_runs_the_same_blocks(mode, sandbox, endpoint, tmp_path):
    if mode == "strict":
        return  # it asks v1, or models that have ended
    seeds.python_blocks(NAME)
    # its Plugin has no `prompt=` any more
    numbers = [CHAT, CHAT_ASYNC, COMPLETION, EMBEDDING, IMAGE, BATCH]
    runnable = changes(endpoint, "bge_large_zh")  # the path on v1
    runnable[BATCH]["task.total_count()"] = "task.task_count()"  # as 0.4 calls it
    code = SDK.format(
        tests=str(Path(__file__).parents[1]), numbers=numbers, name=NAME, changes=runnable
    )
    env = {key: value for key, value in os.environ.items() if not key.startswith("QIANFAN_")}
    env |= {
        key: value
        for key, value in environment(sandbox).items()
        if key.startswith("QIANFAN_") and "BEARER" not in key
    }
    env |= {
        "QIANFAN_DISABLE_EB_SDK": "true",
        "QIANFAN_CACHE_DIR": str(tmp_path),
        "NO_PROXY": "127.0.0.1",
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env=env, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert [line for line in done.stdout.splitlines() if line.startswith("BLOCK")] == [
        f"BLOCK {n}" for n in numbers
    ]

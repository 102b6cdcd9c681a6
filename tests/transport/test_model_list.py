"""The platform's list of models: kept a day in a private file, fetched in the background, never
required.
"""

import asyncio
import json
import time

import pytest
from support.scripted_server import http_answer

from qfnb import config, connect
from qfnb.transport import event_loop, model_list
from qfnb.wire import catalog

ROWS = {
    "object": "list",
    "data": [{"id": "ernie-5.1", "context_length": 1000}, {"id": "brand-new", "type": "chat"}],
}
LIST = http_answer(json.dumps(ROWS).encode())
HTML = http_answer(b"<html>log in</html>", kind="text/html")


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("QFNB_STATE_DIR", str(tmp_path))
    return tmp_path


def wait_for_background():
    """Wait until what was submitted to the I/O loop before has ended."""

    async def join():
        await asyncio.gather(
            *(asyncio.all_tasks() - {asyncio.current_task()}), return_exceptions=True
        )

    event_loop.run(join())


def keep_fresh():
    model_list.keep_fresh(connect.client())
    wait_for_background()


def test_a_list_is_fetched_in_the_background_and_laid_over_the_catalogue(scripted):
    server = scripted([LIST])
    keep_fresh()
    assert server.requests[0].startswith(b"GET /v2/models ")
    assert catalog.find_model("chat", "ernie-5.1").context == 1000
    assert "brand-new" in catalog.model_names("chat")


def test_it_is_kept_in_a_private_file_without_keys_and_asked_for_again_after_a_day(scripted, state):
    server = scripted([LIST])
    keep_fresh()
    (file,) = state.glob("models-*.json")
    assert file.stat().st_mode & 0o777 == 0o600
    assert "canary" not in file.read_text()
    catalog.use_models(None)
    keep_fresh()
    assert (len(server.requests), catalog.find_model("chat", "ernie-5.1").context) == (1, 1000)
    file.write_text(
        json.dumps(json.loads(file.read_text()) | {"at": time.time() - model_list.MAX_AGE_S - 1})
    )
    keep_fresh()
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    "answer", [HTML, http_answer(b"{}"), http_answer(b"[]"), http_answer(b"{}", status="403 No")]
)
def test_an_answer_that_is_no_list_changes_nothing(scripted, state, answer):
    scripted([answer])
    keep_fresh()
    assert catalog.load_models() is catalog.built_in_models()
    assert list(state.glob("models-*")) == []


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"at": "x", "list": {}}', '{"at": 1, "list": 5}', "\x00"]
)
def test_a_broken_file_is_fetched_anew(scripted, state, text):
    server = scripted([LIST])
    keep_fresh()
    (file,) = state.glob("models-*.json")
    file.write_text(text)
    keep_fresh()
    assert len(server.requests) == 2
    assert json.loads(file.read_text())["list"]["data"]


def test_a_folder_that_cannot_be_written_is_no_obstacle(scripted, state):
    scripted([LIST])
    (state / "models-0.json").mkdir()
    state.chmod(0o500)
    keep_fresh()
    state.chmod(0o700)
    assert catalog.find_model("chat", "ernie-5.1").context == 1000


def test_the_cloud_is_asked_when_a_key_is_set(scripted):
    server = scripted([http_answer(b"", status="502 No")])
    current = config.get_config()
    defaults = config.Settings()
    current.proxy = server.url
    current.base_url = defaults.base_url
    current.console_api_base_url = defaults.console_api_base_url
    current.iam_base_url = defaults.iam_base_url
    current.api_key = "bce-v3/ALTAK-fresh/0123456789"
    connect.client()
    wait_for_background()
    assert server.requests[0].startswith(b"CONNECT qianfan.baidubce.com:443 ")

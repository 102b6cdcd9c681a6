"""No secret of any kind reaches anything that is shown, saved or handed on, whatever goes wrong:
kinds, faults, sinks.
"""

from __future__ import annotations

import _thread
import asyncio
import base64
import copy
import io
import json
import logging
import pickle
import sqlite3
import subprocess
import threading
from functools import partial

import pytest
from IPython.core.ultratb import VerboseTB
from support.canaries import MARK, SECRETS, search, search_files, texts_of
from support.chat_script import whole
from support.scripted_server import http_answer, stream_head
from support.waiting import until

import qfnb
from qfnb import ChatCompletion, config, errors
from qfnb.compat.client import Qianfan
from qfnb.evaluation import EvaluationManager, ExactMatchEvaluator
from qfnb.resources import Service
from qfnb.sandbox import process
from qfnb.trainer import alerts
from qfnb.transport.response import Response
from qfnb.views import chat
from qfnb.wire import service

TOKEN = http_answer(
    json.dumps(
        {"access_token": SECRETS["access_token"], "token": SECRETS["bearer"], "expires_in": 2592000}
    ).encode()
)


def answers(secrets=()):
    """Return what the server answers to a fault, with the secrets that it was sent; None where
    nobody listens.
    """
    text = " ".join(secrets)
    echo = json.dumps(
        {"error": {"code": "invalid_iam_token", "message": text}, "id": text}
    ).encode()
    echo_v1 = json.dumps({"error_code": 4, "error_msg": text}).encode()
    to = f"location: http://127.0.0.1:9/?access_token={''.join(secrets)}\r\n"
    return {
        "refused connection": None,
        "no HTTP": [b"220 mail.example\r\n\r\n"],
        "no answer": [b""],
        "401 that echoes": [http_answer(echo, status="401 Unauthorized")],
        "error in v1's form": [http_answer(echo_v1)],
        "500 that echoes": [http_answer(echo, status="500 Internal Server Error")],
        "429": [http_answer(echo, status="429 Too Many Requests", more="retry-after: 0\r\n")],
        "broken JSON": [http_answer(echo[:-2])],
        "cut answer": [http_answer(b'{"id": "x"}')[:-1]],
        "cut stream": [stream_head(), b'data: {"result": "a", "choices": []}\n\n'],
        "broken event": [stream_head(), b"data: " + echo[:-2] + b"\n\n"],
        "error in a stream": [stream_head(), b"data: " + echo + b"\n\n"],
        "redirect": [http_answer(b"", status="302 Found", more=to)],
        "time-out": [None],
        "wrong argument": [b""],
    }


FAULTS = [*answers()]
KINDS = {
    "API key": (["api_key"], {"model": "m"}),
    "IAM pair": (["access_key", "secret_key"], {"model": "m", "version": "2"}),
    "AK and SK": (["ak", "sk"], {"endpoint": "e", "version": "1"}),
    "access token": (["access_token"], {"endpoint": "e", "version": "1"}),
    "key of a constructor": ([], {"model": "m", "api_key": SECRETS["api_key"]}),
    "key of another server": ([], {"model": "m", "api_key": SECRETS["api_key"]}),
    "proxy password": (["api_key"], {"model": "m"}),
}
"""Name -> its settings, and the arguments of a model that uses it."""

ON_TOKEN = ", token refused"
"""Behind the name of a kind: the fault meets the request for the token."""

TOKENS = {"IAM pair": ["bearer"], "AK and SK": ["access_token"]}
"""Kind of key -> what it is exchanged for."""


@pytest.fixture(autouse=True)
def _everything_is_logged(caplog):
    caplog.set_level(logging.DEBUG)
    for name in ("qfnb", "httpx", "httpcore", "aiohttp", "asyncio"):
        caplog.set_level(logging.DEBUG, logger=name)
    yield
    assert search(caplog.text) == []


@pytest.fixture
def use(scripted, monkeypatch):
    """Set the secrets of one kind and a fault of the server; return the arguments of a model, and
    the server.
    """

    def use(kind, fault, *, has_token=True):
        kind, has_token = kind.removesuffix(ON_TOKEN), has_token and not kind.endswith(ON_TOKEN)
        names, arguments = KINDS[kind]
        sent = [SECRETS[name] for name in (*names, *TOKENS.get(kind, ()))]
        answer = answers(sent or [SECRETS["api_key"]])[fault]
        server = scripted(*([[TOKEN]] if kind in TOKENS and has_token else []), answer or [b""])
        url = "http://127.0.0.1:9" if answer is None else server.url
        now = config.get_config()
        now.base_url = now.console_api_base_url = now.iam_base_url = url
        now.api_key = ""
        now.llm_api_retry_count = 1
        now.console_api_retry_count = 1
        for name in names:
            setattr(now, name, SECRETS[name])
        if kind == "proxy password":
            now.base_url = now.console_api_base_url = "https://qianfan.invalid"
            monkeypatch.setenv("QIANFAN_PROXY", url.replace("//", f"//user:{SECRETS['proxy']}@"))
        return arguments | (
            {"base_url": f"{url}/v1"} if kind == "key of another server" else {}
        ), server

    return use


def ask(arguments, fault):
    """Ask as the fault needs it; raise what comes."""
    if fault == "wrong argument":
        ChatCompletion(**arguments, no_such_key=1)
    wait = {"request_timeout": 0.05} if fault == "time-out" else {}
    reply = ChatCompletion(**arguments).do(
        "x", stream="stream" in fault or "event" in fault, **wait
    )
    list(reply)
    raise AssertionError(reply)


@pytest.mark.fault("F50")
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("kind", [*KINDS, *(f"{kind}{ON_TOKEN}" for kind in TOKENS)])
def test_no_fault_shows_a_secret(use, capfd, kind, fault):
    arguments, _ = use(kind, fault)
    with pytest.raises(errors.QianfanError) as caught:
        ask(arguments, fault)
    assert search(texts_of(caught.value)) == []
    assert search(repr(caught.value._render_traceback_())) == []
    assert search("".join(capfd.readouterr())) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_bug_in_the_network_library_shows_no_secret(use, monkeypatch, kind):
    async def fail(*_, **__):
        raise RuntimeError("a bug")

    arguments, _ = use(kind, "no answer")
    monkeypatch.setattr("aiohttp.TCPConnector.connect", fail)
    with pytest.raises(RuntimeError, match="a bug") as caught:
        ChatCompletion(**arguments).do("x")
    assert search(texts_of(caught.value)) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_cancelled_call_shows_no_secret(use, kind):
    arguments, server = use(kind, "time-out", has_token=False)

    async def cancel():
        task = asyncio.create_task(ChatCompletion(**arguments).ado("x"))
        await asyncio.to_thread(until, lambda: server.requests)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError) as caught:
        asyncio.run(cancel())
    assert server.client_left.wait(180)
    assert search(texts_of(caught.value)) == []


@pytest.mark.parametrize("kind", ["key of a constructor", "access token", "proxy password"])
def test_an_interrupted_call_shows_no_secret(use, kind):
    arguments, server = use(kind, "time-out")

    def interrupt():
        until(lambda: server.requests)
        _thread.interrupt_main()

    (thread := threading.Thread(target=interrupt)).start()
    with pytest.raises(KeyboardInterrupt) as caught:
        ChatCompletion(**arguments).do("x")
    thread.join()
    assert server.client_left.wait(180)
    assert search(texts_of(caught.value)) == []


@pytest.mark.fault("F51")
def test_verbose_tracebacks_of_the_users_own_errors_show_no_secret(use):
    model = ChatCompletion(**use("key of a constructor", "401 that echoes")[0])
    with pytest.raises(RuntimeError) as caught:
        reraise(model)
    shown = VerboseTB().text(RuntimeError, caught.value, caught.value.__traceback__.tb_next)
    assert "model" in shown
    assert search(shown) == []


def reraise(model):
    try:
        model.do("x")
    except errors.QianfanError as error:
        raise RuntimeError("the user's own") from error


@pytest.mark.parametrize(
    "fault", ["no HTTP", "401 that echoes", "broken JSON", "refused connection"]
)
def test_management_shows_no_secret(use, fault):
    use("IAM pair", fault, has_token=False)
    with pytest.raises(errors.QianfanError) as caught:
        Service.V2.service_list()
    assert search(texts_of(caught.value)) == []


@pytest.mark.parametrize("fault", ["no HTTP", "401 that echoes", "redirect"])
def test_an_alert_that_is_refused_does_not_show_the_webhook(scripted, caplog, fault):
    address = scripted(answers()[fault]).url + SECRETS["webhook"]
    post = partial(alerts._post, config.Secret(address))
    post(alerts.Alert("done", "run-1", "m", "task-1", "x", 0.0))
    assert "the webhook refused the alert" in caplog.text
    for wrong in (
        address.replace("http://127.0.0.1", "http://example.com"),
        5,
        b"https://" + MARK.encode(),
    ):
        with pytest.raises(errors.InvalidArgumentError) as caught:
            alerts.alert(None, wrong)
        assert search(texts_of(caught.value)) == []


@pytest.mark.parametrize(
    "fault", ["no HTTP", "401 that echoes", "redirect", "no answer", "refused connection"]
)
def test_a_download_that_fails_does_not_show_its_address(scripted, fault):
    server = scripted([b""])
    answer = answers([SECRETS["download"]])[fault]
    url = "https://127.0.0.1:9" if answer is None else server.url
    body = json.dumps(
        {"id": "x", "created": 1, "data": [{"url": url + SECRETS["download"]}]}
    ).encode()
    server.answers[:] = [[http_answer(body)], answer or [b""]]
    reply = qfnb.Text2Image().do("cat", size="768x768")
    with pytest.raises(errors.QianfanError) as caught:
        _ = reply.images
    assert search(texts_of(caught.value)) == []
    assert search(repr(reply)) == []


@pytest.mark.fault("F50")
def test_failed_rows_leave_no_secret_in_journal_results_or_report(use, tmp_path, monkeypatch):
    monkeypatch.setenv("QFNB_STATE_DIR", str(tmp_path / "state"))
    model = ChatCompletion(**use("key of a constructor", "401 that echoes")[0])
    batch = qfnb.batch(["a", "b"], client=model, out=tmp_path / "rows.jsonl")
    batch.wait()
    assert batch.progress.failed == 2
    rows = qfnb.Dataset([{"prompt": "a", "response": "b"}])
    report = EvaluationManager(local_evaluators=[ExactMatchEvaluator()]).eval([model], rows)
    report.save(tmp_path / "report.html")
    (tmp_path / "shown.txt").write_text(
        f"{batch.results()} {report} {report.samples.to_string()} {qfnb.usage()}"
    )
    assert {path.suffix for path in tmp_path.rglob("*")} >= {".txt", ".jsonl", ".html"}
    assert search_files(tmp_path) == []


def test_an_answer_that_echoes_the_key_in_use_is_masked_in_files(scripted, tmp_path, monkeypatch):
    monkeypatch.setenv("QFNB_STATE_DIR", str(tmp_path / "state"))
    text = f"you sent Authorization: Bearer {SECRETS['api_key']}"
    scripted(whole(text, reasoning_content=text))
    config.get_config().api_key = SECRETS["api_key"]
    batch = qfnb.batch(["a", "b"], model="m", out=tmp_path / "rows.jsonl")
    batch.wait()
    reply = ChatCompletion(model="m").do("x")
    (tmp_path / "shown.txt").write_text(
        f"{batch.results()} {batch.to_frame().to_json()} {chat.reply_bundle(reply)}"
    )
    assert batch.results()[0].text == "you sent Authorization: Bearer ***"
    assert search_files(tmp_path) == []


def test_the_repr_of_applications_hides_their_keys():
    body = {
        "result": {"appList": [{"id": 1, "name": "mine", "ak": SECRETS["ak"], "sk": SECRETS["sk"]}]}
    }
    response = Response(body, service.Apps, unwrap="result")
    assert "mine" in repr(response)
    assert search(repr(response) + str(response) + repr(response.data)) == []


ADDRESSES = (
    f"http://u:{MARK}@127.0.0.1:9/v1",
    f"u:{MARK}@h",
    f"https://127.0.0.1:9/v1?access_token={MARK}",
    f"h#{MARK}",
)


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_with_a_secret_is_refused_without_showing_it(address):
    doors = {
        name: lambda name=name: set_and_ask(name, address)
        for name in ("base_url", "openai_base_url")
    }
    doors["constructor"] = lambda: ChatCompletion(base_url=address, api_key=SECRETS["api_key"])
    doors["client"] = lambda: Qianfan(console_api_base_url=address, api_key=SECRETS["api_key"])
    for name, door in doors.items():
        with pytest.raises(errors.InvalidArgumentError, match="pass the key as api_key") as caught:
            door()
        frames = caught.value.__traceback__
        # the user's own, who wrote the address
        while "/tests/" in frames.tb_frame.f_code.co_filename:
            frames = frames.tb_next
        assert (
            search(
                texts_of(caught.value) + VerboseTB().text(type(caught.value), caught.value, frames)
            )
            == []
        ), name


def set_and_ask(name, address):
    setattr(config.get_config(), name, address)
    try:
        ChatCompletion(model="m").do("x")
    finally:
        delattr(config.get_config(), name)


def objects():
    """Return what holds secrets, by name."""
    now = config.get_config()
    for name in config.KEY_NAMES:
        setattr(now, name, SECRETS[name])
    now.base_url = now.console_api_base_url = now.iam_base_url = "http://127.0.0.1:9"
    now.proxy = f"http://user:{SECRETS['proxy']}@127.0.0.1:9"
    current = config.settings()
    model = ChatCompletion(api_key=SECRETS["api_key"])
    platform = qfnb.connect.current_platform()
    client = qfnb.connect.client()
    key_names = ("control_token", "api_key", "access_key", "secret_key", "ak", "sk")
    return {
        "config": now,
        "settings": current,
        "credentials": config.credentials(),
        "model": model,
        "platform": platform,
        "client": client,
        "authentication": client._authentication,
        "application": service.App(id=1, ak=MARK, sk=MARK),
        "sandbox": process.Address("u", 1, 1, "b", **dict.fromkeys(key_names, MARK)),
        "alert": partial(alerts._post, config.Secret(f"https://127.0.0.1{SECRETS['webhook']}")),
    }


@pytest.mark.fault("F51")
@pytest.mark.parametrize(
    "name",
    [
        *("config", "settings", "credentials", "model", "platform", "client", "authentication"),
        *("application", "sandbox", "alert"),
    ],
)
def test_no_object_shows_or_pickles_its_secrets(name):
    value = objects()[name]
    shown = [repr(value), str(value), f"{value}"]
    shown += [repr(vars(value))] if hasattr(value, "__dict__") and name != "sandbox" else []
    shown += [
        repr(getattr(value, "model_dump", str)()),
        repr(getattr(value, "model_dump_json", str)()),
    ]
    written = io.BytesIO()
    try:
        shown.append(repr(copy.copy(value)) + repr(copy.deepcopy(value)))
        pickle.Pickler(written).dump(value)
    except (TypeError, AttributeError, pickle.PicklingError) as error:
        shown.append(str(error))
    assert search("\n".join(shown)) == []
    assert name == "sandbox" or search(written.getvalue()) == []


def test_the_process_of_the_sandbox_gets_no_key(monkeypatch, tmp_path):
    for name in (*config.KEY_NAMES, "bearer_token"):
        monkeypatch.setenv(f"QIANFAN_{name.upper()}", SECRETS.get(name, MARK))
    monkeypatch.setenv("QIANFAN_PROXY", f"http://user:{MARK}@127.0.0.1:9")
    started = []
    monkeypatch.setattr(
        subprocess, "Popen", lambda *args, **options: started.append((args, options)) or 1 / 0
    )
    with pytest.raises(ZeroDivisionError):
        process._spawn(tmp_path, 1)
    ((command,), options) = started[0]
    assert search("\n".join(command)) == []
    assert search("\n".join(f"{name}={value}" for name, value in options["env"].items())) == []


def test_a_key_that_the_sandbox_refuses_is_not_stored_there(sandbox):
    now = config.get_config()
    now.base_url = now.console_api_base_url = now.iam_base_url = sandbox.url
    for keys, arguments in (
        KINDS["API key"],
        KINDS["IAM pair"],
        KINDS["AK and SK"],
        KINDS["access token"],
    ):
        for name in config.KEY_NAMES:
            setattr(now, name, SECRETS[name] if name in keys else "")
        with pytest.raises(errors.QianfanError):
            ChatCompletion(**arguments).do("x")
    assert search_files(process.default_home()) == []


def planted():
    """Return errors with a canary, by where it is."""
    secret = SECRETS["api_key"]
    chained = RuntimeError("x")
    note = ValueError("x")
    encoded = base64.b64encode(f"user:{secret}".encode()).decode()
    chained.__context__ = ValueError(secret)
    holder = config.Config()
    holder._overrides["app_id"] = secret
    note.add_note(secret)
    errors_ = {
        "message": ValueError(secret),
        "chain": chained,
        "note": note,
        "base64": ValueError(encoded),
    }
    for name, value in {"variable": secret, "attribute": holder}.items():
        try:
            exec("def f(a):\n    1 / 0\nf(value)", {"value": value})
        except ZeroDivisionError as error:
            errors_[name] = error
    return errors_


@pytest.mark.parametrize("where", planted())
def test_the_search_finds_a_planted_canary(where):
    assert search(texts_of(planted()[where]))


def test_the_search_finds_a_canary_in_files(tmp_path):
    with sqlite3.connect(tmp_path / "a.db") as database:
        database.execute("create table t (x text)")
        database.execute("insert into t values (?)", (SECRETS["sk"],))
    database.close()
    assert search_files(tmp_path)

"""The requests of qfnb and of the official SDK for the same calls; every difference has a reason
here.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from support.request_recorder import record_requests

import qfnb
from qfnb import config

pytestmark = pytest.mark.peer

SAY = '[{"role": "user", "content": "你好 {x}"}]'
CALLS = {
    "chat": f"{{m}}.ChatCompletion({{v1}}).do(messages={SAY}, model='ERNIE-Bot')",
    "chat options": f"{{m}}.ChatCompletion({{v1}}).do(messages={SAY}, model='ERNIE-Speed-8K', "
    "temperature=0.5, top_p=0.9, system='猫', stop=['。'])",
    "chat stream": f"list({{m}}.ChatCompletion({{v1}}).do(messages={SAY}, model='ERNIE-Lite-8K', "
    "stream=True))",
    "chat endpoint": f"{{m}}.ChatCompletion({{v1}}).do(messages={SAY}, endpoint='abc_own')",
    "chat v2": f"{{m}}.ChatCompletion(version='2').do(messages={SAY}, "
    "model='ernie-4.5-turbo-128k')",
    "chat v2 stream": f"list({{m}}.ChatCompletion(version='2').do(messages={SAY}, "
    "model='ernie-4.5-turbo-128k', stream=True, "
    f"stream_options={{'include_usage': True}}))",
    "completion": "{m}.Completion({v1}).do(prompt='你好', model='SQLCoder-7B')",
    "completion by chat": "{m}.Completion({v1}).do(prompt='你好', model='ERNIE-Bot')",
    "completion endpoint": "{m}.Completion({v1}).do(prompt='你好', endpoint='abc_own')",
    "embedding": "{m}.Embedding({v1}).do(texts=['a', '世界'], model='bge-large-zh')",
    "embedding endpoint": "{m}.Embedding({v1}).do(texts=['a'], endpoint='abc_own')",
    "image": "{m}.Text2Image(version='1').do(prompt='猫', size='768x768', n=2)",
    "rerank": "{m}.Reranker({v1}).do(query='q', documents=['a', 'b'], top_n=1)",
    "plugin": "{m}.Plugin().do({query}='你好', endpoint='abc_own')",
}

REASONS = {
    "extra_parameters": "the SDK names itself to the platform; we do not",
    "user-agent": "each names its own HTTP library",
    "request_id": "each makes its own ids",
    "stream": "the SDK says stream=false where nothing can be streamed; we say nothing",
    "discovery": "with an IAM pair the SDK first asks for the service list; we pass unknown names "
    "on instead",
}
"""All differences; a test fails on any other."""

KEYS = {
    "ak": {"QIANFAN_AK": "ak", "QIANFAN_SK": "sk"},
    "iam": {"QIANFAN_ACCESS_KEY": "ALTAKx", "QIANFAN_SECRET_KEY": "s"},
}


def render_call(call, module):
    """Return the call in one library's spelling."""
    ours = module == "qfnb"
    v1 = "version=1" if ours else "version='1'" if "ChatCompletion" in call else ""
    return (
        call.replace("{m}", module)
        .replace("{v1}", v1)
        .replace("{query}", "prompt" if ours else "query")
    )


def send_with_sdk(url, requests, calls, keys, tmp_path):
    """Make the calls with the SDK in a separate process; return the requests of each."""
    lines = ["import urllib.request", "import qianfan"]
    for call in calls:
        lines += [render_call(call, "qianfan"), f"urllib.request.urlopen({url + '/MARK'!r}).read()"]
    env = {name: value for name, value in os.environ.items() if not name.startswith("QIANFAN_")}
    env |= {f"QIANFAN_{name}": url for name in ("BASE_URL", "CONSOLE_API_BASE_URL", "IAM_BASE_URL")}
    env |= {
        "QIANFAN_DISABLE_EB_SDK": "true",
        "QIANFAN_CACHE_DIR": str(tmp_path),
        "NO_PROXY": "127.0.0.1",
        **keys,
    }
    completed = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", "\n".join(lines)],
        env=env, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert completed.returncode == 0, completed.stderr[-3000:]
    groups = [[]]
    for request in requests:
        if request.path == "/MARK":
            groups.append([])
        else:
            groups[-1].append(request)
    return groups[:-1]


def comparable(request):
    """Return what must be equal: method, path, query, content type, authentication scheme and
    body.
    """
    body = dict(request.body or {})
    body.pop("extra_parameters", None)
    if not any(part in request.path for part in ("/chat/", "/completions", "/plugin/")):
        body.pop("stream", None)
    scheme = request.headers.get("authorization", "").split("/")[0]
    return {
        "method": request.method,
        "path": request.path,
        "query": dict.fromkeys(request.query, "..."),
        "content-type": request.headers.get("content-type", "").split(";")[0],
        "authorization": scheme.split(" ")[0],
        "body": body,
    }


@pytest.fixture(scope="module", params=["ak", "iam"])
def recorded(request, tmp_path_factory):
    """The requests of both libraries, by call."""
    keys = KEYS[request.param]
    calls = {
        name: call for name, call in CALLS.items() if request.param == "iam" or " v2" not in name
    }
    with record_requests() as (url, requests):
        sdk_requests = send_with_sdk(
            url, requests, calls.values(), keys, tmp_path_factory.mktemp("sdk")
        )
    with record_requests() as (url, requests):
        settings = config.get_config()
        settings.base_url = settings.console_api_base_url = settings.iam_base_url = url
        for name, value in keys.items():
            setattr(settings, name.removeprefix("QIANFAN_").lower(), value)
        own_requests = []
        try:
            for call in calls.values():
                n_before = len(requests)
                try:
                    eval(render_call(call, "qfnb"), {"qfnb": qfnb})
                except qfnb.QianfanError as error:
                    own_requests.append(error)
                    continue
                own_requests.append(requests[n_before:])
        finally:
            settings._overrides.clear()
    return (
        request.param,
        dict(zip(calls, sdk_requests, strict=True)),
        dict(zip(calls, own_requests, strict=True)),
    )


def inference_requests(requests):
    """Leave out the requests for tokens and model lists."""
    assert not isinstance(requests, Exception), requests
    helper_paths = ("/oauth/2.0/token", "/v1/BCE-BEARER/token", "/wenxinworkshop/service/list")
    return [request for request in requests if request.path not in helper_paths]


@pytest.mark.parametrize("name", CALLS)
def test_the_same_call_is_the_same_request(recorded, name):
    _, sdk_requests, own_requests = recorded
    if name not in sdk_requests:
        return  # v2 takes no AK/SK, with either library
    expected = inference_requests(sdk_requests[name])
    actual = inference_requests(own_requests[name])
    bodies = [comparable(request) for request in actual]
    assert bodies == [comparable(request) for request in expected]


def test_all_differences_are_listed(recorded):
    kind, sdk_requests, own_requests = recorded
    first = inference_requests(sdk_requests["chat"])[0]
    second = inference_requests(own_requests["chat"])[0]
    assert set(first.body) - set(second.body) == {"extra_parameters"}
    assert "request_id" in {name.lower() for name in second.headers}
    assert first.headers["user-agent"] != second.headers["user-agent"]
    lists = [
        request
        for call in sdk_requests.values()
        for request in call
        if request.path.endswith("service/list")
    ]
    assert bool(lists) == (kind == "iam")
    plain = (
        inference_requests(sdk_requests["embedding"])[0].body,
        inference_requests(own_requests["embedding"])[0].body,
    )
    assert set(plain[0]) - set(plain[1]) == {"extra_parameters", "stream"}
    assert set(REASONS) == {"extra_parameters", "user-agent", "request_id", "stream", "discovery"}

"""The fixture for other people's tests, in a pytest of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import qfnb

KEY = "bce-v3/ALTAK-test/canary0123456789"
ROOT = Path(qfnb.__file__).parents[1]

TESTS = '''
import os
import httpx, pytest
from qfnb import ChatCompletion, errors, get_config


def ask():
    """A program under test that knows nothing of qfnb."""
    headers = {"authorization": "Bearer " + os.environ["OPENAI_API_KEY"]}
    body = {"model": "ernie-5.1", "messages": [{"role": "user", "content": "你好"}]}
    url = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
    return httpx.post(url, json=body, headers=headers, trust_env=False)


def test_any_client_is_answered(qianfan_sandbox):
    assert "沙盒" in ask().json()["choices"][0]["message"]["content"]
    assert "QIANFAN_API_KEY" not in os.environ
    get_config().model = "left-over"


def test_qfnb_is_answered_by_the_same_sandbox(qianfan_sandbox):
    before = qianfan_sandbox.requests().get("chat.v2", 0)
    reply = ChatCompletion().do("你好")
    assert reply.from_sandbox
    assert reply.model != "left-over"
    assert qianfan_sandbox.requests()["chat.v2"] == before + 1


def test_a_fault_is_had_on_request(qianfan_sandbox):
    qianfan_sandbox.fail("chat.v2", status=400, code="invalid_messages")
    assert ask().status_code == 400
    with pytest.raises(errors.SandboxError, match="nonsense"):
        qianfan_sandbox.fail("nonsense")


def test_a_fault_ends_with_its_test(qianfan_sandbox):
    assert ask().status_code == 200


def test_the_environment_is_as_it_was():
    assert os.environ["QIANFAN_API_KEY"].endswith("canary0123456789")
    assert "OPENAI_BASE_URL" not in os.environ
'''


def test_the_fixture_serves_other_peoples_tests(tmp_path):
    (tmp_path / "test_summary.py").write_text(TESTS, encoding="utf-8")
    environment = os.environ | {
        "QIANFAN_API_KEY": KEY,
        "QFNB_STATE_DIR": str(tmp_path),
        "PYTHONPATH": str(ROOT),
    }
    # the plugins of this project load for seconds
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "qfnb.pytest_plugin",
        "-p",
        "no:cacheprovider",
        ".",
    ]
    run = subprocess.run(
        command,
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert run.returncode == 0, run.stdout
    assert "5 passed" in run.stdout
    assert not (tmp_path / "sandbox").exists()  # the user's own folder is not used


def test_loading_it_loads_nothing_heavy():
    code = "import json, sys, qfnb.pytest_plugin; print(json.dumps(sorted(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"pydantic", "httpx", "pandas", "numpy", "qfnb.config"} & set(json.loads(run.stdout))

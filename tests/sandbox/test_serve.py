"""`qfnb sandbox serve`, which a container runs: in the foreground, with an address and a key of the
caller's choice.
"""

import json
import os
import signal
import subprocess
import sys

import httpx
import pytest
from support.waiting import until

KEY = "bce-v3/ALTAK-testserve/0123456789abcdef"


@pytest.fixture
def serve(tmp_path):
    """Start the command with arguments, in a state folder of its own."""
    servers = []

    def start(*arguments):
        environment = os.environ | {"QFNB_STATE_DIR": str(tmp_path), "QFNB_SANDBOX_API_KEY": KEY}
        command = [sys.executable, "-m", "qfnb", "sandbox", "serve", *arguments]
        server = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.kill()
        server.communicate()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have one loopback address")
def test_it_listens_where_it_is_told_and_answers_to_its_name(serve, tmp_path):
    server = serve("--bind", "127.0.0.2", "--url", "http://qfnb.test:8899/")
    written = tmp_path / "sandbox" / "server.json"
    until(lambda: written.exists() or server.poll() is not None)
    assert json.loads(written.read_text())["url"] == "http://qfnb.test:8899"
    port = json.loads(written.with_name("port.json").read_text())["port"]
    get = lambda **headers: (
        httpx.get(f"http://127.0.0.2:{port}/v2/models", headers=headers).status_code
    )
    assert get(host="qfnb.test:8899", authorization=f"Bearer {KEY}") == 200
    assert get(host="qfnb.test:8899", authorization="Bearer bce-v3/ALTAK-another/0") == 401
    assert get(host="evil.example:8899", authorization=f"Bearer {KEY}") == 403
    server.send_signal(signal.SIGTERM)
    assert server.wait(180) == 0
    assert not written.exists()


def test_what_is_wrong_is_said_before_it_serves(serve):
    server = serve("--url", "sandbox:8899")
    assert "--url sandbox:8899" in server.communicate(timeout=240)[0]
    assert server.returncode == 2

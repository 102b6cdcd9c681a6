"""IPython in a terminal: text, no widgets."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.kernel

SCRIPT = """\
get_ipython().run_cell("%load_ext qfnb")
get_ipython().run_cell("%%qfchat --session s\\n你是谁")
get_ipython().run_cell("%%qfchat -m ernie-speed-8k,ernie-4.0-8k\\n你是谁")
get_ipython().run_cell("%qfchat history s")
get_ipython().run_cell("%%qfimage --size 768x768 --seed 3\\n山")
get_ipython().run_cell("%%qfchat -t nan\\n你好")
"""


def test_everything_is_text(sandbox, tmp_path):
    script = tmp_path / "session.ipy"
    script.write_text(SCRIPT, encoding="utf-8")
    env = {name: value for name, value in os.environ.items() if name != "PYTEST_VERSION"}
    env |= {"IPYTHONDIR": str(tmp_path / "ipython"), "TERM": "dumb"}
    command = [sys.executable, "-m", "IPython", "--simple-prompt", "--colors=NoColor", str(script)]
    done = subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.stdout.count("不是文心一言") >= 3
    assert "== ernie-4.0-8k ==" in done.stdout
    assert "assistant" in done.stdout
    assert "1 picture" in done.stdout
    assert "--temperature nan: must be a number" in done.stdout + done.stderr
    assert "<div" not in done.stdout

"""Long inputs stream: the memory of a batch does not grow with its rows."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

SCRIPT = """
import re, sys
import qfnb

def peak():  # rusage would count the process that this one was forked from
    status = open("/proc/self/status").read()
    return int(re.search(r"VmHWM:\\s+(\\d+)", status)[1]) / 1024

def ask(count, name):
    batch = qfnb.batch((f"第 {n} 行 " + "字" * 200 for n in range(count)), name=name, workers=50)
    batch.wait()
    assert batch.progress.ok == count, batch.progress
    return peak()

first = ask(2000, "short")
print(first, ask(int(sys.argv[1]), "long"))
"""

STUB = Path(__file__).parents[2] / "benchmarks" / "stub.py"


def measure_peaks(rows):
    """Return the peak megabytes after two thousand rows, and after `rows`."""
    with subprocess.Popen([sys.executable, STUB, "0"], stdin=-1, stdout=-1, text=True) as server:
        url = server.stdout.readline().strip()
        addresses = ("BASE_URL", "CONSOLE_API_BASE_URL", "IAM_BASE_URL")
        env = {**os.environ, **{f"QIANFAN_{name}": url for name in addresses}}
        env |= {"QIANFAN_API_KEY": "bce-v3/ALTAK-x/y"}
        process = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(rows)],
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        server.stdin.close()
    assert process.returncode == 0, process.stderr[-2000:]
    return [float(word) for word in process.stdout.split()]


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="only Linux tells the peak of a process"
)
def test_many_rows_take_the_memory_of_two_thousand():
    rows = 200_000 if os.environ.get("QFNB_FULL") else 10_000
    short, long = measure_peaks(rows)
    assert long < 150
    # the list of calls for qfnb.usage() grows, to 100,000
    assert long - short < (60 if rows > 100_000 else 12)

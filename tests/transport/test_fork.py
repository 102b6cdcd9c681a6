"""A process ends with a stream in a variable; a forked child opens its own connections, and the parent's still work."""

import subprocess
import sys

import pytest

SCRIPT = """
import multiprocessing, os, sys
import qfnb

def ask():
    assert qfnb.ChatCompletion().do("hi").text
    {end}

qfnb.ChatCompletion().batch_do(["w"]).wait()
for _ in range(2):
    child = multiprocessing.get_context("fork").Process(target=ask)
    child.start()
    child.join(60)
    assert child.exitcode == 0, child.exitcode
    assert qfnb.ChatCompletion().do("x").text
print("both asked")
"""


def outcome(script: str) -> tuple[str, str]:
    """Return the output of a separate process: a fork under pytest would copy all its threads."""
    completed = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", script],
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )
    return completed.stdout.strip(), completed.stderr.strip()


@pytest.mark.parametrize("end", ["pass", "import gc; gc.collect()"], ids=["at once", "after a collection"])
def test_a_forked_child_and_its_parent_can_both_call(sandbox, end):
    assert outcome(SCRIPT.format(end=end)) == ("both asked", "")


def test_a_child_that_exits_normally_does_not_break_its_parent(sandbox):
    script = """
import os, sys
import qfnb

qfnb.ChatCompletion().do("w")
if not (child := os.fork()):
    qfnb.ChatCompletion().do("hi")
    sys.exit()
assert os.waitpid(child, 0)[1] == 0
assert qfnb.ChatCompletion().do("x").text
print("both asked")
"""
    assert outcome(script) == ("both asked", "")


def test_a_script_ends_while_a_variable_holds_a_stream(sandbox):
    script = """
import qfnb

reply = qfnb.ChatCompletion().do("hi", stream=True)
for piece in reply:
    break
print("ends")
"""
    assert outcome(script) == ("ends", "")


@pytest.mark.parametrize("end", ["reply.close()", "list(reply)"])
def test_a_child_does_not_wait_for_the_stream_of_its_parent(sandbox, end):
    script = f"""
import os
import qfnb

reply = qfnb.ChatCompletion().do("hi", stream=True)
next(reply)
if not (child := os.fork()):
    try:
        {end}
    except qfnb.errors.InternalError:
        pass
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert list(reply)
print("read")
"""
    assert outcome(script) == ("read", "")

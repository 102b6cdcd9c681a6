"""A process ends whatever it has open; a forked child opens its own connections, and the parent's
still work.
"""

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
    child.join(180)
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
        timeout=240,
        check=False,
    )
    return completed.stdout.strip(), completed.stderr.strip()


@pytest.mark.fault("F74")
@pytest.mark.parametrize(
    "end", ["pass", "import gc; gc.collect()"], ids=["at once", "after a collection"]
)
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


@pytest.mark.fault("F74")
def test_a_script_ends_while_a_variable_holds_a_stream(sandbox):
    script = """
import qfnb

reply = qfnb.ChatCompletion().do("hi", stream=True)
for piece in reply:
    break
print("ends")
"""
    assert outcome(script) == ("ends", "")


@pytest.mark.fault("F74")
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


def test_an_awaited_stream_of_its_parent_ends_in_a_child_with_an_error(sandbox):
    """One child waits for a piece while it is forked, the second asks for one afterwards."""
    script = """
import asyncio, os
import qfnb

async def read(stream):
    try:
        return len([piece async for piece in stream])
    except qfnb.errors.InternalError:
        return "in words"

async def fork_while_reading():
    stream = await qfnb.ChatCompletion().ado("hi", stream=True)
    reading = asyncio.ensure_future(read(stream))
    await asyncio.sleep(0)  # it waits for the first piece
    child = os.fork()
    result = await reading
    if not child:
        os._exit(0 if result == "in words" else 1)
    assert os.waitpid(child, 0)[1] == 0
    return result

async def fork_between_pieces():
    stream = await qfnb.ChatCompletion().ado("hi", stream=True)
    await anext(stream)
    if not (child := os.fork()):
        os._exit(0 if await read(stream) == "in words" else 1)
    assert os.waitpid(child, 0)[1] == 0
    return await read(stream)

assert asyncio.run(fork_while_reading()) > 1
assert asyncio.run(fork_between_pieces()) > 1
print("read")
"""
    assert outcome(script) == ("read", "")


@pytest.mark.parametrize("wait", ["batch.wait()", "batch[0].result()", "asyncio.run(wait())"])
def test_a_child_does_not_wait_for_the_batch_of_its_parent(sandbox, wait):
    script = f"""
import asyncio, os
import qfnb

batch = qfnb.ChatCompletion().batch_do(["hi"] * 50)
async def wait():
    await batch
if not (child := os.fork()):
    try:
        {wait.replace("batch[0]", "next(iter(batch))")}
    except qfnb.errors.InternalError:
        os._exit(0)
    os._exit(1)
assert os.waitpid(child, 0)[1] == 0
batch.wait()
print(batch)
"""
    assert outcome(script) == ("<batch 50/50, done>", "")


def test_a_child_that_is_forked_while_the_collector_is_set_runs_batches(sandbox):
    script = """
import os
import qfnb
from qfnb._jobs import worker_pool

with worker_pool.relaxed_gc():
    child = os.fork()
    if not child:
        task = qfnb.ChatCompletion().batch_do(["hi"] * 3)
        os._exit(0 if all(reply.text for reply in task.results()) else 1)
assert os.waitpid(child, 0)[1] == 0
print("ends")
"""
    assert outcome(script) == ("ends", "")


def test_a_fork_waits_for_threads_that_are_inside_sqlite():
    """SQLite's mutexes would be locked in the child for ever."""
    script = """
import os, threading
from qfnb.batching.fork_safe_sqlite import inside_sqlite

entered, release, events = threading.Event(), threading.Event(), []

def write():
    with inside_sqlite:
        entered.set()
        release.wait()
        events.append("written")

threading.Thread(target=write).start()
entered.wait()
os.register_at_fork(before=release.set)  # the latest is called first
if not (child := os.fork()):
    with inside_sqlite:  # it is free in the child
        os._exit(0 if events == ["written"] else 1)
assert os.waitpid(child, 0)[1] == 0
print("ends")
"""
    assert outcome(script) == ("ends", "")


WORK = {
    "aiohttp": "threading.Thread(target=chat.do, args=('w',)).start()",
    "qfnb.sandbox.process": "asyncio.run_coroutine_threadsafe(connect.aclient(), "
    "event_loop.loop())",
    "pandas": "batch = qfnb.batch(['w'] * 3, model='ernie-4.5-turbo-128k', out='rows.parquet')",
}


@pytest.mark.fault("F74")
@pytest.mark.parametrize("module", WORK)
def test_a_fork_waits_for_an_import_of_another_thread(sandbox, module, tmp_path, monkeypatch):
    """The child would inherit the module half loaded, and its lock for ever."""
    monkeypatch.chdir(tmp_path)
    script = f"""
import asyncio, importlib, os, sys, threading
import qfnb
from qfnb import connect
from qfnb.transport import event_loop

chat, entered, release = qfnb.ChatCompletion(), threading.Event(), threading.Event()

class Held:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            entered.set()
            release.wait()

sys.meta_path.insert(0, Held())
{WORK[module]}
entered.wait()
os.register_at_fork(before=release.set)  # the latest is called first
if not (child := os.fork()):
    importlib.import_module({module!r})
    os._exit(0 if chat.do("hi").text else 1)
assert os.waitpid(child, 0)[1] == 0
assert chat.do("x").text
print("both asked")
"""
    assert outcome(script) == ("both asked", "")


def test_a_pool_of_forked_processes_calls_beside_a_batch(sandbox):
    script = """
import multiprocessing
import qfnb

def ask(_):
    return qfnb.ChatCompletion().do("hi").text != ""

batch = qfnb.batch(["hi"] * 50, model="ernie-4.5-turbo-128k")
with multiprocessing.get_context("fork").Pool(4) as pool:
    assert all(pool.map(ask, range(8)))
batch.wait()
print(batch)
"""
    assert outcome(script) == ("<batch 50/50, done>", "")


CALLS = [
    "ChatCompletion().do('hi').from_sandbox",
    "ChatCompletion(base_url='https://none.invalid/v2').do('hi')",
]


@pytest.mark.parametrize("before", ["", "ChatCompletion().do('w')"], ids=["first", "later"])
@pytest.mark.parametrize("call", CALLS, ids=["sandbox", "other host"])
def test_a_call_in_a_handler_of_atexit_works_or_says_why_not(sandbox, before, call):
    """No thread can be started there from Python 3.12 on, and none be used to look up a host."""
    script = f"""
import atexit
from qfnb import ChatCompletion, errors

def last():
    try:
        print({call})
    except errors.QianfanError as error:
        print(type(error).__name__)

{before}
atexit.register(last)
"""
    text, noise = outcome(script)
    assert text in (
        {"True", "InternalError"} if "sandbox" in call else {"ConnectionFailed", "InternalError"}
    )
    assert noise == ""

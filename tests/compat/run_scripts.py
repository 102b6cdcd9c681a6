"""Run scripts written for the SDK in one process, and print what each results in as JSON.

    python tests/compat/run_scripts.py FILE...

A script is a cell of a file, from one line `# %% name` to the next, or a whole file that names none
of its cells; its result is the value of its last expression.
"""

from __future__ import annotations

import ast
import asyncio
import enum
import faulthandler
import inspect
import json
import logging
import os
import re
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path

VOLATILE_KEYS = re.compile(
    r"(?i)^(id|created|logid|.*(_at|date|time|id|idstr|url|latency|path|dir))$"
)
"""Keys of what differs between two calls; of their values the type is compared."""

IDS = re.compile(
    r"\b(ds|task|job|run|am|amv|ame|pt|svco|as|chatcmpl)-[0-9a-z]{6,}\b|\bqfnb_[0-9a-z]{10}\b"
)


MAX_DEPTH = 12


def read_scripts(path):
    """Return the scripts of a file by name; what stands before the first is run before each of
    them.
    """
    text = path.read_text(encoding="utf-8")
    prelude, *parts = re.split(r"(?m)^# %% (?!\[markdown\])(.+)\n", text)
    scripts = {name: prelude + code for name, code in zip(parts[::2], parts[1::2], strict=True)}
    return scripts or {path.stem: text}


def run_script(code, name, namespace):
    """Run code as a notebook does, with await at the top level; return the value of its last
    expression.
    """
    tree = ast.parse(code)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    for part in (tree, ast.Expression(last.value)) if last else (tree,):
        mode = "eval" if isinstance(part, ast.Expression) else "exec"
        value = eval(compile(part, f"<{name}>", mode, flags=flags), namespace)
        if inspect.iscoroutine(value):
            value = asyncio.run(value)
    return value if last else None


def to_plain(value, depth=0):
    """Return a value as JSON has it, without what differs between two calls."""
    if isinstance(value, enum.Enum):
        value = value.value
    if isinstance(value, Mapping):
        return {
            str(key): "..." if is_volatile(key, item) else to_plain(item, depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, str):
        return IDS.sub(r"\1-ID", value)
    if isinstance(value, Iterable) and depth < MAX_DEPTH:
        return [to_plain(item, depth + 1) for item in value]
    if isinstance(value, float):
        return round(value, 4)
    return value if value is None or isinstance(value, int) else type(value).__name__


def is_volatile(key, value):
    return isinstance(value, str | int | float) and bool(VOLATILE_KEYS.match(str(key)))


def run_all(paths):
    """Return the result of every script, or how it failed."""
    results = {}
    for name, code in (script for path in paths for script in read_scripts(path).items()):
        started = time.process_time()
        try:
            results[name] = {"result": to_plain(run_script(code, name, {"__name__": name}))}
        except Exception as error:
            results[name] = {
                "raised": type(error).__name__,
                "trace": traceback.format_exc()[-1500:],
            }
        results[name]["seconds"] = round(time.process_time() - started, 2)
    return results


def shorten_waits():
    """Make waiting short: both packages poll the sandbox, whose jobs take less than a second."""
    sleep = time.sleep
    wait = asyncio.sleep
    time.sleep = lambda seconds: sleep(min(seconds, 0.03))
    asyncio.sleep = lambda seconds, *result: wait(min(seconds, 0.03), *result)


if __name__ == "__main__":
    faulthandler.dump_traceback_later(180, exit=True)  # a hang shows where
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    shorten_waits()
    files = [Path(path).resolve() for path in sys.argv[1:]]
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        output = run_all(files)
        os.chdir("/")
    sys.stdout.write(f"\nRESULTS {json.dumps(output, ensure_ascii=False)}\n")
    sys.stdout.flush()
    os._exit(0)  # threads of the SDK may be waiting still

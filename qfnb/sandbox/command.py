"""The command `qfnb sandbox`: starts, stops and controls the sandbox."""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from ..errors import SandboxError
from . import process
from .engines.config import ENGINES, EngineConfig
from .process import Address

ENV_NOTE = '# eval "$(qfnb sandbox env)" points any client of Qianfan or OpenAI at the sandbox'


def environment(address: Address) -> dict[str, str]:
    """Return the environment variables that point other clients at a sandbox."""
    return {
        "QIANFAN_BASE_URL": address.url,
        "QIANFAN_CONSOLE_API_BASE_URL": address.url,
        "QIANFAN_IAM_BASE_URL": address.url,
        "QIANFAN_BOS_BASE_URL": f"{address.url}/bos",
        "QIANFAN_BOS_BUCKET": address.bucket,
        "QIANFAN_ACCESS_KEY": address.access_key,
        "QIANFAN_SECRET_KEY": address.secret_key,
        "QIANFAN_AK": address.ak,
        "QIANFAN_SK": address.sk,
        "QIANFAN_BEARER_TOKEN": address.api_key,
        "OPENAI_BASE_URL": f"{address.url}/v2",
        "OPENAI_API_KEY": address.api_key,
    }


def add_parser(groups: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command and its subcommands."""
    sandbox = groups.add_parser("sandbox", help="the local sandbox: a Qianfan on this computer")
    sandbox.set_defaults(run=run)
    commands = sandbox.add_subparsers(dest="command", required=True)
    start = commands.add_parser("start", help="start it, or print where it runs")
    start.add_argument("--idle-minutes", type=float, default=30, help="stop after this time without use (default 30)")
    strict_help = "as the platform of today: no retired models, no v1; kept until --no-strict"
    start.add_argument("--strict", action=argparse.BooleanOptionalAction, help=strict_help)
    _engine_options(start)
    commands.add_parser("stop", help="stop it; its state stays")
    commands.add_parser("status", help="print whether it runs, and what it is doing")
    commands.add_parser("env", help="print export lines for other clients (starts it)")
    commands.add_parser("logs", help="print the end of its log").add_argument("-n", type=int, default=40)
    commands.add_parser("reset", help="stop it and delete its state").add_argument("--yes", action="store_true")
    _add_control_commands(commands)


def run(options: argparse.Namespace) -> int:
    """Run a subcommand; return the exit code.

    Raises:
        SandboxError: no sandbox runs, or it refused.
    """
    return _COMMANDS[options.command](options)


def _engine_options(start: argparse.ArgumentParser) -> None:
    """Declare an option for each field of `EngineConfig`; a key is typed, so that no process list shows it."""
    start.add_argument("--engine", help=f"{', '.join(ENGINES)}; kept until another is chosen")
    start.add_argument("--upstream-url", metavar="URL", help="e.g. http://localhost:11434/v1")
    start.add_argument("--upstream-model", metavar="MODEL", help="the model there that answers for all models")
    start.add_argument("--upstream-map", metavar="NAME=MODEL,...", help="exceptions from that")
    start.add_argument("--upstream-embedding-model", metavar="MODEL", help="the embedding model there")
    start.add_argument("--upstream-timeout", metavar="SECONDS", help="timeout without data (default 120)")
    start.add_argument("--ask-key", action="store_true", help="type the upstream's key, hidden")
    start.add_argument("--model-dir", metavar="FOLDER", help="a model of your own, for engine transformers")
    start.add_argument("--device", help="auto, cpu, cuda, cuda:N or mps")


def _add_control_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the commands that control a running sandbox."""
    faults = commands.add_parser("faults", help="make calls fail on purpose, until the sandbox stops")
    _faults_parser(faults.add_subparsers(dest="action"))
    clock = commands.add_parser("clock", help="show or change the speed of its clock")
    clock.add_argument("--speed", type=float, help="simulated seconds per second; 0 stops the clock")
    clock.add_argument("--advance", type=float, default=0.0, metavar="SECONDS", help="move the clock forward")
    modes = commands.add_parser("modes", help="show or change how closely it follows the platform")
    modes.add_argument("mode", nargs="*", metavar="MODE=VALUE", help="strict=1, model_list=2025, rate_headers=split")
    durations = commands.add_parser("durations", help="show or change how long stages take")
    durations.add_argument("stage", nargs="*", metavar="STAGE=SECONDS", help="e.g. deploy=60")
    commands.add_parser("snapshots", help="list the copies of its state")
    commands.add_parser("snapshot", help="copy its state under a name").add_argument("name")
    commands.add_parser("restore", help="restore a copy; later changes are lost").add_argument("name")
    commands.add_parser("openapi", help="print its OpenAPI 3.1 description")


def _faults_parser(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    actions.add_parser("list", help="print the rules in order")
    actions.add_parser("clear", help="remove one rule, or all").add_argument("id", nargs="?")
    add = actions.add_parser("add", help="add a rule; the first that applies to a call decides")
    add.add_argument("endpoint", help="an operation or a pattern: chat.v2, 'finetune.*', '*'")
    add.add_argument(
        "fault",
        nargs="?",
        default="status",
        help="status (default), slow, hold, stall, cut, reset, error, malformed, drip, split or fail",
    )
    add.add_argument("--status", type=int, help="HTTP status of the error (default 503)")
    add.add_argument("--code", type=_parse_code, help="the platform's error code, e.g. 336100")
    add.add_argument("--retry-after", metavar="SECONDS", help="header of the error")
    add.add_argument("--chance", type=float, help="share of calls that fail, 0 to 1 (default 1)")
    add.add_argument("--seed", type=int, help="of the random numbers, so that the same calls fail")
    add.add_argument("--times", type=int, help="how many calls fail; default: no limit")
    add.add_argument("--after", type=int, metavar="PIECES", help="of a stream that are sent before")
    add.add_argument("--seconds", type=_parse_range, metavar="SECONDS", help="duration, or LOW-HIGH")


def _start(options: argparse.Namespace) -> int:
    engine_options = {f.name: getattr(options, f.name, None) for f in fields(EngineConfig)}
    if options.ask_key:
        engine_options["upstream_key"] = getpass.getpass("key of the upstream: ")
    engine_options = {name: value for name, value in engine_options.items() if value is not None}
    address = process.ensure(engine=engine_options, idle_minutes=options.idle_minutes)
    if options.strict is not None:
        _call_control("POST", "modes", {"strict": options.strict})
    print(f"the sandbox runs at {address.url} (pid {address.pid})")
    return 0


def _stop(options: argparse.Namespace) -> int:
    print("stopped" if process.stop() else "no sandbox was running")
    return 0


def _status(options: argparse.Namespace) -> int:
    address = process.find()
    if address is None:
        print("no sandbox is running")
        return 3
    now = process.control_call(address, "GET", "/_sandbox/health") or {}
    print(f"the sandbox runs at {address.url} (pid {address.pid})")
    print(f"trainings: {now.get('trainings')}, open streams: {now.get('streams')}")
    engine = now.get("engine") or {}
    print(f"engine: {engine.get('label')}; training: {engine.get('training')}")
    print(f"modes: {', '.join(f'{name}={value}' for name, value in (now.get('modes') or {}).items())}")
    print(f"state: {process.default_home()}")
    return 0


def _env(options: argparse.Namespace) -> int:
    address = process.ensure()
    print(ENV_NOTE)
    for name, value in environment(address).items():
        print(f"export {name}='{value}'")
    return 0


def _logs(options: argparse.Namespace) -> int:
    try:
        lines = process.log_path().read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        print("there is no log yet")
        return 0
    print("\n".join(lines[-options.n :]) or "the log is empty")
    return 0


def _reset(options: argparse.Namespace) -> int:
    if not options.yes:
        print("this deletes the sandbox's datasets, models, services and keys", file=sys.stderr)
        if input("type yes to go on: ").strip().lower() != "yes":
            print("nothing was deleted")
            return 1
    process.reset()
    print("deleted")
    return 0


def _parse_code(text: str) -> int | str:
    return int(text) if text.isdigit() else text


def _parse_range(text: str) -> float | list[float]:
    low, dash, high = text.partition("-")
    return [float(low), float(high)] if dash else float(low)


def _faults(options: argparse.Namespace) -> int:
    if options.action == "add":
        names = ("status", "code", "retry_after", "chance", "seed", "after", "seconds")
        details = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
        rule = {"endpoint": options.endpoint, "fault": options.fault, "times": options.times, **details}
        print(_call_control("POST", "faults", rule)["id"])
    elif options.action == "clear":
        _call_control("DELETE", f"faults/{quote(options.id, safe='')}" if options.id else "faults")
    else:
        for rule in _call_control("GET", "faults")["faults"]:
            print(json.dumps(rule, ensure_ascii=False))
    return 0


def _clock(options: argparse.Namespace) -> int:
    change = {"advance": options.advance} | ({} if options.speed is None else {"speed": options.speed})
    now = _call_control("POST", "clock", change)
    print(f"{datetime.fromtimestamp(now['now'], UTC):%Y-%m-%d %H:%M:%S} UTC, speed {now['speed']:g}")
    return 0


def _modes(options: argparse.Namespace) -> int:
    changes = dict(text.partition("=")[::2] for text in options.mode)
    for name, value in _call_control("POST", "modes", changes).items():
        print(f"{name}={value}")
    return 0


def _durations(options: argparse.Namespace) -> int:
    changes = dict(_parse_stage(text) for text in options.stage)
    for stage, seconds in _call_control("POST", "durations", changes).items():
        print(f"{stage}={seconds:g}")
    return 0


def _parse_stage(text: str) -> tuple[str, float]:
    name, _, seconds = text.partition("=")
    try:
        return name, float(seconds)
    except ValueError:
        raise SandboxError(f"{text!r} is not of the form STAGE=SECONDS, e.g. deploy=60") from None


def _snapshots(options: argparse.Namespace) -> int:
    for row in _call_control("GET", "snapshots")["snapshots"]:
        created_at = datetime.fromtimestamp(row["made"], UTC)
        print(f"{row['name']}  {created_at:%Y-%m-%d %H:%M:%S} UTC  {row['bytes']:,} bytes")
    return 0


def _snapshot(options: argparse.Namespace) -> int:
    print(f"{_call_control('POST', 'snapshots', {'name': options.name})['bytes']:,} bytes")
    return 0


def _restore(options: argparse.Namespace) -> int:
    _call_control("POST", "restore", {"name": options.name})
    print("restored")
    return 0


def _openapi(options: argparse.Namespace) -> int:
    print(json.dumps(_call_control("GET", "openapi.json"), ensure_ascii=False, indent=1))
    return 0


def _call_control(method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the reply of the running sandbox's control interface.

    Args:
        method: HTTP method.
        path: below `/_sandbox/`.
        body: JSON to send.

    Raises:
        SandboxError: no sandbox runs, or it refused; the message says why.
    """
    address = process.find()
    if address is None:
        raise SandboxError("no sandbox is running: `qfnb sandbox start` / 沙盒没有运行")
    reply = process.control_request(address, method, f"/_sandbox/{path}", body)
    if reply is None:
        raise SandboxError("the sandbox does not answer: see `qfnb sandbox logs` / 沙盒没有回答，看日志")
    status, value = reply
    if status != 200:
        raise SandboxError(str(value.get("error", value)))
    return value


_COMMANDS = {
    "start": _start,
    "stop": _stop,
    "status": _status,
    "env": _env,
    "logs": _logs,
    "reset": _reset,
    "faults": _faults,
    "clock": _clock,
    "modes": _modes,
    "durations": _durations,
    "snapshots": _snapshots,
    "snapshot": _snapshot,
    "restore": _restore,
    "openapi": _openapi,
}

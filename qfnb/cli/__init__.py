"""The command line: `qfnb sandbox start|stop|status|env|reset|logs`, and what `steering` adds."""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Sequence
from dataclasses import fields

from .. import __version__
from ..errors import QianfanError
from ..sandbox import process
from ..sandbox.engines.config import ENGINES, EngineConfig
from ..sandbox.process import Address
from . import trial

ENV_NOTE = '# eval "$(qfnb sandbox env)" points any client of Qianfan or OpenAI at the sandbox'


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return int(_COMMANDS[options.command](options))
    except QianfanError as error:
        print(f"qfnb: {error}", file=sys.stderr)
        return 1


def environment(address: Address) -> dict[str, str]:
    """Return the variables that point other clients at a sandbox."""
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="qfnb", description="Baidu Qianfan inside Jupyter.")
    parser.add_argument("--version", action="version", version=f"qfnb {__version__}")
    groups = parser.add_subparsers(dest="group", required=True)
    sandbox = groups.add_parser("sandbox", help="the local sandbox: a Qianfan on this computer")
    commands = sandbox.add_subparsers(dest="command", required=True)
    start = commands.add_parser("start", help="start it, or say where it is")
    start.add_argument(
        "--idle-minutes", type=float, default=30, help="stop after so long without use (default 30)"
    )
    _engine_options(start)
    commands.add_parser("stop", help="stop it; its state stays")
    commands.add_parser("status", help="say whether it runs, and what it is doing")
    commands.add_parser("env", help="print export lines for other clients (starts it)")
    commands.add_parser("logs", help="print the end of its log").add_argument("-n", type=int, default=40)
    commands.add_parser("reset", help="stop it and delete its state").add_argument(
        "--yes", action="store_true"
    )
    trial.add_commands(commands)
    return parser


def _engine_options(start: argparse.ArgumentParser) -> None:
    """Declare an option for each field of `Choice`; a key is asked for, so that no process list shows it."""
    start.add_argument("--engine", help=f"{', '.join(ENGINES)}; kept until another is chosen")
    start.add_argument("--upstream-url", metavar="URL", help="e.g. http://localhost:11434/v1")
    start.add_argument("--upstream-model", metavar="MODEL", help="what answers there for every model")
    start.add_argument("--upstream-map", metavar="NAME=MODEL,...", help="exceptions from it")
    start.add_argument("--upstream-embedding-model", metavar="MODEL", help="what embeds there")
    start.add_argument("--upstream-timeout", metavar="SECONDS", help="of silence (default 120)")
    start.add_argument("--ask-key", action="store_true", help="type the upstream's key, hidden")
    start.add_argument("--model-dir", metavar="FOLDER", help="a model of your own, for engine transformers")
    start.add_argument("--device", help="auto, cpu, cuda, cuda:N or mps")


def _start(options: argparse.Namespace) -> int:
    engine_options = {f.name: getattr(options, f.name, None) for f in fields(EngineConfig)}
    if options.ask_key:
        engine_options["upstream_key"] = getpass.getpass("key of the upstream: ")
    engine_options = {name: value for name, value in engine_options.items() if value is not None}
    address = process.ensure(engine=engine_options, idle_minutes=options.idle_minutes)
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


_COMMANDS = {
    "start": _start,
    "stop": _stop,
    "status": _status,
    "env": _env,
    "logs": _logs,
    "reset": _reset,
    **trial.COMMANDS,
}

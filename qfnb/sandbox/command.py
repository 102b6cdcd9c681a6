"""The command `qfnb sandbox`: starts, stops and controls the sandbox."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from .._command_line import Command, Group, Option, Word
from ..base.language import tr, tr_noop
from ..base.text import labelled
from ..errors import InvalidArgumentError, SandboxError
from ..wire.sandbox import Address
from . import process

ENV_NOTE: Final = (
    '# eval "$(qfnb sandbox env)" points any client of Qianfan or OpenAI at the sandbox'
)

START_OPTIONS: Final = (
    Option("--idle-minutes", tr_noop("Stop after this time without use."), "N", float),
    Option(
        "--strict",
        tr_noop("As the platform of today: no retired models, no v1; stays so until --no-strict."),
    ),
    Option("--no-strict", ""),
)


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


def start(options: Namespace) -> None:
    """Start the sandbox, or print where it runs."""
    address = process.ensure(idle_minutes=options.idle_minutes or 30)
    if options.strict or options.no_strict:
        process.ask_control("POST", "modes", {"strict": options.strict})
    _print_address(address)


def _set_options(options: Namespace, names: Sequence[str]) -> dict[str, Any]:
    """Return the options of these names that are set."""
    return {name: value for name in names if (value := getattr(options, name)) is not None}


def serve(options: Namespace) -> int:
    """Run the sandbox here."""
    url: str = options.url or ""
    if url and not url.startswith("http://"):
        raise InvalidArgumentError(tr("--url {value}: it begins with http://", value=url))
    if running := process.find():
        _print_address(running)
        return 1
    folder = process.default_home()
    process.prepare_folder(folder)
    print(
        tr("the sandbox starts; `qfnb sandbox env` prints its address and keys, Ctrl-C stops it"),
        flush=True,
    )
    bind = options.bind or "127.0.0.1"
    return process.run_in_foreground(folder, bind, options.port or 0, url.rstrip("/"))


def stop(_options: Namespace) -> None:
    """Stop the sandbox."""
    print(tr("stopped") if process.stop() else tr("no sandbox was running"))


def status(_options: Namespace) -> int:
    """Print what the sandbox is doing."""
    facts = process.describe()
    if not facts:
        print(tr("no sandbox is running"))
        return 3
    for name, value in facts.items():
        print(labelled(name, value))
    return 0


def _print_address(address: Address) -> None:
    print(tr("the sandbox runs at {url} (pid {pid})", url=address.url, pid=address.pid))


def env(_options: Namespace) -> None:
    """Print the variables for other clients."""
    address = process.ensure()
    print(ENV_NOTE)
    for name, value in environment(address).items():
        print(f"export {name}='{value}'")


def logs(options: Namespace) -> None:
    """Print the end of the log."""
    try:
        lines = process.log_path().read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        print(tr("there is no log yet"))
        return
    print("\n".join(lines[-(options.n or 40) :]) or tr("the log is empty"))


def reset(options: Namespace) -> int:
    """Delete the state."""
    if not options.yes:
        print(tr("this deletes the sandbox's datasets, models, services and keys"), file=sys.stderr)
        if input(tr("type yes to go on: ")).strip().lower() != "yes":
            print(tr("nothing was deleted"))
            return 1
    process.reset()
    print(tr("deleted"))
    return 0


def clock(options: Namespace) -> None:
    """Show or change the clock."""
    now = process.ask_control("POST", "clock", _set_options(options, ("speed", "advance")))
    time = datetime.fromtimestamp(now["now"], UTC)
    print(f"{time:%Y-%m-%d %H:%M:%S} UTC, speed {now['speed']:g}")


def modes(options: Namespace) -> None:
    """Show or change the modes."""
    change = dict(text.partition("=")[::2] for text in options.changes)
    for name, value in process.ask_control("POST", "modes", change).items():
        print(f"{name}={value}")


def durations(options: Namespace) -> None:
    """Show or change the durations of stages."""
    change = {}
    for text in options.changes:
        stage, _, seconds = text.partition("=")
        try:
            change[stage] = float(seconds)
        except ValueError:
            raise SandboxError(
                tr("{text!r} is not of the form STAGE=SECONDS, e.g. deploy=60", text=text)
            ) from None
    for stage, seconds in process.ask_control("POST", "durations", change).items():
        print(f"{stage}={seconds:g}")


def snapshots(_options: Namespace) -> None:
    """List the copies of the state."""
    for row in process.ask_control("GET", "snapshots")["snapshots"]:
        created_at = datetime.fromtimestamp(row["made"], UTC)
        print(f"{row['name']}  {created_at:%Y-%m-%d %H:%M:%S} UTC  {row['bytes']:,} bytes")


def snapshot(options: Namespace) -> None:
    """Copy the state."""
    copy = process.ask_control("POST", "snapshots", {"name": options.name})
    print(f"{copy['bytes']:,} bytes")


def restore(options: Namespace) -> None:
    """Restore a copy."""
    process.ask_control("POST", "restore", {"name": options.name})
    print(tr("restored"))


def openapi(_options: Namespace) -> None:
    """Print the OpenAPI description."""
    print(json.dumps(process.ask_control("GET", "openapi.json"), ensure_ascii=False, indent=1))


def list_faults(_options: Namespace) -> None:
    """Print the rules of faults."""
    for rule in process.ask_control("GET", "faults")["faults"]:
        print(json.dumps(rule, ensure_ascii=False))


def clear_faults(options: Namespace) -> None:
    """Remove rules."""
    id_ = options.id
    process.ask_control("DELETE", f"faults/{quote(id_, safe='')}" if id_ else "faults")


FAULT_OPTIONS: Final = (
    Option("--status", tr_noop("HTTP status of the error (503)."), "N", int),
    Option("--code", tr_noop("The platform's error code, such as 336100."), "CODE"),
    Option("--retry-after", tr_noop("Header of the error."), "SECONDS"),
    Option("--chance", tr_noop("Share of calls that fail, 0 to 1 (1)."), "X", float),
    Option("--seed", tr_noop("Of the random numbers, so that the same calls fail."), "N", int),
    Option("--times", tr_noop("How many calls fail; no limit by default."), "N", int),
    Option("--after", tr_noop("Pieces of a stream that are sent before."), "PIECES", int),
    Option("--seconds", tr_noop("How long it lasts, a number or LOW-HIGH."), "SECONDS"),
)


def add_fault(options: Namespace) -> None:
    """Add a rule."""
    rule = _set_options(options, [row.name for row in FAULT_OPTIONS])
    if rule.get("code", "").isdigit():
        rule["code"] = int(rule["code"])
    if "seconds" in rule:
        rule["seconds"] = _parse_range(rule["seconds"])
    rule |= {"endpoint": options.endpoint, "fault": options.fault or "status"}
    print(process.ask_control("POST", "faults", rule)["id"])


def _parse_range(text: str) -> float | list[float]:
    low, dash, high = text.partition("-")
    try:
        if dash:
            return [float(low), float(high)]
        return float(low)
    except ValueError:
        raise InvalidArgumentError(
            tr("--seconds {text}: it is a number, or LOW-HIGH", text=text)
        ) from None


FAULTS: Final = Group(
    {
        "list": Command(list_faults, help=tr_noop("Print the rules in order.")),
        "clear": Command(
            clear_faults,
            words=[Word("id", "ID", count="?")],
            help=tr_noop("Remove one rule, or all."),
        ),
        "add": Command(
            add_fault,
            FAULT_OPTIONS,
            [
                Word(
                    "endpoint",
                    "ENDPOINT",
                    tr_noop("An operation or a pattern: chat.v2, 'finetune.*', '*'."),
                ),
                Word(
                    "fault",
                    "FAULT",
                    tr_noop(
                        "status, slow, hold, stall, cut, reset, error, malformed, drip, split or "
                        "fail."
                    ),
                    "?",
                ),
            ],
            tr_noop("Add a rule; the first that applies to a call decides."),
        ),
    },
    tr_noop("Make calls fail on purpose, until the sandbox stops"),
    default=Command(list_faults),
)

COMMANDS: Final = Group(
    {
        "start": Command(start, START_OPTIONS, help=tr_noop("Start it, or print where it runs.")),
        "serve": Command(
            serve,
            [
                Option(
                    "--bind",
                    tr_noop("0.0.0.0: whoever reaches the port and has a key can use it."),
                    "ADDRESS",
                ),
                Option("--port", tr_noop("0: the previous one, else a free one."), "N", int),
                Option(
                    "--url",
                    tr_noop("What clients write, e.g. http://sandbox:8899; its host is answered."),
                    "URL",
                ),
            ],
            help=tr_noop(
                "Run it here until Ctrl-C or SIGTERM, as a container does; for other computers "
                "with --bind."
            ),
        ),
        "stop": Command(stop, help=tr_noop("Stop it; its state stays.")),
        "status": Command(
            status,
            help=tr_noop(
                "Print whether it runs, and what it is doing; exit code 3 where it does not run."
            ),
        ),
        "env": Command(env, help=tr_noop("Print export lines for other clients (starts it).")),
        "logs": Command(
            logs,
            [Option("-n", tr_noop("Number of lines."), "N", int)],
            help=tr_noop("Print the end of its log."),
        ),
        "reset": Command(
            reset,
            [Option("--yes", tr_noop("Do not ask."))],
            help=tr_noop("Stop it and delete its state."),
        ),
        "clock": Command(
            clock,
            [
                Option(
                    "--speed",
                    tr_noop("Simulated seconds per second; 0 stops the clock."),
                    "X",
                    float,
                ),
                Option("--advance", tr_noop("Move the clock forward."), "SECONDS", float),
            ],
            help=tr_noop("Show or change the speed of its clock."),
        ),
        "modes": Command(
            modes,
            words=[Word("changes", "MODE=VALUE", "strict=1", "*")],
            help=tr_noop("Show or change how closely it follows the platform."),
        ),
        "durations": Command(
            durations,
            words=[Word("changes", "STAGE=SECONDS", "deploy=60", "*")],
            help=tr_noop("Show or change how long stages take."),
        ),
        "snapshots": Command(snapshots, help=tr_noop("List the copies of its state.")),
        "snapshot": Command(
            snapshot, words=[Word("name", "NAME")], help=tr_noop("Copy its state under a name.")
        ),
        "restore": Command(
            restore,
            words=[Word("name", "NAME")],
            help=tr_noop("Restore a copy; later changes are lost."),
        ),
        "openapi": Command(openapi, help=tr_noop("Print its OpenAPI 3.1 description.")),
        "faults": FAULTS,
    }
)

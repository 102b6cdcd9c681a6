"""The command `qfnb sandbox`: starts, stops and controls the sandbox."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import quote

from typer import Argument, Context, Option

from .._command_line import Command, create_app
from ..base.language import tr, tr_noop
from ..base.text import labelled
from ..errors import InvalidArgumentError, SandboxError
from ..wire.sandbox import Address
from . import process

ENV_NOTE = '# eval "$(qfnb sandbox env)" points any client of Qianfan or OpenAI at the sandbox'

app = create_app(tr_noop("The local sandbox: a Qianfan on this computer"))
faults_app = create_app(
    tr_noop("Make calls fail on purpose, until the sandbox stops"), invoke_without_command=True
)
app.add_typer(faults_app, name="faults")


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


@app.command(cls=Command, help=tr_noop("Start it, or print where it runs."))
def start(
    *,
    idle_minutes: Annotated[float, Option(help=tr_noop("Stop after this time without use."))] = 30,
    strict: Annotated[
        bool | None,
        Option(
            "--strict/--no-strict",
            help=tr_noop(
                "As the platform of today: no retired models, no v1; stays so until --no-strict."
            ),
        ),
    ] = None,
) -> None:
    address = process.ensure(idle_minutes=idle_minutes)
    if strict is not None:
        process.ask_control("POST", "modes", {"strict": strict})
    _print_address(address)


@app.command(
    cls=Command,
    help=tr_noop(
        "Run it here until Ctrl-C or SIGTERM, as a container does; for other computers with --bind."
    ),
)
def serve(
    *,
    bind: Annotated[
        str,
        Option(
            metavar="ADDRESS",
            help=tr_noop("0.0.0.0: whoever reaches the port and has a key can use it."),
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int, Option(min=0, max=65535, help=tr_noop("0: the previous one, else a free one."))
    ] = 0,
    url: Annotated[
        str | None,
        Option(
            metavar="URL",
            help=tr_noop("What clients write, e.g. http://sandbox:8899; its host is answered."),
        ),
    ] = None,
) -> int:
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
    return process.run_in_foreground(folder, bind, port, (url or "").rstrip("/"))


@app.command(cls=Command, help=tr_noop("Stop it; its state stays."))
def stop() -> None:
    print(tr("stopped") if process.stop() else tr("no sandbox was running"))


@app.command(
    cls=Command,
    help=tr_noop("Print whether it runs, and what it is doing; exit code 3 where it does not run."),
)
def status() -> int:
    facts = process.describe()
    if not facts:
        print(tr("no sandbox is running"))
        return 3
    for name, value in facts.items():
        print(labelled(name, value))
    return 0


def _print_address(address: Address) -> None:
    print(tr("the sandbox runs at {url} (pid {pid})", url=address.url, pid=address.pid))


@app.command(cls=Command, help=tr_noop("Print export lines for other clients (starts it)."))
def env() -> None:
    address = process.ensure()
    print(ENV_NOTE)
    for name, value in environment(address).items():
        print(f"export {name}='{value}'")


@app.command(cls=Command, help=tr_noop("Print the end of its log."))
def logs(*, n: Annotated[int, Option("-n", help=tr_noop("Number of lines."))] = 40) -> None:
    try:
        lines = process.log_path().read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        print(tr("there is no log yet"))
        return
    print("\n".join(lines[-n:]) or tr("the log is empty"))


@app.command(cls=Command, help=tr_noop("Stop it and delete its state."))
def reset(*, yes: Annotated[bool, Option("--yes", help=tr_noop("Do not ask."))] = False) -> int:
    if not yes:
        print(tr("this deletes the sandbox's datasets, models, services and keys"), file=sys.stderr)
        if input(tr("type yes to go on: ")).strip().lower() != "yes":
            print(tr("nothing was deleted"))
            return 1
    process.reset()
    print(tr("deleted"))
    return 0


@app.command(cls=Command, help=tr_noop("Show or change the speed of its clock."))
def clock(
    *,
    speed: Annotated[
        float | None, Option(help=tr_noop("Simulated seconds per second; 0 stops the clock."))
    ] = None,
    advance: Annotated[
        float, Option(metavar="SECONDS", help=tr_noop("Move the clock forward."))
    ] = 0.0,
) -> None:
    now = process.ask_control(
        "POST", "clock", {"advance": advance} | ({} if speed is None else {"speed": speed})
    )
    print(
        f"{datetime.fromtimestamp(now['now'], UTC):%Y-%m-%d %H:%M:%S} UTC, speed {now['speed']:g}"
    )


@app.command(cls=Command, help=tr_noop("Show or change how closely it follows the platform."))
def modes(
    changes: Annotated[list[str] | None, Argument(metavar="MODE=VALUE", help="strict=1")] = None,
) -> None:
    change = dict(text.partition("=")[::2] for text in changes or ())
    for name, value in process.ask_control("POST", "modes", change).items():
        print(f"{name}={value}")


@app.command(cls=Command, help=tr_noop("Show or change how long stages take."))
def durations(
    changes: Annotated[
        list[str] | None, Argument(metavar="STAGE=SECONDS", help="deploy=60")
    ] = None,
) -> None:
    change = dict(_parse_stage(text) for text in changes or ())
    for stage, seconds in process.ask_control("POST", "durations", change).items():
        print(f"{stage}={seconds:g}")


def _parse_stage(text: str) -> tuple[str, float]:
    name, _, seconds = text.partition("=")
    try:
        return name, float(seconds)
    except ValueError:
        raise SandboxError(
            tr("{text!r} is not of the form STAGE=SECONDS, e.g. deploy=60", text=text)
        ) from None


@app.command(cls=Command, help=tr_noop("List the copies of its state."))
def snapshots() -> None:
    for row in process.ask_control("GET", "snapshots")["snapshots"]:
        created_at = datetime.fromtimestamp(row["made"], UTC)
        print(f"{row['name']}  {created_at:%Y-%m-%d %H:%M:%S} UTC  {row['bytes']:,} bytes")


@app.command(cls=Command, help=tr_noop("Copy its state under a name."))
def snapshot(name: str) -> None:
    print(f"{process.ask_control('POST', 'snapshots', {'name': name})['bytes']:,} bytes")


@app.command(cls=Command, help=tr_noop("Restore a copy; later changes are lost."))
def restore(name: str) -> None:
    process.ask_control("POST", "restore", {"name": name})
    print(tr("restored"))


@app.command(cls=Command, help=tr_noop("Print its OpenAPI 3.1 description."))
def openapi() -> None:
    print(json.dumps(process.ask_control("GET", "openapi.json"), ensure_ascii=False, indent=1))


@faults_app.callback(invoke_without_command=True)
def faults(context: Context) -> None:
    if context.invoked_subcommand is None:
        list_faults()


@faults_app.command("list", cls=Command, help=tr_noop("Print the rules in order."))
def list_faults() -> None:
    for rule in process.ask_control("GET", "faults")["faults"]:
        print(json.dumps(rule, ensure_ascii=False))


@faults_app.command("clear", cls=Command, help=tr_noop("Remove one rule, or all."))
def clear_faults(id_: Annotated[str | None, Argument(metavar="ID")] = None) -> None:
    process.ask_control("DELETE", f"faults/{quote(id_, safe='')}" if id_ else "faults")


@faults_app.command(
    "add", cls=Command, help=tr_noop("Add a rule; the first that applies to a call decides.")
)
def add_fault(
    endpoint: Annotated[
        str, Argument(help=tr_noop("An operation or a pattern: chat.v2, 'finetune.*', '*'."))
    ],
    fault: Annotated[
        str,
        Argument(
            help=tr_noop(
                "status, slow, hold, stall, cut, reset, error, malformed, drip, split or fail."
            )
        ),
    ] = "status",
    *,
    status: Annotated[int | None, Option(help=tr_noop("HTTP status of the error (503)."))] = None,
    code: Annotated[
        str | None, Option(help=tr_noop("The platform's error code, such as 336100."))
    ] = None,
    retry_after: Annotated[
        str | None, Option(metavar="SECONDS", help=tr_noop("Header of the error."))
    ] = None,
    chance: Annotated[
        float | None, Option(help=tr_noop("Share of calls that fail, 0 to 1 (1)."))
    ] = None,
    seed: Annotated[
        int | None, Option(help=tr_noop("Of the random numbers, so that the same calls fail."))
    ] = None,
    times: Annotated[
        int | None, Option(help=tr_noop("How many calls fail; no limit by default."))
    ] = None,
    after: Annotated[
        int | None,
        Option(metavar="PIECES", help=tr_noop("Pieces of a stream that are sent before.")),
    ] = None,
    seconds: Annotated[
        str | None,
        Option(metavar="SECONDS", help=tr_noop("How long it lasts, a number or LOW-HIGH.")),
    ] = None,
) -> None:
    details = {
        "status": status,
        "code": int(code) if code and code.isdigit() else code,
        "retry_after": retry_after,
        "chance": chance,
        "seed": seed,
        "after": after,
        "seconds": None if seconds is None else _parse_range(seconds),
    }
    rule = {name: value for name, value in details.items() if value is not None}
    print(
        process.ask_control(
            "POST", "faults", {"endpoint": endpoint, "fault": fault, "times": times, **rule}
        )["id"]
    )


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

"""The command `qfnb sandbox faults`: makes calls fail on purpose."""

from __future__ import annotations

import json
from typing import Annotated
from urllib.parse import quote

from typer import Argument, Context, Option

from .._command_line import Command, create_app
from ..base.language import tr, tr_noop
from ..errors import InvalidArgumentError
from . import process

app = create_app(
    tr_noop("Make calls fail on purpose, until the sandbox stops"), invoke_without_command=True
)


@app.callback(invoke_without_command=True)
def faults(context: Context) -> None:
    if context.invoked_subcommand is None:
        list_faults()


@app.command("list", cls=Command, help=tr_noop("Print the rules in order."))
def list_faults() -> None:
    for rule in process.ask_control("GET", "faults")["faults"]:
        print(json.dumps(rule, ensure_ascii=False))


@app.command("clear", cls=Command, help=tr_noop("Remove one rule, or all."))
def clear_faults(id_: Annotated[str | None, Argument(metavar="ID")] = None) -> None:
    process.ask_control("DELETE", f"faults/{quote(id_, safe='')}" if id_ else "faults")


@app.command(
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
        "code": None if code is None else _parse_code(code),
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


def _parse_code(text: str) -> int | str:
    if text.isdigit():
        return int(text)
    return text


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

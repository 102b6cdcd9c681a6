"""Options that several commands have."""

from __future__ import annotations

import json
import math
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

from typer import Option

from ..base.language import tr, tr_noop
from ..base.text import strip_controls, terminal_cells
from ..errors import InvalidArgumentError

POLL_S: Final = 0.1
"""Seconds between two looks at a job."""

PLAIN_INTERVAL_S: Final = 15.0
"""Seconds between two lines where stderr is no terminal: a log of an hour has 240."""

BAR_WIDTH: Final = 24


class ProgressStep(NamedTuple):
    """How far a job is: the finished share, None where it is not known, that in words, and what is
    said once.
    """

    share: float | None
    text: str
    notice: str = ""


def follow(is_finished: Callable[[], bool], describe: Callable[[], ProgressStep]) -> None:
    """Show a job until it has finished; an interrupt ends the showing, not the job.

    Args:
        is_finished: returns whether it has ended, well or badly.
        describe: returns how far it is.
    """
    if sys.stderr.isatty():
        show = _rewrite
    else:
        show = _PlainLines()
    has_notice = False
    try:
        while not is_finished():
            step = describe()
            if step.notice and not has_notice:
                has_notice = True
                _print_line(step.notice)
            show(step)
            time.sleep(POLL_S)
        show(describe())
    finally:
        _print_line("")


def draw_line(step: ProgressStep, width: int) -> str:
    """Return a bar with its words, at most `width` cells wide."""
    if step.share is None:
        full = BAR_WIDTH
        bar = "·" * BAR_WIDTH
    else:
        full = round(BAR_WIDTH * min(max(step.share, 0.0), 1.0))
        bar = "━" * full + "─" * (BAR_WIDTH - full)
    line = f"{bar}  "
    text = " ".join(strip_controls(step.text).split())
    for character in text:
        if terminal_cells(line + character) > width:
            break
        line += character
    return line.rstrip()


def _print_line(text: str) -> None:
    """Print a line in place of the bar, "" for none."""
    if sys.stderr.isatty():
        bar = "\r\x1b[K"
    else:
        bar = ""
    if text:
        line = f"{strip_controls(text)}\n"
    else:
        line = ""
    sys.stderr.write(f"{bar}{line}")
    sys.stderr.flush()


def _rewrite(step: ProgressStep) -> None:
    line = draw_line(step, shutil.get_terminal_size().columns - 1)
    sys.stderr.write(f"\r{line}\x1b[K")
    sys.stderr.flush()


class _PlainLines:
    """Prints a line when it differs from the last one, every `PLAIN_INTERVAL_S` at most."""

    def __init__(self) -> None:
        self._line = ""
        self._printed_at = -PLAIN_INTERVAL_S

    def __call__(self, step: ProgressStep) -> None:
        line = " ".join(strip_controls(step.text).split())
        if line != self._line and time.monotonic() - self._printed_at >= PLAIN_INTERVAL_S:
            print(line, file=sys.stderr, flush=True)
            self._line = line
            self._printed_at = time.monotonic()


JsonFlag = Annotated[
    bool, Option("--json", help=tr_noop("Print one JSON object to stdout, for programs."))
]
Model = Annotated[
    str | None, Option("-m", "--model", metavar="NAME", help=tr_noop("A preset model."))
]
Endpoint = Annotated[
    str | None,
    Option(
        "-e",
        "--endpoint",
        metavar="NAME",
        help=tr_noop("A service of your own: its name, id or suffix."),
    ),
]
System = Annotated[
    str | None, Option("-s", "--system", metavar="TEXT", help=tr_noop("The model's persona."))
]
Temperature = Annotated[
    float | None,
    Option(
        "-t",
        "--temperature",
        metavar="X",
        help=tr_noop("ERNIE: above 0, at most 1; open models: 0 to 2."),
    ),
]
Think = Annotated[
    str | None,
    Option(
        metavar="LEVEL",
        help=tr_noop("Think before answering: on, off, low, high or a number of tokens."),
    ),
]
MaxTokens = Annotated[int | None, Option(metavar="N", help=tr_noop("The longest answer."))]
Schema = Annotated[
    Path | None,
    Option(metavar="FILE", help=tr_noop("A JSON Schema; each answer is an object that fits it.")),
]
Workers = Annotated[
    int | None,
    Option("-w", "--workers", metavar="N", help=tr_noop("Rows asked at once, 1 to 1000 (8).")),
]
Budget = Annotated[float | None, Option(metavar="CNY", help=tr_noop("Stop before it costs more."))]
BudgetTokens = Annotated[
    int | None, Option(metavar="N", help=tr_noop("Stop before it uses more tokens."))
]
Yes = Annotated[bool, Option("--yes", help=tr_noop("Do not ask."))]


def chat_options(
    *,
    system: str | None,
    temperature: float | None,
    think: str | None,
    max_tokens: int | None,
    schema: Path | None,
) -> dict[str, Any]:
    """Return the options that are set, as `ChatCompletion.do` takes them.

    Raises:
        InvalidArgumentError: the schema cannot be read.
    """
    from ..resources.inference.thinking import parse_think  # noqa: PLC0415

    options = {
        "system": system,
        "temperature": temperature,
        "think": None if think is None else parse_think(think),
        "max_output_tokens": max_tokens,
        "response_format": None if schema is None else _read_schema(schema),
    }
    return {name: value for name, value in options.items() if value is not None}


def resolve_endpoint(name: str | None) -> str | None:
    """Return the endpoint that `-e` names; see `notebook.services.resolve_endpoint`."""
    if name is None:
        return None
    from ..notebook import services  # noqa: PLC0415 - only a name needs it

    return services.resolve_endpoint(None, name)


def _read_schema(path: Path) -> dict[str, Any]:
    try:
        schema = json.loads(path.expanduser().read_text(encoding="utf-8"))
    except OSError as error:
        reason: object = error.strerror
    except ValueError as error:
        reason = error
    else:
        if isinstance(schema, dict):
            return schema
        reason = tr("it holds no object")
    raise InvalidArgumentError(
        tr("--schema {path}: cannot be read: {reason}", path=path, reason=reason)
    )


def print_json(value: Mapping[str, Any]) -> None:
    """Print an object as JSON, one line; NaN is null."""
    cleaned = {
        name: None if isinstance(item, float) and math.isnan(item) else item
        for name, item in value.items()
    }
    print(json.dumps(cleaned, ensure_ascii=False, default=str))


def say(text: str) -> None:
    """Print a message for the person at the terminal to stderr; stdout has results only."""
    print(text, file=sys.stderr, flush=True)


def sandbox_mark(*, is_sandbox: bool) -> str:
    """Return the mark of what came from the local sandbox, "" for what did not."""
    from ..views import components  # noqa: PLC0415

    if is_sandbox:
        return f"[{tr(components.SANDBOX_MARK)}]"
    return ""

"""Options that several commands have."""

from __future__ import annotations

import inspect
import json
import math
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

from typer import Option

from ..base.language import tr, tr_noop
from ..base.text import strip_controls, terminal_cells
from ..errors import InvalidArgumentError

if TYPE_CHECKING:
    from ..notebook.parser import Option as MagicOption, Parser

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
Schema = Annotated[
    Path | None,
    Option(metavar="FILE", help=tr_noop("A JSON Schema; each answer is an object that fits it.")),
]
Yes = Annotated[bool, Option("--yes", help=tr_noop("Do not ask."))]


def with_options(
    parser: Parser, rows: Iterable[MagicOption]
) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Give a command options of a magic: its keywords are their values (a decorator).

    The command is called with `options`, a namespace as the magic's parser makes it.
    """
    declared = list(rows)

    def declare(command: Callable[..., int]) -> Callable[..., int]:
        signature = inspect.signature(command, eval_str=True)
        own = [row for name, row in signature.parameters.items() if name != "options"]
        first = [row for row in own if row.kind is not row.KEYWORD_ONLY]
        last = [row for row in own if row.kind is row.KEYWORD_ONLY]

        def run(**values: Any) -> int:
            options, _ = parser.parse_line("")
            for row in declared:
                setattr(options, row.name, values.pop(row.name))
            return command(**values, options=options)

        parameters = [*first, *map(_to_parameter, declared), *last]
        run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        return run

    return declare


def _to_parameter(row: MagicOption) -> inspect.Parameter:
    """Return an option of a magic as a parameter that typer reads."""
    annotation: Any = bool
    if row.metavar:
        annotation = (list[row.kind] if row.repeated else row.kind) | None  # type: ignore[name-defined,operator]
    return inspect.Parameter(
        row.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None if row.metavar else False,
        annotation=Annotated[
            annotation, Option(*row.flags, metavar=row.metavar or None, help=row.help)
        ],
    )


def read_schema(path: Path) -> dict[str, Any]:
    """Return the JSON Schema in a file.

    Raises:
        InvalidArgumentError: it cannot be read.
    """
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

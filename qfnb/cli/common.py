"""Options that several commands have."""

from __future__ import annotations

import inspect
import json
import math
import shutil
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

from typer import Option

from ..base.language import tr, tr_noop
from ..base.text import strip_controls, terminal_cells
from ..errors import InvalidArgumentError
from ..notebook.parser import MagicOption

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
    show = _rewrite if sys.stderr.isatty() else _PlainLines()
    notice = ""
    try:
        while not is_finished():
            step = describe()
            if step.notice and not notice:
                notice = step.notice
                _print_line(notice)
            show(step)
            time.sleep(POLL_S)
        show(describe())
    finally:
        _print_line("")


def draw_line(step: ProgressStep, width: int) -> str:
    """Return a bar with its words, at most `width` cells wide."""
    bar = "·" * BAR_WIDTH
    if step.share is not None:
        full = round(BAR_WIDTH * min(max(step.share, 0.0), 1.0))
        bar = "━" * full + "─" * (BAR_WIDTH - full)
    line = f"{bar}  "
    for character in " ".join(strip_controls(step.text).split()):
        if terminal_cells(line + character) > width:
            break
        line += character
    return line.rstrip()


def _print_line(text: str) -> None:
    """Print a line in place of the bar, "" for none."""
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
    if text:
        sys.stderr.write(f"{strip_controls(text)}\n")
    sys.stderr.flush()


def _rewrite(step: ProgressStep) -> None:
    line = draw_line(step, shutil.get_terminal_size().columns - 1)
    print(f"\r{line}\x1b[K", end="", file=sys.stderr, flush=True)


class _PlainLines:
    """Prints a line when it differs from the last one, every `PLAIN_INTERVAL_S` at most."""

    def __init__(self) -> None:
        self._line = ""
        self._printed_at = -PLAIN_INTERVAL_S

    def __call__(self, step: ProgressStep) -> None:
        line = " ".join(strip_controls(step.text).split())
        if line != self._line and time.monotonic() - self._printed_at >= PLAIN_INTERVAL_S:
            say(line)
            self._line = line
            self._printed_at = time.monotonic()


JsonFlag = Annotated[
    bool, Option("--json", help=tr_noop("Print one JSON object to stdout, for programs."))
]
JSON = MagicOption("Print one JSON object to stdout, for programs.", "--json", dest="as_json")
SCHEMA = MagicOption(
    "A JSON Schema; each answer is an object that fits it.", "--schema", "FILE", parse=Path
)


def with_options(
    rows: Iterable[MagicOption], unset: Iterable[str] = ()
) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Give a command options, whose values it gets as a namespace, `options` (a decorator).

    Args:
        rows: the options, in the order of the help.
        unset: names of further values, which are None: those that only a magic sets.
    """
    declared = list(rows)

    def declare(command: Callable[..., int]) -> Callable[..., int]:
        signature = inspect.signature(command, eval_str=True)

        def run(**values: Any) -> int:
            options = dict.fromkeys(unset)
            for row in declared:
                options[row.name] = values.pop(row.name)
            return command(**values, options=Namespace(**options))

        *words, _ = signature.parameters.values()
        parameters = [*words, *map(_to_parameter, declared)]
        run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        return run

    return declare


def _to_parameter(row: MagicOption) -> inspect.Parameter:
    """Return an option as a parameter that typer reads."""
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

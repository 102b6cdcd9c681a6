"""Options that several commands have."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from typer import Option

from ..base.language import tr, tr_noop
from ..errors import InvalidArgumentError

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

"""The command line; `qfnb --help` lists the commands. What a command needs is imported when it
runs.

Exit codes: 0 done; 1 failed; 2 the line or its input is wrong, and nothing was sent; 3 done, and
the result is
negative: rows failed, the platform differs, the sandbox is not running, `--fail-on` applies; 130
interrupted. Results go to stdout, progress and messages to stderr.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from .. import __version__
from .._command_line import DONE, FAILED, INTERRUPTED, WRONG_INPUT

DEBUG = "--debug"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words == ["--version"]:
        print(f"qfnb {__version__}")
        return DONE
    if "--" in words:
        options = words[: words.index("--")]
    else:
        options = words
    if DEBUG in options:
        words.remove(DEBUG)
        return _run(words)
    try:
        return _run_and_explain(words)
    except KeyboardInterrupt:
        _say("")
        return INTERRUPTED
    except BrokenPipeError:  # `qfnb models | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def _run(words: Sequence[str]) -> int:
    from .app import run  # noqa: PLC0415 - `qfnb --version` and a wrong Python stay fast

    return run(words)


def _run_and_explain(words: Sequence[str]) -> int:
    """Run a command; an exception is a message on stderr and an exit code."""
    from ..errors import CredentialsError, InvalidArgumentError, QianfanError  # noqa: PLC0415

    try:
        return _run(words)
    except QianfanError as error:
        _say(f"qfnb: {error}")
        is_wrong = isinstance(error, InvalidArgumentError) and not isinstance(
            error, CredentialsError
        )
        if is_wrong:
            return WRONG_INPUT
        return FAILED
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 - never a traceback, unless it is asked for
        from ..base.language import tr  # noqa: PLC0415

        reason = str(error) or type(error).__name__
        _say(
            f"qfnb: {type(error).__name__}: {reason.splitlines()[0]}{tr(' (--debug shows where)')}"
        )
        return FAILED


def _say(text: str) -> None:
    """Print a message to stderr, without secrets."""
    from ..redact import redact  # noqa: PLC0415

    print(redact(text), file=sys.stderr)

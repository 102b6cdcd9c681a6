"""An error in a notebook as a card: what is the matter, why, and the cell to run next.

The kernel's own message is in the notebook, too, for programs and for front ends that know no
styles; the card's style hides it.
"""

from __future__ import annotations

import os
import sys
from typing import Any, Final

from .. import errors
from ..base.language import tr, tr_noop

HEADINGS: Final = {
    "QianfanError": tr_noop("This did not work"),
    "InvalidArgumentError": tr_noop("This cannot run as it is"),
    "DatasetError": tr_noop("The data cannot be used as they are"),
    "CredentialsError": tr_noop("A key is missing or wrong"),
    "RequestError": tr_noop("No usable answer came back"),
    "ConnectionFailed": tr_noop("The platform cannot be reached"),
    "RequestTimeoutError": tr_noop("The platform did not answer in time"),
    "APIError": tr_noop("The platform refused the call"),
    "AuthError": tr_noop("The key was refused"),
    "RateLimitError": tr_noop("Too many calls at once"),
    "ServerError": tr_noop("The platform had an error of its own"),
    "UnreadableAnswer": tr_noop("The answer cannot be read"),
    "ToolLoopError": tr_noop("The model did not come to an answer"),
    "SandboxError": tr_noop("The local sandbox does not run"),
    "InternalError": tr_noop("This step is not possible now"),
    "TrainingError": tr_noop("The training has failed"),
}
"""Class of an error -> heading; its base class's where it has none of its own."""


def show_error(result: Any) -> None:
    """Show the card of a cell's error; called by IPython when a cell has ended.

    Args:
        result: IPython's `ExecutionResult`.
    """
    error = result.error_in_exec or result.error_before_exec
    if not isinstance(error, errors.QianfanError):
        return
    from . import display  # noqa: PLC0415 - %load_ext stays fast

    # else both would be seen
    has_styles = "VSCODE_PID" not in os.environ and "google.colab" not in sys.modules
    if display.display_mode() == "live" and has_styles:
        display.publish(bundle(error))


def bundle(error: errors.QianfanError) -> dict[str, Any]:
    """Return the card in every format."""
    from . import components  # noqa: PLC0415

    text = "\n".join(error._render_traceback_())
    kind = type(error).__name__
    lines, cells = errors.split_message(text.removeprefix(kind).lstrip(":\uff1a "))
    heading = next(
        HEADINGS[base.__name__] for base in type(error).__mro__ if base.__name__ in HEADINGS
    )
    first, *others = lines or [""]
    blocks = [
        components.Html(f"<small>{kind}</small>"),
        components.Html(f"<div>{components.with_code(first)}</div>"),
        components.dim_lines(*map(components.with_code, others)),
        *(
            components.Html(f"<div><small>{tr('Run:')}</small> {components.code(cell)}</div>")
            for cell in cells
        ),
    ]
    note = components.note("bad", tr(heading), components.join(blocks), sign="✕", role="alert")
    card = components.Html(f'<div class="qf-error">{note}</div>')
    return {"text/plain": text, "text/html": components.output(card)}

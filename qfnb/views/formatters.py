"""How the library's values show themselves in a notebook, by name, so that nothing is imported for
it; remarks with which nothing is wrong, as one grey line; and an error as a card: what is the
matter, why, and the cell to run next.

The kernel's own message of an error is in the notebook, too, for programs and for front ends that
know no styles; the card's style hides it.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
from functools import partial
from typing import Any, Final

from .. import errors
from .._notices import LOGGER
from ..base.language import tr, tr_noop
from .formats import inert

_FORMATTERS = (
    ("qfnb.resources.inference.reply", "ChatResponse", "chat", "reply_bundle"),
    ("qfnb.resources.inference.responses", "ResponseReply", "chat", "response_bundle"),
    ("qfnb._jobs.background_batch", "BackgroundBatch", "batch", "bundle"),
    ("qfnb.resources.inference.batch_task", "BatchTask", "batch", "bundle"),
    ("qfnb.resources.inference.images", "ImageResponse", "image", "bundle"),
    ("qfnb.dataset.typed_dataset", "Dataset", "dataset", "bundle"),
    ("qfnb.evaluation.report", "EvaluationResult", "evaluation.report", "bundle"),
    ("qfnb.evaluation.report.card", "Card", "evaluation.report", "card_bundle"),
    ("qfnb.evaluation.report.matrix", "Matrix", "evaluation.report", "matrix_bundle"),
    ("qfnb.views.evaluation.charts", "Chart", "evaluation.charts", "chart_bundle"),
    ("qfnb.trainer.finetune", "LLMFinetune", "training.panel", "bundle"),
    ("qfnb._tables", "HistoryTable", "listings", "evaluations_bundle"),
    ("qfnb._tables", "ModelTable", "listings", "models_bundle"),
    ("qfnb._tables", "UsageTable", "listings", "usage_bundle"),
    ("qfnb._tables", "TrainingTable", "listings", "trainings_bundle"),
    ("qfnb._tables", "BatchTable", "listings", "batches_bundle"),
    ("qfnb._tables", "ServiceTable", "listings", "services_bundle"),
    ("qfnb._tables", "DatasetTable", "listings", "datasets_bundle"),
    ("qfnb._tables", "JobTable", "listings", "jobs_bundle"),
    ("qfnb.trainer.sweep", "Sweep", "training.sweep", "bundle"),
)
"""Module and class of a value, subclasses too; module below `qfnb.views` and function that return
its MIME bundle.
"""

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


def register(formatter: Any) -> None:
    """Register our types with IPython's display formatter, and show notices."""
    if not LOGGER.handlers:
        LOGGER.addHandler(NoticeHandler())
    bundles = formatter.mimebundle_formatter
    for module, name, view, function in _FORMATTERS:
        bundles.for_type_by_name(module, name, partial(_format, view, function))


def unregister(formatter: Any) -> None:
    """Remove our types from IPython's display formatter, and leave notices to the log."""
    LOGGER.handlers.clear()
    bundles = formatter.mimebundle_formatter
    names = {(module, name) for module, name, *_ in _FORMATTERS}
    for name in names:
        bundles.deferred_printers.pop(name, None)
    for kind in [*bundles.type_printers]:
        if (kind.__module__, kind.__name__) in names:
            bundles.pop(kind)


def _format(view: str, function: str, value: Any) -> dict[str, Any]:
    show = getattr(importlib.import_module(f".{view}", __package__), function)
    return inert(show(getattr(value, "progress", value)))  # a job is drawn by its progress


class NoticeHandler(logging.Handler):
    """Shows remarks in the cell that runs; in a terminal they stay lines of the log."""

    def emit(self, record: logging.LogRecord) -> None:
        """Show a remark."""
        from . import components, display  # noqa: PLC0415 - `import qfnb` stays fast

        text = record.getMessage()
        if display.display_mode() != "text":
            line = components.output(components.dim_lines(text))
            display.publish({"text/plain": text, "text/html": line})
        elif not logging.getLogger("qfnb").hasHandlers():  # as Python itself does
            sys.stderr.write(f"{text}\n")


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
        display.publish(error_bundle(error))


def error_bundle(error: errors.QianfanError) -> dict[str, Any]:
    """Return the card in every format."""
    from . import components  # noqa: PLC0415

    text = "\n".join(error._render_traceback_())
    kind = type(error).__name__
    lines, cells = errors.split_message(text.removeprefix(kind).lstrip(":\uff1a "))
    bases = (base.__name__ for base in type(error).__mro__)
    heading = next(HEADINGS[base] for base in bases if base in HEADINGS)
    first, *others = lines or [""]
    html = f"<small>{kind}</small><div>{components.with_code(first)}</div>"
    html += components.dim_lines(*map(components.with_code, others))
    for cell in cells:
        html += f"<div><small>{tr('Run:')}</small> {components.code(cell)}</div>"
    note = components.note("bad", tr(heading), components.Html(html), sign="✕", role="alert")
    card = components.output(components.Html(f'<div class="qf-error">{note}</div>'))
    return {"text/plain": text, "text/html": card}

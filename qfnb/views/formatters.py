"""How the library's values show themselves in a notebook; by name, so that nothing is imported for
it.
"""

import importlib
from functools import partial
from typing import Any

from . import notices
from .text import inert

_FORMATTERS = (
    ("qfnb.resources.inference.reply", "ChatResponse", "chat", "reply_bundle"),
    ("qfnb.resources.inference.responses", "ResponseReply", "responses", "bundle"),
    ("qfnb._jobs.background_batch", "BackgroundBatch", "batch", "bundle"),
    ("qfnb.resources.inference.batch_task", "BatchTask", "batch", "bundle"),
    ("qfnb.resources.inference.images", "ImageResponse", "image", "bundle"),
    ("qfnb.dataset.typed_dataset", "Dataset", "dataset", "bundle"),
    ("qfnb.evaluation.report", "EvaluationResult", "evaluation.report", "bundle"),
    ("qfnb.evaluation.report.card", "Card", "evaluation.report", "card_bundle"),
    ("qfnb.evaluation.report.matrix", "Matrix", "evaluation.report", "matrix_bundle"),
    ("qfnb.views.evaluation.charts.style", "Chart", "evaluation.charts", "chart_bundle"),
    ("qfnb.views.evaluation.charts", "Charts", "evaluation.charts", "charts_bundle"),
    ("qfnb.trainer.finetune", "LLMFinetune", "training.panel", "bundle"),
    ("qfnb.evaluation.history", "Diff", "evaluation.history", "diff_bundle"),
    ("qfnb._tables", "HistoryTable", "evaluation.history", "table_bundle"),
    ("qfnb._tables", "ModelTable", "tables", "models_bundle"),
    ("qfnb._tables", "UsageTable", "tables", "usage_bundle"),
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


def register(formatter: Any) -> None:
    """Register our types with IPython's display formatter, and show notices."""
    notices.register()
    for module, name, view, function in _FORMATTERS:
        formatter.mimebundle_formatter.for_type_by_name(
            module, name, partial(_format, view, function)
        )


def unregister(formatter: Any) -> None:
    """Remove our types from IPython's display formatter, and leave notices to the log."""
    notices.unregister()
    bundles = formatter.mimebundle_formatter
    for module, name, *_ in _FORMATTERS:
        bundles.deferred_printers.pop((module, name), None)
        for kind in [
            t for t in bundles.type_printers if (t.__module__, t.__name__) == (module, name)
        ]:
            bundles.pop(kind)


def _format(view: str, function: str, value: Any) -> dict[str, Any]:
    target = getattr(value, "progress", value)  # a job is drawn by its progress
    bundle: dict[str, Any] = getattr(importlib.import_module(f".{view}", __package__), function)(
        target
    )
    return inert(bundle)

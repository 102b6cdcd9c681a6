"""How the library's values show themselves in a notebook; by name, so that nothing is imported for it."""

from __future__ import annotations

from typing import Any


def register(formatter: Any) -> None:
    """Teach IPython's display formatter our types."""
    for module, name, format_value in _FORMATTERS:
        formatter.mimebundle_formatter.for_type_by_name(module, name, format_value)


def unregister(formatter: Any) -> None:
    """Take them away again."""
    bundles = formatter.mimebundle_formatter
    for module, name, _ in _FORMATTERS:
        bundles.deferred_printers.pop((module, name), None)
        for printer in [t for t in bundles.type_printers if (t.__module__, t.__name__) == (module, name)]:
            bundles.pop(printer)


def _format_reply(value: Any) -> dict[str, Any]:
    from ..views import chat  # noqa: PLC0415 - drawn now

    return chat.reply_bundle(value)


def _format_images(value: Any) -> dict[str, Any]:
    from ..views import image  # noqa: PLC0415

    return image.bundle(value)


def _format_dataset(value: Any) -> dict[str, Any]:
    from ..views import dataset  # noqa: PLC0415

    return dataset.bundle(value)


def _format_evaluation(value: Any) -> dict[str, Any]:
    from ..views.evaluation import report  # noqa: PLC0415

    return report.bundle(value)


def _format_card(value: Any) -> dict[str, Any]:
    from ..views.evaluation import report  # noqa: PLC0415

    return report.card_bundle(value)


def _format_chart(value: Any) -> dict[str, Any]:
    from ..views.evaluation.charts import gallery  # noqa: PLC0415

    return gallery.chart_bundle(value)


def _format_charts(value: Any) -> dict[str, Any]:
    from ..views.evaluation.charts import gallery  # noqa: PLC0415

    return gallery.charts_bundle(value)


def _format_trainer(value: Any) -> dict[str, Any]:
    from ..views.training import panel  # noqa: PLC0415

    return panel.bundle(value.progress)


def _format_batch(value: Any) -> dict[str, Any]:
    from ..views import batch  # noqa: PLC0415

    return batch.bundle(value.progress)


_FORMATTERS = (
    ("qfnb.resources.inference.reply", "ChatResponse", _format_reply),
    ("qfnb.batching.batch", "Batch", _format_batch),
    ("qfnb.resources.inference.batch_task", "BatchTask", _format_batch),
    ("qfnb.resources.inference.text2image", "ImageResponse", _format_images),
    ("qfnb.dataset.dataset", "Dataset", _format_dataset),
    ("qfnb.evaluation.report", "EvaluationResult", _format_evaluation),
    ("qfnb.evaluation.report.card", "Card", _format_card),
    ("qfnb.views.evaluation.charts.style", "Chart", _format_chart),
    ("qfnb.views.evaluation.charts.gallery", "Charts", _format_charts),
    ("qfnb.trainer.finetune", "LLMFinetune", _format_trainer),
)

"""How the library's values show themselves in a notebook; by name, so that nothing is imported for it."""

from __future__ import annotations

from typing import Any


def register(formatter: Any) -> None:
    """Teach IPython's display formatter our types."""
    for module, name, show in _TYPES:
        formatter.mimebundle_formatter.for_type_by_name(module, name, show)


def unregister(formatter: Any) -> None:
    """Take them away again."""
    bundles = formatter.mimebundle_formatter
    for module, name, _ in _TYPES:
        bundles.deferred_printers.pop((module, name), None)
        for known in [t for t in bundles.type_printers if (t.__module__, t.__name__) == (module, name)]:
            bundles.pop(known)


def _reply(value: Any) -> dict[str, Any]:
    from ..views import chat  # noqa: PLC0415 - drawn now

    return chat.reply_bundle(value)


def _images(value: Any) -> dict[str, Any]:
    from ..views import image  # noqa: PLC0415

    return image.bundle(value)


def _dataset(value: Any) -> dict[str, Any]:
    from ..views import dataset  # noqa: PLC0415

    return dataset.bundle(value)


def _evaluation(value: Any) -> dict[str, Any]:
    from ..views import evaluation  # noqa: PLC0415

    return evaluation.bundle(value)


def _card(value: Any) -> dict[str, Any]:
    from ..views import evaluation_card  # noqa: PLC0415

    return evaluation_card.bundle(value)


def _chart(value: Any) -> dict[str, Any]:
    from ..views import evaluation_gallery  # noqa: PLC0415

    return evaluation_gallery.chart_bundle(value)


def _charts(value: Any) -> dict[str, Any]:
    from ..views import evaluation_gallery  # noqa: PLC0415

    return evaluation_gallery.charts_bundle(value)


def _trainer(value: Any) -> dict[str, Any]:
    from ..views import training  # noqa: PLC0415

    return training.bundle(value.progress)


def _batch(value: Any) -> dict[str, Any]:
    from ..views import batch  # noqa: PLC0415

    return batch.bundle(value.progress)


_TYPES = (
    ("qfnb.resources.reply", "ChatResponse", _reply),
    ("qfnb.batching.batch", "Batch", _batch),
    ("qfnb.resources.batch", "BatchTask", _batch),
    ("qfnb.resources.text2image", "ImageResponse", _images),
    ("qfnb.dataset.dataset", "Dataset", _dataset),
    ("qfnb.evaluation.report", "EvaluationResult", _evaluation),
    ("qfnb.evaluation.card", "Card", _card),
    ("qfnb.views.evaluation_canvas", "Chart", _chart),
    ("qfnb.views.evaluation_gallery", "Charts", _charts),
    ("qfnb.trainer.finetune", "LLMFinetune", _trainer),
)

"""Earlier evaluations: listed, and opened again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .._tables import frame_class
from ..base.language import tr
from ..errors import InvalidArgumentError
from .report import EvaluationResult, archive

if TYPE_CHECKING:
    import pandas as pd

HISTORY_COLUMNS: Final = (
    "id", "created", "dataset", "digest", "questions", "models", "metrics", "scores", "failed",
    "sandbox",
    "sandbox_models", "problem",
)  # fmt: skip


def history() -> pd.DataFrame:
    """Return every evaluation of this user as a DataFrame, the newest first.

    Columns: id, created, dataset (its name), digest (of its questions and references), questions,
    models, metrics, scores ({model: {metric: mean}}), failed (questions without an answer), sandbox
    (whether it answered), sandbox_models (for which models it did), problem (why a file cannot be
    read). The newest 200 are kept, up to 200 MB, in the folder `history` of the state folder.
    """
    import pandas as pd  # noqa: PLC0415 - 0.3 s that only tables should pay

    rows = []
    for entry in archive.list_entries():
        row: dict[str, Any] = {name: getattr(entry, name, None) for name in HISTORY_COLUMNS}
        for name in ("models", "metrics", "sandbox_models"):
            row[name] = [*getattr(entry, name)]
        row["created"] = pd.Timestamp.fromtimestamp(entry.created).floor("s")
        row["sandbox"] = entry.from_sandbox
        row["scores"] = {}
        for model, means in entry.scores.items():
            row["scores"][model] = {name: mean for name, (mean, *_) in means.items()}
        rows.append(row)
    frame: pd.DataFrame = frame_class("HistoryTable")(
        pd.DataFrame(rows, columns=list(HISTORY_COLUMNS))
    )
    return frame


def open_report(id: str | None = None) -> EvaluationResult:  # noqa: A002
    """Return the report of an earlier evaluation; it shows, saves and exports what the fresh one
    did.

    Args:
        id: of `history()`, or its beginning; default the newest.

    Raises:
        InvalidArgumentError: there is no such evaluation, or its file is damaged.
    """
    return EvaluationResult(**archive.read_fields(archive.find_entry(id or _newest().id)))


def _newest() -> archive.Entry:
    for entry in archive.list_entries():
        if not entry.problem:
            return entry
    raise InvalidArgumentError(
        tr("no evaluation is in the history yet: qfnb.compare(...) or %qfeval makes one")
    )

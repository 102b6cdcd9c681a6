"""Which models can be asked: what is known, and what the platform says now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ... import connect
from ...errors import QianfanError
from ...transport import event_loop
from ...wire import catalog
from ...wire import inference as wire
from ...wire.base import EmptyBody

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("name", "kind", "v2", "v1", "tokens", "input_price", "output_price", "renamed", "source")


def known_model_names(kind: catalog.ModelKind = "chat") -> list[str]:
    """Return the names that are known without asking, for completion; old names last."""
    rows = [row for row in catalog.load_models() if row.kind == kind]
    return [row.name for row in sorted(rows, key=lambda row: bool(row.renamed))]


def models(*, refresh: bool = False) -> pd.DataFrame:
    """Return the models as a DataFrame: name, kind, ids, longest input in tokens, CNY per 1,000 tokens.

    Args:
        refresh: also ask the platform (`GET /v2/models`); its further models have source "platform".

    A name that is not here may be used all the same: the platform decides.
    """
    import pandas as pd  # noqa: PLC0415 - 0.3 s that only frames should pay

    rows = [{**vars(row), "source": "catalogue"} for row in catalog.load_models()]
    if refresh:
        known_ids = {row["v2"] for row in rows}
        rows += [
            {"name": name, "v2": name, "kind": "", "source": "platform"}
            for name in offered_model_ids()
            if name not in known_ids
        ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def offered_model_ids() -> list[str]:
    """Return the ids that the platform offers now.

    Raises:
        QianfanError: it cannot be asked, or does not say.
    """
    return event_loop.run(_fetch_model_ids())


def offered_model_ids_or_empty() -> list[str]:
    """Return the ids that the platform offers now, nothing when it cannot be asked."""
    try:
        return offered_model_ids()
    except QianfanError:
        return []


async def _fetch_model_ids() -> list[str]:
    client = await connect.aclient()
    response: Any = await client.send(wire.MODELS_V2, EmptyBody())
    return [row.id for row in response.data.data]

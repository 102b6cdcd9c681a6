"""Tables of the magics: an empty one says what there is none of, and what makes one."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def listing(frame: pd.DataFrame, when_empty: str) -> pd.DataFrame:
    """Return a table; one without rows shows a sentence instead.

    Args:
        frame: the table.
        when_empty: the sentence, in the user's language.
    """
    if len(frame):
        return frame
    empty: pd.DataFrame = _empty_class()(frame)
    setattr(empty, "sentence", when_empty)  # noqa: B010 - pandas knows no such attribute
    return empty


@cache
def _empty_class() -> Any:
    import pandas as pd  # noqa: PLC0415 - 0.3 s that only tables should pay

    class EmptyListing(pd.DataFrame):
        """A table without rows that shows a sentence."""

        sentence: str
        _metadata = ["sentence"]  # noqa: RUF012 - as pandas wants it

        def __repr__(self) -> str:
            return self.sentence

        def _repr_html_(self) -> None:
            return None

    return EmptyListing

"""What a table says of itself in print. Source: the official SDK's `show_*`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...base.language import trn
from ...base.text import is_missing
from ...dataset.row_formats import to_json
from .table import Table


class Summaries(Table):
    """A table that prints its rows, and figures on its columns."""

    def show_as_table(self, show_in_browser: bool = False) -> None:
        """Print the rows as a table."""
        import pandas as pd  # noqa: PLC0415 - slow to import

        print(pd.DataFrame(self.to_pydict()).to_string())  # noqa: T201 - printing is what it is for

    def show_overview_info(self) -> None:
        """Print the share of repeated and of empty cells of each column."""
        import pandas as pd  # noqa: PLC0415 - slow to import

        print(trn("{n} row", "{n} rows", len(self)))  # noqa: T201 - printing is what it is for
        columns = {name: _shares(values) for name, values in self.to_pydict().items()}
        print(pd.DataFrame(columns, index=["reputation_ratio", "null_ratio"]).to_string())  # noqa: T201 - printing is what it is for

    def show_processed_statistics(self, methods: Sequence[Any] = (), **options: Any) -> None:
        """Print mean, smallest, largest and the upper quantiles of the columns of numbers.

        Args:
            methods: objects with a `name` and `calculate(table, columns)`, instead of these
                figures.
            **options: passed on to them.
        """
        import pandas as pd  # noqa: PLC0415 - slow to import

        first = self.list(0)
        columns = [name for name, cell in first.items() if isinstance(cell, (int, float))]
        chosen = methods or (
            MeanMethod(),
            MinMethod(),
            MaxMethod(),
            QuantileMethod(q=0.8),
            QuantileMethod(q=0.9),
        )
        figures = {method.name: method.calculate(self, columns, **options) for method in chosen}
        print(pd.DataFrame.from_dict(figures, orient="index", columns=columns).to_string())  # noqa: T201 - printing is what it is for


def _shares(values: Sequence[Any]) -> list[float]:
    count = len(values) or 1
    present = [to_json(value) for value in values if not is_missing(value) and value != ""]
    return [1 - len(set(present)) / count, 1 - len(present) / count]


class SummarizationMethod(ABC):
    """A figure on each column of numbers."""

    name: str

    @abstractmethod
    def calculate(self, ds: Table, columns: Sequence[str], **options: Any) -> list[float]:
        """Return the figure of each column."""


@dataclass
class MeanMethod(SummarizationMethod):
    """The mean."""

    name: str = "mean"

    def calculate(self, ds: Table, columns: Sequence[str], **_: Any) -> list[float]:
        """Return the mean of each column."""
        return [ds.mean(column) for column in columns]


@dataclass
class MinMethod(SummarizationMethod):
    """The smallest number."""

    name: str = "min"

    def calculate(self, ds: Table, columns: Sequence[str], **_: Any) -> list[float]:
        """Return the smallest number of each column."""
        return [ds.min(column) for column in columns]


@dataclass
class MaxMethod(SummarizationMethod):
    """The largest number."""

    name: str = "max"

    def calculate(self, ds: Table, columns: Sequence[str], **_: Any) -> list[float]:
        """Return the largest number of each column."""
        return [ds.max(column) for column in columns]


@dataclass
class QuantileMethod(SummarizationMethod):
    """A quantile: `QuantileMethod(q=0.8)`."""

    q: float = 0.5
    name: str = ""

    def __post_init__(self) -> None:
        self.name = self.name or f"{self.q * 100}_quantile"

    def calculate(self, ds: Table, columns: Sequence[str], **_: Any) -> list[float]:
        """Return the quantile of each column."""
        return [ds.quantile(column, self.q)[0] for column in columns]

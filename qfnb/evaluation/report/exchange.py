"""Reports to and from the logs of other tools: inspect_ai and lm-evaluation-harness."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from .data import ReportData
from .inspect_logs import read_inspect, write_inspect
from .lm_eval_logs import read_lm_eval, write_lm_eval


class ExchangeableReport(ReportData):
    """A report that other tools read, and that is read from their logs."""

    def to_inspect(self, path: str | Path) -> list[Path]:
        """Write logs that inspect_ai and its viewer read, one for each model; return their paths.

        Recipes, coverage, origins and costs are in the metadata, below `qfnb`.

        Args:
            path: a folder, or of a report on one model a .json file.

        Raises:
            InvalidArgumentError: several models for one file, or it cannot be written.
        """
        return write_inspect(self, Path(path).expanduser())

    @classmethod
    def from_inspect(cls, path: str | Path | Sequence[str | Path]) -> Self:
        """Return the report on logs of inspect_ai: models with their samples, epochs as repeats,
        scores as metrics.

        Args:
            path: a .eval or .json file, a folder of them, or several; those of one task have the
                same questions.

        Raises:
            InvalidArgumentError: there is no log, one is broken or of another tool, or the .eval
                file needs pyarrow.
        """
        return cls(**read_inspect(path))

    def to_lm_eval(self, folder: str | Path) -> list[Path]:
        """Write results and samples as lm-evaluation-harness does, a folder for each model; return
        the results' paths.

        Args:
            folder: is made if need be.

        Raises:
            InvalidArgumentError: a file cannot be written.
        """
        return write_lm_eval(self, Path(folder).expanduser())

    @classmethod
    def from_lm_eval(cls, folder: str | Path, *, tasks: Sequence[str] | None = None) -> Self:
        """Return the report on runs of lm-evaluation-harness with `--log_samples`.

        Args:
            folder: its `--output_path`, or the folder of one model; of several runs on a task the
                last one counts.
            tasks: those that are read, default all.

        Raises:
            InvalidArgumentError: there are no results or no samples, or a file is broken or of
                another tool.
        """
        return cls(**read_lm_eval(folder, tasks))

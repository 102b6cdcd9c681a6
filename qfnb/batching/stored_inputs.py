"""The inputs of a journal's rows that are read from their files again, because a copy would be as
large as they are.
"""

import logging
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..base.language import tr
from ..errors import DatasetError
from .input_files import InputFiles, Mark, RowReader, item_to_json
from .journal_checksum import checksum


class StoredInputs:
    """The inputs of a journal's rows that are read from their files again.

    Args:
        path: the journal.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._has_warned = False
        self._reader: RowReader | None = None

    def load(self, database: sqlite3.Connection) -> None:
        """Read once which files they are."""
        if self._reader is None and (
            record := database.execute("select value from fact where name = 'files'").fetchone()
        ):
            marks = database.execute(
                "select number, file, position, line from mark order by number"
            ).fetchall()
            self._reader = RowReader(
                InputFiles.from_json(record[0]), [Mark(*mark) for mark in marks]
            )

    def read(self, facts: Sequence[Any], written: int) -> str:
        """Return a row as JSON.

        Args:
            facts: its number, key, whether it is asked, and what the journal holds of it.
            written: its checksum.

        Raises:
            DatasetError: its file cannot be read or has changed.
        """
        assert self._reader is not None, "loaded before"
        text = item_to_json(self._reader.read(facts[0]))
        if checksum((*facts[:3], text)) != written:
            raise DatasetError(
                tr("row {row} has changed since the batch began", row=facts[0]),
                path=self._reader.path,
            )
        return text

    def read_or_warn(self, facts: Sequence[Any], written: int) -> str:
        """Return a row as JSON, without cells where it cannot be read; a warning tells that
        once.
        """
        try:
            return self.read(facts, written)
        except DatasetError as error:
            if not self._has_warned:
                logging.getLogger("qfnb").warning(
                    tr(
                        "batch {name}: {error}; its answers are there, the columns of such rows "
                        "are not",
                        name=self._path.stem,
                        error=error,
                    )
                )
            self._has_warned = True
            return "{}"

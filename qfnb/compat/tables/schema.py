"""Schemas that `Dataset.load` and `Dataset.save` check rows by. Source: the official SDK's
dataset.schema.
"""

from __future__ import annotations

import copy
import logging
from typing import ClassVar

from ...base.language import tr
from ...errors import DatasetError
from .sources import parse_entries
from .table import Table

log = logging.getLogger("qfnb.dataset")


class QianfanSchema:
    """Accepts rows of some of the platform's kinds.

    Attributes:
        is_annotated: whether the rows that were checked last have answers.
    """

    kinds: ClassVar[frozenset[str]] = frozenset()
    """Names of the kinds; none for any."""

    def __init__(self) -> None:
        self.is_annotated = False

    def validate(self, table: Table) -> bool:
        """Return whether a table's rows are of the kind; the log says what is wrong."""
        try:
            rows, schema = parse_entries(copy.copy(table))
        except DatasetError as error:
            log.error(str(error))  # noqa: TRY400 - a refusal, no crash
            return False
        self.is_annotated = bool(schema.reference)
        is_valid = bool(rows) and (not self.kinds or schema.name in self.kinds)
        if not is_valid:
            log.error(
                tr(
                    "{kind} needs other rows than {rows}",
                    kind=type(self).__name__,
                    rows=schema.title,
                )
            )
        return is_valid


class QianfanNonSortedConversation(QianfanSchema):
    """Questions with one answer each, or without."""

    kinds = frozenset({"pairs", "conversation", "prompts"})


class QianfanSortedConversation(QianfanSchema):
    """Questions with answers from best to worst."""

    kinds = frozenset({"pairs", "conversation", "prompts", "sorted"})


class QianfanQuerySet(QianfanSchema):
    """Questions; columns besides them do not matter."""

    kinds = frozenset({"pairs", "conversation", "prompts", "sorted", "preference", "feedback"})


class QianfanPromptChosenRejected(QianfanSchema):
    """Questions with a chosen and a rejected answer."""

    kinds = frozenset({"preference", "feedback"})


class QianfanGenericText(QianfanSchema):
    """Texts, in the only column."""

    def validate(self, table: Table) -> bool:
        """Return whether a table has one column, without empty cells."""
        columns = table.to_pydict()
        return len(columns) == 1 and all(cells and None not in cells for cells in columns.values())


class QianfanText2Image(QianfanSchema):
    """Pictures; the platform checks them."""

    def validate(self, table: Table) -> bool:
        """Return True."""
        return True


class EvaluationSchema(QianfanSchema):
    """Questions with the answers of a model and the right ones."""

    def validate(self, table: Table) -> bool:
        """Return whether a table has the columns of answers, and one of the columns of
        questions.
        """
        names = set(table.col_names())
        return {"expected_output", "llm_output"} <= names and len(
            names & {"input_prompt", "input_chats"}
        ) == 1

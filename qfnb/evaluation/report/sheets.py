"""Tables as CSV and as an Excel workbook in which every text stays a text."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..._jsonl_csv_parquet import excel_cell, import_openpyxl
from ...base.text import is_missing
from .text import to_plain, to_sheet_text

if TYPE_CHECKING:
    import pandas as pd


def to_csv(frame: pd.DataFrame) -> bytes:
    """Return a table as CSV that Excel opens as text."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow([to_sheet_text(name) for name in frame.columns])
    writer.writerows(
        [_csv_cell(value) for value in row] for row in frame.itertuples(index=False, name=None)
    )
    return b"\xef\xbb\xbf" + buffer.getvalue().encode()


def _csv_cell(value: Any) -> Any:
    if is_missing(value):
        return ""
    if isinstance(value, (int, float)):
        return value
    return to_sheet_text(value)


def write_workbook(tables: Mapping[str, pd.DataFrame]) -> bytes:
    """Return an .xlsx file; a text that begins like a formula stays a text.

    Raises:
        InvalidArgumentError: openpyxl is not installed.
    """
    book = import_openpyxl().Workbook(write_only=True)
    for name, frame in tables.items():
        sheet = book.create_sheet(name)
        sheet.freeze_panes = "A2"
        sheet.append([_excel_cell(sheet, column) for column in frame.columns])
        for row in frame.itertuples(index=False, name=None):
            sheet.append([_excel_cell(sheet, value) for value in row])
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def _excel_cell(sheet: Any, value: Any) -> Any:
    if is_missing(value):
        return None
    if isinstance(value, (bool, int, float)):
        return value
    return excel_cell(sheet, to_plain(value))

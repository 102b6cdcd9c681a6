"""Prices of one's own, which win over the list prices: a CSV or JSON file, or JSON itself."""

import csv
import json
import math
import re
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..base.language import tr
from ..errors import InvalidArgumentError
from .base import JsonMapping
from .prices import ModelPrices, parse_steps

FIELDS = ("input", "output", "cached", "batch", "image")


def own_prices(path: str) -> Mapping[str, ModelPrices]:
    """Return the prices of the setting `prices` by model in lower case; a file is read again when
    it changed.

    Args:
        path: of a CSV file with the columns model, input, output, cached, batch, image (only model
            is needed), or of a JSON file `{"MODEL": {"input": 0.001, "output":
            "<=32k:0.004|<=128k:0.006"}}`, or that JSON itself. batch is a share, 0.4 for 40 %.

    Raises:
        InvalidArgumentError: names file, model and field, and what is allowed.
    """
    if path.lstrip().startswith("{"):
        return _parse_prices("QIANFAN_PRICES", path)
    file = Path(path).expanduser()
    try:
        return _read_file(file, file.stat().st_mtime_ns)
    except OSError as error:
        raise InvalidArgumentError(
            tr(
                "QIANFAN_PRICES={path}: the file cannot be read: {reason}",
                path=path,
                reason=error.strerror or error,
            )
        ) from None


@lru_cache(maxsize=4)
def _read_file(file: Path, changed_at: int) -> Mapping[str, ModelPrices]:
    name = tr("price file {file}", file=file.name)
    try:
        text = file.read_text(encoding="utf-8-sig")
    except ValueError as error:
        raise InvalidArgumentError(tr("{name}: {error}", name=name, error=error)) from None
    return _parse_prices(name, text)


@lru_cache(maxsize=4)
def _parse_prices(name: str, text: str) -> Mapping[str, ModelPrices]:
    try:
        if text.lstrip().startswith("{"):
            rows = _json_rows(text)
        else:
            rows = _csv_rows(text)
    except ValueError as error:
        raise InvalidArgumentError(tr("{name}: {error}", name=name, error=error)) from None
    return {
        model.strip().lower(): _parse_model_prices(
            tr("{name}, model {model!r}", name=name, model=model), row
        )
        for model, row in rows.items()
    }


def _json_rows(text: str) -> dict[str, JsonMapping]:
    rows = json.loads(text)
    if wrong := [
        tr("model {model!r} is {row!r}", model=model, row=row)
        for model, row in rows.items()
        if not isinstance(row, dict)
    ]:
        raise ValueError(
            tr(
                "{wrong}: must be an object with {fields}",
                wrong=wrong[0],
                fields=tr(", ").join(FIELDS),
            )
        )
    return dict(rows)


def _csv_rows(text: str) -> dict[str, JsonMapping]:
    reader = csv.DictReader(text.splitlines(), restkey="")
    if "model" not in (reader.fieldnames or ()):
        raise ValueError(
            tr(
                "the first line must name the columns: model, {fields}",
                fields=tr(", ").join(FIELDS),
            )
        )
    return {row.pop("model"): row for row in reader}


def _to_text(value: Any) -> str:
    """Return a cell as text; JSON's 1e-05 is 0.00001."""
    is_number = isinstance(value, float) and math.isfinite(value)
    if value is None:
        return ""
    if is_number:
        return f"{Decimal(str(value)):f}"
    return str(value).strip()


def _parse_model_prices(where: str, row: JsonMapping) -> ModelPrices:
    values = {key: _to_text(value) for key, value in row.items()}
    if unknown := [key for key in values if key not in FIELDS]:
        raise InvalidArgumentError(
            tr(
                "{where}: there is no field {name!r}; the fields are {fields}",
                where=where,
                name=unknown[0],
                fields=tr(", ").join(FIELDS),
            )
        )
    numbers: dict[str, float | None] = {}
    for key in ("batch", "image"):
        text = values.get(key, "")
        if text and not re.fullmatch(r"\d+(\.\d+)?", text):
            raise InvalidArgumentError(
                tr(
                    "{where}: {key}={text}: must be a number of 0 or more",
                    where=where,
                    key=key,
                    text=text,
                )
            )
        numbers[key] = float(text) if text else None
    try:
        steps = {key: parse_steps(values.get(key, "")) for key in ("input", "output", "cached")}
    except ValueError as error:
        raise InvalidArgumentError(f"{where}: {error}") from None
    return ModelPrices(**steps, batch_share=numbers["batch"], image=numbers["image"])

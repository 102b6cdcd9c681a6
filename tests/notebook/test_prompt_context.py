"""`--expand`: what `{{name}}` becomes, and what is said of a name that is not there."""

import sys

import numpy as np
import pandas as pd
import pytest

from qfnb import config, errors
from qfnb.notebook.prompt_context import (
    MAX_ERROR_CHARS,
    describe_value,
    error_text,
    expand_prompt,
    explain_prompt,
)

FRAME = pd.DataFrame(
    {
        "city": ["杭州", "北京|x", None, "杭州"],
        "price": [1.5, 2.0, 3.25, 4.0],
        "day": pd.date_range("2024-01-01", periods=4),
        "tags": [["a"]] * 4,
    }
)
CELLS = {"In": ["", "a = 1", "%%qfchat --expand"], "Out": {1: 42}}


def test_text_is_filled_in_once():
    variables = {"name": "{{other}}", "other": "x", "n": 3}
    assert (
        expand_prompt("{{name}} {{ n }} {n} {{n.real}}", variables) == "{{other}} 3 {n} {{n.real}}"
    )


def test_a_table_becomes_schema_statistics_and_rows():
    text = expand_prompt("{{df}}", {"df": FRAME})
    assert text.startswith("DataFrame df: 4 rows × 4 columns\n")
    assert "- price: float64, 0 missing, min 1.5, median 2.625, mean 2.6875, max 4\n" in text
    assert "1 missing, 2 unique: 杭州 (2), 北京|x (1)\n" in text
    assert text.splitlines()[-1].startswith("3")


def test_a_series_and_an_array_are_described():
    assert expand_prompt("{{s}}", {"s": FRAME.price}).startswith("Series s: 4 rows")
    text = expand_prompt("{{a}}", {"a": np.array([[1.0, np.nan], [3.0, 5.0]])})
    assert text.startswith("array a: shape (2, 2), dtype float64\nmin 1, mean 3, max 5, NaN 1\n")


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({f"column {n}": ["很长的文字 and words " * 50] * 30 for n in range(300)}),
        pd.DataFrame(np.zeros((3, 5000))),
    ],
)
def test_a_large_table_keeps_to_the_limit_and_says_what_is_missing(frame):
    text = describe_value("df", frame)
    assert len(text) <= 6000
    assert "more columns: " in text


@pytest.mark.parametrize(
    "frame", [pd.DataFrame(), pd.DataFrame({"a": []}), pd.DataFrame([[1, 2]], columns=["a", "a"])]
)
def test_odd_tables_are_described(frame):
    assert describe_value("df", frame).startswith(f"DataFrame df: {len(frame)} rows")


def test_cells_outputs_and_items_are_filled_in():
    assert (
        expand_prompt("{{In[1]}} {{Out[1]}} {{rows[-1]}}", CELLS | {"rows": [5, 6]}) == "a = 1 42 6"
    )


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("{{prise}}", r"no variable 'prise'; did you mean {{price}}\?"),
        ("{{Er}}", r"did you mean {{Err}}\?"),
        ("{{Out[7]}}", "Out is a dict and has no item 7"),
        ("{{price[0]}}", "price is a float and has no item 0"),
    ],
)
def test_a_wrong_name_is_said_with_what_is_there(prompt, message):
    with pytest.raises(errors.InvalidArgumentError, match=message):
        expand_prompt(prompt, CELLS | {"price": 1.5})


def test_secrets_in_use_are_removed():
    config.get_config().api_key = "bce-v3/ALTAK-abc/0123456789secret"
    assert "secret" not in expand_prompt("{{x}}", {"x": config.get_config().api_key})


def test_a_key_that_is_not_in_use_is_known_by_its_form():
    values = {
        "a": {"key": "bce-v3/ALTAK-zzzz/oTher9"},
        "b": f"sk-proj-{'x1' * 20}",
        "c": "sk-learning ak=5",
    }
    assert (
        expand_prompt("{{a}} {{b}} {{c}}", values)
        == "{'key': 'bce-v3/***'} sk-*** sk-learning ak=5"
    )


@pytest.fixture
def raised(monkeypatch):
    """Make an exception the last one of the notebook."""

    def raise_error(message):
        try:
            raise ValueError(message)
        except ValueError as error:
            monkeypatch.setattr(sys, "last_value", error, raising=False)

    return raise_error


def test_the_last_error_is_filled_in_cut_and_without_secrets(raised):
    raised("bad key sk-1234567890abcdef " + "x" * 9000 + " the end")
    text = expand_prompt("{{Err}}", {})
    assert text.rstrip().endswith("the end")
    assert len(text) <= MAX_ERROR_CHARS
    raised("bad key sk-1234567890abcdef")
    assert "ValueError: bad key sk-***" in error_text()


def test_without_an_error_that_is_said(monkeypatch):
    monkeypatch.delattr(sys, "last_value", raising=False)
    with pytest.raises(errors.InvalidArgumentError, match="no exception in this notebook"):
        expand_prompt("{{Err}}", {})


def test_an_explanation_shows_the_cell_before_this_one(raised):
    raised("no such column")
    prompt = explain_prompt(["", "df['x']", "%qfchat --explain"], "为什么？")
    assert prompt.startswith("为什么？\n\nThe latest cell:\ndf['x']\n\nThe exception:\nTraceback")

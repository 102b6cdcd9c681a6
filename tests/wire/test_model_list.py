"""The platform's list of models is read in every shape and laid over the catalogue."""

import pytest

from qfnb.wire import catalog
from qfnb.wire.catalog import AvailableModelList, merge_models, read_pricing
from qfnb.wire.prices import ModelPrices, PriceStep

FULL = {
    "id": "deepseek-v3.1-think-250821", "object": "model", "owned_by": "DeepSeek", "created": 1755759600, "type": "chat",
    "context_length": 163840, "max_completions_tokens": 65536, "max_tokens": 32768,
    "architecture": {"modality": "text->text", "input_modalities": ["text"], "output_modalities": ["text"]},
    "pricing": {"prompt": "0.004", "completion": "0.012"},
}  # fmt: skip
"""The only real example that was seen (platform-2026, section 1)."""


def merged(*rows):
    served = AvailableModelList.model_validate({"object": "list", "data": list(rows)}).data
    return {row.id: row for row in merge_models(catalog.built_in_models(), served, "server")}


def test_the_smaller_of_two_lengths_wins():
    row = merged(FULL)[FULL["id"]]
    assert (row.context, row.source_of("context")) == (147456, "retirement list, 2026-09-03")
    assert (row.max_output, row.source_of("max_output")) == (65536, "server")
    assert merged({"id": "ernie-5.1", "context_length": 64000})["ernie-5.1"].context == 64000


def test_what_the_server_lists_lives_and_what_it_does_not_list_stays():
    models = merged(FULL)
    assert (models[FULL["id"]].status, models[FULL["id"]].replacement) == ("active", "")
    assert models["ernie-5.1"] == catalog.find_model("chat", "ernie-5.1")
    assert models["glm-5"].status == "retired"


def test_a_model_that_only_the_server_has_is_added():
    row = merged(
        {**FULL, "id": "ernie-6", "max_completions_tokens": None, "max_completion_tokens": "8192"}
    )["ernie-6"]
    assert (row.kind, row.context, row.max_output, row.modality_in) == (
        "chat",
        163840,
        8192,
        ("text",),
    )
    assert row.prices == ModelPrices((PriceStep(0.004),), (PriceStep(0.012),))


@pytest.mark.parametrize(
    "row",
    [{"id": "ernie-5.1", "object": "model", "owned_by": "", "created": 0}, {"id": "ernie-5.1", "owned_by": None, "created": None, "type": None, "pricing": None, "architecture": None}, {"id": "ernie-5.1", "context_length": "long", "max_tokens": [], "created": "yesterday", "type": ["chat"]}, {"id": "ernie-5.1", "context_length": 0, "max_input_tokens": -1, "architecture": "text", "pricing": "free"}, {"id": None}],
)  # fmt: skip
def test_a_row_that_says_nothing_changes_nothing(row):
    assert merged(row)["ernie-5.1"] == catalog.find_model("chat", "ernie-5.1")


@pytest.mark.parametrize(("value", "steps"), [("0.004", [(0.004, None)]), (0.004, [(0.004, None)])])
def test_prices_are_read_as_numbers(value, steps):
    prices = read_pricing({"prompt": value, "completion": "1"})
    assert [(step.price, step.max_input) for step in prices.input] == steps


@pytest.mark.parametrize(
    "value", [None, "free", "0", -1, "4/M", [], [{"max": 32, "price": 1}]],
)  # fmt: skip
def test_a_price_in_doubt_is_unknown(value):
    assert read_pricing({"prompt": value, "completion": "1"}) is None

"""Prices against examples computed by hand from the price page of 2026-09-22."""

import pytest
from hypothesis import given, strategies as st

from qfnb.config import get_config
from qfnb.errors import InvalidArgumentError
from qfnb.wire import catalog
from qfnb.wire.prices import PriceRange, parse_steps

K = 1024


def cost(model, prompt, completion=0, **options):
    return catalog.reply_cost(model, prompt, completion, **options)


@pytest.mark.parametrize(
    ("model", "prompt", "completion", "options", "low", "high"),
    [
        ("ernie-4.5-turbo-128k", 1000, 500, {}, 0.0008 + 0.0016, None),
        (
            "ernie-4.5-turbo-128k",
            1000,
            500,
            {"cached_tokens": 600},
            0.00032 + 0.00012 + 0.0016,
            None,
        ),
        ("ernie-4.5-turbo-128k", 1000, 500, {"is_batch": True}, 0.00032 + 0.00064, None),
        ("ernie-5.1", 32 * K, 1000, {}, 32.768 * 0.004 + 0.018, None),
        ("ernie-5.1", 32 * K + 1, 1000, {}, 32.769 * 0.006 + 0.022, None),
        ("glm-5.1", 32 * K, 1000, {}, 32.768 * 0.008 + 0.028, None),
        ("qwen3.5-27b", 300 * K, 1000, {}, 307.2 * 0.0018 + 0.0144, None),
        ("deepseek-v4-pro-0813", 1000, 1000, {"hour": 8}, 0.009 + 0.027, None),
        ("deepseek-v4-pro-0813", 1000, 1000, {"hour": 22}, 0.0045 + 0.0135, 0.009 + 0.0135),
        ("deepseek-v4-pro-0813", 1000, 1000, {}, 0.0045 + 0.0135, 0.009 + 0.027),
        ("deepseek-v4-pro-0813", 1000, 0, {"hour": 23, "cached_tokens": 1000}, 0.00015, None),
        ("glm-5.2", 1000, 1000, {"is_batch": True}, 0.4 * 0.036, 0.036),
    ],
)
def test_a_reply_costs_what_the_price_page_says(model, prompt, completion, options, low, high):
    price = cost(model, prompt, completion, **options)
    assert (price.low, price.high) == (
        pytest.approx(low),
        pytest.approx(low if high is None else high),
    )


@pytest.mark.parametrize(
    "model", ["deepseek-flash", "ernie-5.5-flash-preview", "ERNIE-Bot-turbo", "nobody-knows-it"]
)
def test_an_unknown_price_is_unknown_and_never_zero(model):
    assert cost(model, 1000, 1000) is None
    assert cost("ernie-5.1", None, 1000) is None


def test_pictures_and_embeddings_have_prices_of_their_own():
    assert catalog.find_prices("text2image", "qwen-image").image == 0.25
    assert catalog.reply_cost("qwen-image-edit", None, None, images=2) == PriceRange(0.6, 0.6)
    assert catalog.reply_cost("embedding-v1", 2000, 0) == PriceRange(0.001, 0.001)
    assert catalog.reply_cost("qwen3-embedding-4b", 2000, 0) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [({"hour": 24}, "hour=24"), ({"hour": -1}, "hour=-1"), ({"cached_tokens": -1}, "-1")],
)
def test_a_number_out_of_its_range_is_refused(options, message):
    with pytest.raises(InvalidArgumentError, match=message):
        cost("ernie-5.1", 10, 10, **options)


def test_own_prices_win_over_the_list(tmp_path):
    text = "model,input,output,batch\nERNIE-5.1,<=1k:1|<=8k:2,3,0.5\n"
    (tmp_path / "own.csv").write_text(text, encoding="utf-8")
    get_config().prices = str(tmp_path / "own.csv")
    assert cost("ernie-5.1", 2000, 1000, is_batch=True) == PriceRange(3.5, 3.5)
    assert cost("ernie-4.5-turbo-128k", 1000) == PriceRange(0.0008, 0.0008)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,input\nx,1\n", "first line must name the columns: model"),
        ("model,input\nx,cheap\n", "model 'x': 'cheap' is not a number"),
        ("model,prompt\nx,1\n", "no field 'prompt'"),
        ("model,input,batch\nx,1,40%\n", "batch=40%"),
        ("model,input\nx,08-08h:1\n", "hours are 00 to 24 and differ"),
    ],
)
def test_a_broken_price_file_says_what_is_wrong_in_it(tmp_path, text, message):
    (tmp_path / "own").write_text(text)
    get_config().prices = str(tmp_path / "own")
    with pytest.raises(InvalidArgumentError, match=message):
        cost("x", 1)


def test_a_price_file_that_is_not_there_is_named():
    get_config().prices = "/no/such.csv"
    with pytest.raises(InvalidArgumentError, match="QIANFAN_PRICES=/no/such"):
        cost("ernie-5.1", 1)


def test_what_is_written_in_files_is_read_as_tiers_and_hours():
    assert [step.max_input for step in parse_steps("<32k:1|<=200k:2")] == [32 * K - 1, 200 * K]
    day, night = parse_steps("08-22h:2|22-08h:1")
    assert [(day.covers(hour), night.covers(hour)) for hour in (7, 8, 21, 22)] == [
        (False, True), (True, False), (True, False), (False, True),
    ]  # fmt: skip


PRICED = [row.id for row in catalog.load_models() if row.prices and row.prices.output]


@given(
    st.sampled_from(PRICED),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.booleans(),
)
def test_the_range_of_an_open_hour_holds_that_of_every_hour(
    model, prompt, completion, cached, is_batch
):
    options = {"cached_tokens": cached, "is_batch": is_batch}
    whole = cost(model, prompt, completion, **options)
    hours = [cost(model, prompt, completion, hour=hour, **options) for hour in range(24)]
    assert 0 <= whole.low <= whole.high
    assert whole.low == pytest.approx(min(hour.low for hour in hours))
    assert whole.high == pytest.approx(max(hour.high for hour in hours))
    assert cost(model, prompt, completion + 1, **options).high >= whole.high

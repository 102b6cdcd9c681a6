"""The catalogue: every name leads to a model, and a retired one to one that lives."""

import pytest

from qfnb.wire import catalog

RETIRED = [
    row
    for row in catalog.load_models()
    if row.status == "retired" and catalog.default_model(row.kind)
]


@pytest.mark.parametrize(
    ("name", "segment", "model_id"),
    [
        ("ERNIE-Bot-turbo", "eb-instant", "ernie-bot-turbo"),
        ("ERNIE-Bot", "completions", "ernie-3.5-8k"),
        ("ERNIE-Function-8K", "ernie-func-8k", "ernie-functions-8k"),
        ("Yi-34B-Chat", "yi_34b_chat", "yi-34b-chat"),
        ("ernie-9.9-future", "ernie-9.9-future", "ernie-9.9-future"),
    ],
)
def test_a_name_has_a_path_on_v1_and_an_id_on_v2_and_an_unknown_one_is_passed_through(
    name, segment, model_id
):
    assert catalog.path_segment("chat", name) == segment
    row = catalog.find_model("chat", name)
    assert (row.id if row else name) == model_id


def test_a_retired_model_leads_to_a_living_one():
    for row in RETIRED:
        heir = catalog.living_replacement(row.kind, row.name)
        assert heir is not None, row
        assert heir.is_living, row
        assert heir.kind == ("chat" if row.kind in {"completion", "image2text"} else row.kind), row
        assert row.ended <= "2026-09-29", row


def test_a_chain_of_replacements_is_followed_to_its_end():
    assert catalog.find_model("chat", "minimax-m2.1").replacement == "minimax-m2.5"
    assert catalog.living_replacement("chat", "minimax-m2.1").id == "deepseek-v4-flash-0731"


@pytest.mark.parametrize(
    "kind", ["chat", "embedding", "reranker", "text2image", "image2image", "ocr"]
)
def test_the_default_of_a_kind_lives_and_comes_with_the_names_offered(kind):
    default = catalog.default_model(kind)
    assert catalog.find_model(kind, default).is_living
    assert default in catalog.model_names(kind)


def test_a_wrong_name_is_told_from_its_nearest():
    assert catalog.nearest_models("chat", "ernie-5-1")[0] == "ernie-5.1"
    assert catalog.nearest_models("chat", "ERNIE-Bot-turbo")[0] == "ernie-4.5-turbo-128k"
    assert catalog.nearest_models("chat", "?")[-1] == "ernie-4.5-turbo-128k"


def test_every_guess_names_a_field_and_says_that_it_is_one():
    row = catalog.find_model("chat", "glm-5.3")
    assert row.source_of("thinking_field").startswith("guess")
    assert row.source_of("prices") == "price page, 2026-09-22"
    assert row.source_of("context") == "model list, 2026-09-16"

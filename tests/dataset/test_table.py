"""Operations on rows."""

import pytest
from hypothesis import given, strategies as st

from qfnb import Dataset, errors

PAIR = {"prompt": "几点开门", "response": "九点"}
FOUR = [{"prompt": str(n), "response": f"r{n}", "topic": "ab"[n % 2]} for n in range(4)]


def test_every_operation_gives_a_new_dataset():
    dataset = Dataset(FOUR, name="four")
    longer = dataset.append(PAIR).append([PAIR, PAIR])
    assert (len(dataset), len(longer), longer.name) == (4, 7, "four")
    assert (dataset + Dataset([PAIR]) + dataset)["prompt"][3:6] == ["3", "几点开门", "0"]


def test_what_is_handed_out_is_a_copy():
    dataset = Dataset([{"prompt": "p", "responses": ["a", "b"]}])
    dataset[0]["responses"].append("c")
    next(iter(dataset))["prompt"] = "q"
    dataset.map(lambda row: row.update(prompt="z") or row)
    assert dataset.list() == [{"prompt": "p", "responses": ["a", "b"]}]


def test_rows_columns_and_slices_are_looked_up():
    dataset = Dataset(FOUR)
    assert (dataset[1]["prompt"], dataset["topic"]) == ("1", ["a", "b", "a", "b"])
    assert dataset[1:3].list() == FOUR[1:3]
    with pytest.raises(errors.InvalidArgumentError, match="no column 'nope'; there are prompt"):
        dataset["nope"]


def test_map_and_filter_take_functions_of_a_row():
    dataset = Dataset(FOUR).filter(lambda row: row["topic"] == "a")
    assert dataset.map(lambda row: {"text": row["prompt"] + row["response"]})["text"] == [
        "0r0",
        "2r2",
    ]
    with pytest.raises(errors.DatasetError, match="row 2: expected"):
        dataset.map(lambda row: row if row["prompt"] == "0" else None)


def test_single_questions_and_conversations_go_together_and_other_kinds_do_not():
    turns = [{"prompt": "1", "response": [["一"]]}, {"prompt": "2", "response": [["二"]]}]
    both = Dataset([PAIR]).append(
        [{"prompt": "2", "response": "二", "history": turns[:0]}]
    ) + Dataset([turns])
    assert (both.schema.name, len(both)) == ("conversation", 3)
    with pytest.raises(errors.InvalidArgumentError, match="do not go together"):
        both + Dataset(["a text"])


@given(
    prompts=st.lists(st.sampled_from("abcdefgh"), min_size=2, max_size=40),
    part=st.one_of(st.floats(0.05, 0.95), st.integers(1, 39)),
    seed=st.integers(0, 3),
)
def test_the_same_prompt_never_stands_on_both_sides(prompts, part, seed):
    dataset = Dataset([{"prompt": p, "response": str(n)} for n, p in enumerate(prompts)])
    try:
        first_part, second_part = dataset.split(part, seed=seed)
    except errors.InvalidArgumentError:
        return
    assert not {*first_part["prompt"]} & {*second_part["prompt"]}
    assert sorted(first_part["response"] + second_part["response"]) == sorted(dataset["response"])
    assert first_part["response"] == sorted(first_part["response"], key=int)


def test_a_split_has_the_asked_size():
    dataset = Dataset([{"prompt": str(n), "response": "r"} for n in range(100)])
    assert len(dataset.split(7)[1]) == 7
    assert (
        dataset.split(0.2)[1].list()
        == dataset.split(0.2)[1].list()
        != dataset.split(0.2, seed=1)[1].list()
    )


@pytest.mark.parametrize("part", [0, 0.0, 1.0, 4, -1, True, "x"])
def test_a_part_that_is_none_is_refused(part):
    with pytest.raises(errors.InvalidArgumentError, match="part="):
        Dataset(FOUR).split(part)


def test_duplicates_are_told_and_taken_out():
    dataset = Dataset([PAIR, FOUR[0], PAIR, {**PAIR, "response": "十点"}])
    findings = dataset.check()
    assert (findings.duplicates, findings.conflicts, bool(findings)) == (1, 1, True)
    assert len(dataset.deduplicate()) == 3
    assert len(dataset.deduplicate(["prompt"])) == 2
    assert not Dataset(FOUR).check()


def test_rows_that_are_too_long_for_a_model_are_told():
    dataset = Dataset([PAIR, {"prompt": "长" * 20_000, "response": "r"}])
    findings = dataset.check("ERNIE-4.0-8K")
    assert (findings.too_long, findings.limit) == ((2,), 5120)
    assert (
        "1 row has more than 5,120 tokens, by estimate. Shorten or drop them (numbers from 1): 2"
        in str(findings)
    )
    assert dataset.check(max_tokens=1).too_long_count == 2
    assert not dataset.check("ernie-4.5-turbo-128k")
    assert dataset.check("qwen3-8b").limit == 32_768


def test_lengths_are_told_by_column():
    table = Dataset([{"prompt": "a b", "response": "one two three"}] * 3).describe()
    assert table.loc["prompt"].to_dict() == dict(n=3, min=2, median=2, p95=2, max=2, total=6)
    assert table.loc["row", "total"] == 15

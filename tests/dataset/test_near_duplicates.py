import pytest

from qfnb import Dataset
from qfnb.dataset.quality import find_near_duplicates, input_texts


@pytest.mark.parametrize(
    ("one", "two", "count"),
    [
        ("几点开门", "请问几点开门？", 1),
        ("When do you open?", "when do you open, please", 1),
        ("几点开门", "几点开门呢", 1),
        ("几点开门呢", "几点开门", 1),
        ("几点开门", "几点开门", 1),
        ("几点开门", "几点关门", 0),  # a word that differs makes another question
        ("room 1", "room 2", 0),
        ("room", "room 2", 0),
        ("!!!", "???", 0),
    ],
)
def test_two_questions_are_nearly_the_same_if_at_most_one_word_is_missing(one, two, count):
    assert find_near_duplicates([one, two]).count == count
    assert find_near_duplicates([two], [one]).count == count


def test_they_are_counted_once_and_one_pair_is_named_that_is_not_equal():
    near = find_near_duplicates(["a b c", "a b c", "A, b c d!", "x y z"])
    assert (near.count, near.compared, near.pair) == (2, 4, ("A, b c d!", "a b c"))


def test_earlier_turns_are_part_of_a_question():
    row = {
        "history": [{"prompt": "几点开门", "response": "九点"}],
        "prompt": "周日呢",
        "response": "十点",
    }
    dataset = Dataset([row, {**row, "history": [{"prompt": "在哪里", "response": "河边"}]}])
    assert find_near_duplicates(input_texts(dataset.rows, dataset.schema)).count == 0


def test_a_report_on_quality_says_what_to_do():
    pairs = Dataset(
        [{"prompt": text, "response": "答"} for text in ("几点开门", "请问几点开门", "在哪里")]
    )
    assert "“请问几点开门” and “几点开门”, for example." in str(pairs.check())
    assert str(pairs.head(1).check()) == "1 row, nothing noticeable"

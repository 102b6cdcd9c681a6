import json
from pathlib import Path

import pytest

DATA = Path(__file__).parents[1] / "notebooks" / "data"


def rows(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(params=sorted(DATA.glob("*_train.jsonl")), ids=lambda path: path.stem)
def files(request):
    return rows(request.param), rows(
        request.param.with_name(request.param.name.replace("train", "heldout"))
    )


def test_each_line_is_a_prompt_and_a_response(files):
    for part in files:
        assert all(set(row) == {"prompt", "response"} and all(row.values()) for row in part)


def test_no_prompt_is_in_the_data_twice(files):
    prompts = [row["prompt"] for part in files for row in part]
    assert len(set(prompts)) == len(prompts)


def test_no_held_out_prompt_is_a_trained_one_with_words_around(files):
    trained = {row["prompt"] for row in files[0]}
    assert not [
        row["prompt"]
        for row in files[1]
        if any(training_prompts in row["prompt"] for training_prompts in trained)
    ]

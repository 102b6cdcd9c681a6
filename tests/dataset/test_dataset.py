"""Datasets: what they are loaded from, and which line is wrong."""

import json

import pandas as pd
import pytest

from qfnb import Dataset, errors

PAIR = {"prompt": "几点开门", "response": "九点"}


@pytest.fixture
def jsonl(tmp_path):
    def write(content):
        path = tmp_path / "pairs.jsonl"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.mark.parametrize(
    "line",
    [
        json.dumps(PAIR),
        json.dumps(PAIR, ensure_ascii=False),
        json.dumps([{"prompt": "几点开门", "response": [["九点"]]}]),
        json.dumps({"prompt": "几点开门", "response": ["九点", "十点"]}),
        "\ufeff" + json.dumps(PAIR) + "\r\n\r\n",
    ],
)
def test_both_line_formats_are_understood(jsonl, line):
    dataset = Dataset.load(jsonl(line))
    assert dataset.list() == [PAIR]
    assert dataset.name == "pairs"


GOOD = json.dumps(PAIR, ensure_ascii=False)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (f"{GOOD}\n\n{{}}\n", "pairs.jsonl:3: field 'prompt' is missing"),
        (
            f'{GOOD}\n{{"prompt": "x"}}\n',
            "pairs.jsonl:2: field 'response' is missing (there are prompt)",
        ),
        (f'{GOOD}\n{{"prompt": "x", "response": ""}}\n', "response is empty"),
        (f"{GOOD}\n[]\n", "pairs.jsonl:2: expected"),
        ("", "the file is empty"),
        ("[" * 5000, "pairs.jsonl:1: not JSON"),
        (f"{GOOD}\n".encode() + "你好".encode("gbk"), "pairs.jsonl:2: not UTF-8"),
    ],
)
def test_a_bad_line_is_named(jsonl, content, message):
    with pytest.raises(errors.DatasetError) as caught:
        Dataset.load(jsonl(content))
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 3


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(errors.DatasetError, match="no such file"):
        Dataset.load(tmp_path / "nowhere.jsonl")
    with pytest.raises(errors.DatasetError, match="folder"):
        Dataset.load(tmp_path)


@pytest.mark.parametrize("arguments", [{}, {"data_file": "x", "qianfan_dataset_id": "ds-1"}])
def test_exactly_one_source(arguments):
    with pytest.raises(errors.InvalidArgumentError, match="Name one source"):
        Dataset.load(**arguments)


def test_an_empty_dataset_is_not_sent(sandbox):
    with pytest.raises(errors.InvalidArgumentError, match="has no rows"):
        Dataset(name="empty").release()


def test_on_the_cloud_a_bucket_is_asked_for(scripted):
    scripted([b""])
    with pytest.raises(errors.InvalidArgumentError, match="QIANFAN_BOS_BUCKET"):
        Dataset([PAIR]).release()


def test_rows_that_all_lack_a_column_are_named_once_with_what_renames_it(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("topic,reply\n" + "q,a\n" * 30)
    with pytest.raises(errors.DatasetError) as caught:
        Dataset.load(path)
    assert "and 29 rows more like it" in str(caught.value)
    assert "columns={'question': 'prompt'" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize(
    ("head", "row"), [("question,answer", "几点开门？,九点"), ("问题,答案", "几点开门？,九点")]
)
def test_columns_that_say_question_and_answer_are_read_as_these(tmp_path, caplog, head, row):
    path = tmp_path / "a.csv"
    path.write_text(f"{head}\n{row}\n", encoding="utf-8")
    dataset = Dataset.load(path)
    assert dataset.rows[0] == {"prompt": "几点开门？", "response": "九点"}
    assert f"columns {head.replace(',', ' and ')} are read as prompt and response" in caplog.text


def test_an_empty_field_of_a_renamed_column_is_named_as_in_the_file(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("问题,答案\n几点开门？,九点\n几点关门？,\n几楼？,\n", encoding="utf-8")
    with pytest.raises(errors.DatasetError) as caught:
        Dataset.load(path)
    assert "答案 is empty: fill it in, or delete the row" in str(caught.value)
    assert "columns=" not in str(caught.value)


def test_instructions_with_an_input_of_their_own_are_not_read_as_questions(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("instruction,input,output\ntranslate,谢谢,thanks\n", encoding="utf-8")
    with pytest.raises(errors.DatasetError, match="'prompt' is missing"):
        Dataset.load(path)


def test_a_file_that_is_not_there_names_the_one_whose_name_is_like_it(tmp_path):
    (tmp_path / "bikes.csv").write_text("prompt,response\nq,a\n")
    with pytest.raises(
        errors.DatasetError, match=r"no such file .*did you mean bikes\.csv\?"
    ) as caught:
        Dataset.load(tmp_path / "bike.cvs")
    assert caught.value.correction == (str(tmp_path / "bike.cvs"), str(tmp_path / "bikes.csv"))


@pytest.mark.parametrize(
    ("columns", "match"),
    [({"questoin": "prompt"}, "question"), ({"answer": "reponse"}, "response")],
)
def test_a_typing_error_in_a_name_of_a_column_is_refused(columns, match):
    frame = pd.DataFrame({"question": ["q"], "answer": ["a"]})
    with pytest.raises(errors.InvalidArgumentError, match=rf"did you mean {match}\?"):
        Dataset.load(frame, columns=columns)

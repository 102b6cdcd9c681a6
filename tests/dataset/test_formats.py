"""Files: rows are read as they were written; errors name file, line and reason."""

import contextlib
import io
import json
import string
import zipfile

import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings, strategies as st

from qfnb import Dataset, errors
from qfnb.dataset.row_formats import to_platform_line

EASY = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30).filter(
    lambda text: not text.isspace()
)
TURN = st.fixed_dictionaries({"prompt": TEXT, "response": TEXT})
ROWS = {
    "pairs": TURN,
    "conversation": st.fixed_dictionaries(
        {"history": st.lists(TURN, min_size=1, max_size=2), "prompt": TEXT, "response": TEXT}
    ),
    "sorted": st.fixed_dictionaries(
        {"prompt": TEXT, "responses": st.lists(TEXT, min_size=2, max_size=3)}
    ),
    "preference": st.fixed_dictionaries({"prompt": TEXT, "chosen": TEXT, "rejected": TEXT}),
    "text": st.fixed_dictionaries({"text": TEXT}),
    "prompts": st.fixed_dictionaries({"prompt": TEXT}),
}
KINDS = st.sampled_from(sorted(ROWS)).flatmap(
    lambda name: st.tuples(st.just(name), st.lists(ROWS[name], min_size=1, max_size=4))
)


@pytest.mark.parametrize("suffix", ["jsonl", "json", "csv", "tsv", "parquet"])
@EASY
@example(kind=("pairs", [{"prompt": "a\r\nb\rc\n", "response": ' "q",\t\ufeff'}]))
@given(kind=KINDS)
def test_rows_come_back_from_a_file_as_they_went(tmp_path, suffix, kind):
    name, rows = kind
    path = tmp_path / f"rows.{suffix}"
    Dataset(rows, schema=name).save(path)
    again = Dataset.load(path)
    assert (again.list(), again.schema.name) == (rows, name)


@EASY
@given(kind=KINDS.filter(lambda kind: kind[0] != "text"))
def test_the_platforms_lines_are_understood(tmp_path, kind):
    name, rows = kind
    for path, format_ in ((tmp_path / "rows.jsonl", "qianfan"), (tmp_path / "rows.zip", None)):
        Dataset(rows, schema=name).save(path, format=format_)
        assert Dataset.load(path).list() == rows


@EASY
@given(
    texts=st.lists(TEXT.filter(lambda text: "\r" not in text and "\ufeff" not in text), min_size=1)
)
def test_texts_come_back_from_a_zip_with_a_file_for_each(tmp_path, texts):
    Dataset(texts).save(tmp_path / "texts.zip")
    assert Dataset.load(tmp_path / "texts.zip")["text"] == texts


def test_a_text_file_has_one_text_per_line(tmp_path):
    path = tmp_path / "问题.txt"
    path.write_bytes("\ufeff几点开门\r\n\r\n 在哪里 \n".encode())
    assert Dataset.load(path, schema="prompts")["prompt"] == ["几点开门", " 在哪里 "]
    with pytest.raises(errors.DatasetError, match="several lines"):
        Dataset(["a\nb"]).save(path)
    assert Dataset.load(path)["text"] == ["几点开门", " 在哪里 "]


def test_a_folder_is_read_file_by_file(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "2.csv").write_text("prompt,response\n2,二\n")
    (tmp_path / "1.jsonl").write_text('{"prompt": "1", "response": "一"}\n')
    (tmp_path / ".hidden.jsonl").write_text("oops")
    (tmp_path / "readme.md").write_text("oops")
    (tmp_path / "link.jsonl").symlink_to(tmp_path / ".hidden.jsonl")
    assert Dataset.load(tmp_path)["response"] == ["一", "二"]


def openai_row(**answer):
    return {
        "messages": [
            {"role": "user", "content": "1 + 1?"},
            {"role": "assistant", "content": "2", **answer},
        ]
    }


@pytest.mark.parametrize(
    "messages",
    [
        openai_row(content=None, tool_calls=[{"id": "call-1", "type": "function"}])["messages"],
        [*openai_row()["messages"], {"role": "tool", "content": "4"}],
    ],
)
def test_rows_that_call_tools_are_refused_with_the_reason_and_counted(messages):
    reason = r"(?s)it calls tools \(tool_calls\).*and 1 row more like it"
    with pytest.raises(errors.DatasetError, match=reason):
        Dataset([openai_row(), {"messages": messages}, {"messages": messages}])


def test_messages_with_roles_are_a_conversation():
    turns = [
        ("system", "s"),
        ("user", "1"),
        ("assistant", "一"),
        ("user", "2"),
        ("assistant", "二"),
    ]
    row = Dataset([{"messages": [{"role": r, "content": c} for r, c in turns], "id": 7}])[0]
    assert row == {
        "system": "s",
        "history": [{"prompt": "1", "response": "一"}],
        "prompt": "2",
        "response": "二",
        "id": 7,
    }


def test_a_frame_is_loaded_and_its_gaps_are_told():
    frame = pd.DataFrame(
        {"prompt": ["1", None, "3"], "response": ["一", "二", float("nan")], "n": [1, 2, 3]}
    )
    with pytest.raises(errors.DatasetError, match="row 2: prompt must be a text") as caught:
        Dataset.load(frame)
    assert [(p.location.row, p.column) for p in caught.value.problems] == [
        (2, "prompt"),
        (3, "response"),
    ]
    assert Dataset.load(frame[:1]).list() == Dataset(frame[:1]).list()
    assert Dataset.load(frame[:1])[0] == {"prompt": "1", "response": "一", "n": 1}


def test_all_problems_are_counted_and_ten_are_told(tmp_path):
    path = tmp_path / "bad.jsonl"
    good = json.dumps({"prompt": "p", "response": "r"})
    path.write_text("\n".join([good] * 30 + ['{"prompt": 1, "response": "x"}', "{oops"] * 10))
    with pytest.raises(errors.DatasetError) as caught:
        Dataset.load(path)
    error = caught.value
    assert (error.line, error.count, len(error.problems)) == (31, 20, 10)
    assert "bad.jsonl:31: prompt must be a text" in str(error)
    assert "32: not JSON" in str(error)
    assert "20 problems" in str(error)
    assert len(str(error).splitlines()) == 3


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.csv", b"prompt,response\n", "x.csv: there are no rows below the header"),
        ("x.tsv", b"", "x.tsv: the file is empty: it has no header either"),
        ("x.csv", b"prompt,prompt\n1,2\n", "x.csv:1: two columns are called 'prompt'"),
        ("x.csv", b'prompt,response\n"a\nb",c\nd\n', "x.csv:4: 1 cell where the heading has 2"),
        ("x.csv", b"prompt,history,response\n1,[oops,2\n", "x.csv:2: history must be JSON"),
        ("x.csv", "prompt\n\n你".encode()[:-1], "x.csv:3: not UTF-8"),
        ("x.json", b'[{"prompt": "1", "response": "2"}, 3]', "x.json:row 2: expected"),
        ("x.jsonl", "你".encode("utf-16"), "x.jsonl:1: the file is UTF-16"),
        (
            "x.jsonl",
            b'{"prompt": "\\ud800", "response": "x"}',
            "half a character (U+D800) at position 1",
        ),
        ("x.jsonl", b'{"prompt": NaN, "response": "x"}', "and is NaN"),
        ("x.parquet", b"PAR1", "x.parquet: not Parquet"),
        ("x.doc", b"x", "ends in none of .jsonl"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(errors.DatasetError) as caught:
        Dataset.load(tmp_path / name)
    assert message in str(caught.value)


NOISE = st.one_of(
    st.binary(max_size=60),
    st.text(string.printable, max_size=60).map(str.encode),
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.floats(), st.integers(), st.text(max_size=5)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(
                st.sampled_from(
                    ["prompt", "response", "history", "messages", "role", "image", "text"]
                ),
                inner,
                max_size=4,
            ),
        ),
        max_leaves=12,
    ).map(lambda value: json.dumps(value).encode()),
)


@pytest.mark.parametrize("suffix", ["jsonl", "json", "csv", "tsv", "parquet", "txt", "zip"])
@EASY
@example(parts=[b"[" * 100_000])
@example(parts=[b"1" * 5000])
@given(parts=st.lists(NOISE, max_size=4))
def test_noise_is_loaded_or_refused_as_a_dataset_error(tmp_path, suffix, parts):
    path = tmp_path / f"noise.{suffix}"
    path.write_bytes(b"\n".join(parts))
    with contextlib.suppress(errors.DatasetError):
        Dataset.load(path)


@EASY
@example(cut=0, flips=[(186, 128)])
@given(
    cut=st.integers(0, 300),
    flips=st.lists(st.tuples(st.integers(0, 299), st.integers(1, 255)), max_size=4),
)
def test_a_damaged_zip_or_parquet_file_is_a_dataset_error(tmp_path, cut, flips):
    for suffix in ("zip", "parquet"):
        path = tmp_path / f"x.{suffix}"
        Dataset([{"prompt": "p" * 50, "response": "r" * 50}]).save(path)
        content = bytearray(path.read_bytes()[: cut or None])
        for place, change in flips:
            if place < len(content):
                content[place] ^= change
        path.write_bytes(content)
        with contextlib.suppress(errors.DatasetError):
            Dataset.load(path)


def test_a_save_that_fails_leaves_the_old_file_alone(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("old\n")
    with pytest.raises(errors.DatasetError, match="one text per line"):
        Dataset([{"prompt": "p", "response": "r"}]).save(path)
    assert [file.name for file in tmp_path.iterdir()] == ["x.txt"]
    assert path.read_text() == "old\n"


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "问", "response": "答", "desirable": True},
        {"prompt": "问", "response": [["答"]], "desirable": "true"},
        {"prompt": "问", "chosen": "答"},
        [{"prompt": "问", "chosen": "答", "rejected": ""}],
    ],
)
def test_an_answer_that_was_judged_alone_is_feedback(row):
    dataset = Dataset(
        [
            row,
            {"prompt": "问", "rejected": "坏"},
            {"prompt": "问", "chosen": "好", "rejected": "坏"},
        ]
    )
    assert dataset.schema.name == "feedback"
    assert to_platform_line(dataset.rows[0], dataset.schema) == [{"prompt": "问", "chosen": "答"}]


def test_feedback_without_an_answer_is_refused():
    with pytest.raises(errors.DatasetError, match="neither chosen nor rejected has a text"):
        Dataset([{"prompt": "问", "chosen": "", "rejected": ""}], schema="feedback")


def zip_bytes(*entries, method=zipfile.ZIP_DEFLATED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        for name, content, mode in entries:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            entry.compress_type = method
            file.writestr(entry, content)
    return buffer.getvalue()


LINE = b'{"prompt": "p", "response": "r"}\n'


@pytest.mark.fault("F82")
@pytest.mark.parametrize(
    ("make_zip", "message"),
    [
        (lambda: zip_bytes(("../x.jsonl", LINE, 0o600)), "leads out of it"),
        (lambda: zip_bytes(("/etc/x.jsonl", LINE, 0o600)), "leads out of it"),
        (lambda: zip_bytes(("a\\..\\x.jsonl", LINE, 0o600)), "leads out of it"),
        (lambda: zip_bytes(("C:x.jsonl", LINE, 0o600)), "leads out of it"),
        (lambda: zip_bytes(("x.jsonl", b"/etc/passwd", 0o120777)), "is a link"),
        (lambda: zip_bytes(("x.jsonl", bytes(100 << 20), 0o600)), "more than 200 times smaller"),
        (lambda: zip_bytes(("x.jsonl", LINE, 0o600), method=zipfile.ZIP_BZIP2), "unusual method"),
        (lambda: zip_bytes(("x.md", LINE, 0o600)), "holds no"),
    ],
)
def test_a_zip_that_is_not_safe_is_not_opened(tmp_path, make_zip, message):
    (tmp_path / "x.zip").write_bytes(make_zip())
    with pytest.raises(errors.DatasetError, match=message):
        Dataset.load(tmp_path / "x.zip")


@pytest.mark.fault("F82")
def test_a_zip_may_have_no_more_than_is_allowed(tmp_path, monkeypatch):
    monkeypatch.setattr("qfnb.dataset.file_reader.MAX_BYTES", 100)
    (tmp_path / "x.zip").write_bytes(zip_bytes(("x.jsonl", LINE * 9, 0o600)))
    with pytest.raises(errors.DatasetError, match="at most 100"):
        Dataset.load(tmp_path / "x.zip")
    monkeypatch.setattr("qfnb.dataset.file_reader.MAX_BYTES", 1000)
    assert len(Dataset.load(tmp_path / "x.zip")) == 9


def test_a_problem_within_a_zip_is_told_with_file_and_line(tmp_path):
    (tmp_path / "x.zip").write_bytes(
        zip_bytes(("a.jsonl", LINE, 0o600), ("b.jsonl", LINE + b"{", 0o600))
    )
    with pytest.raises(errors.DatasetError, match=r"x\.zip!b\.jsonl:2: not JSON"):
        Dataset.load(tmp_path / "x.zip")

"""Tables as the official SDK has them: rows, columns, groups, files."""

import json

import pandas as pd
import pytest

from qfnb import errors
from qfnb.compat.tables.dataset import Dataset
from qfnb.compat.tables.schema import (
    QianfanGenericText,
    QianfanNonSortedConversation,
    QianfanSortedConversation,
)
from qfnb.compat.tables.sources import FileDataSource, FormatType
from qfnb.compat.tables.table import Table

PEOPLE = [{"name": "ann", "age": 1}, {"name": "bob", "age": 2}, {"name": "cid", "age": 3}]
TURNS = [
    [{"prompt": "q", "response": [["a"]]}, {"prompt": "q2", "response": [["a2"]]}],
    [{"prompt": "p", "response": [["b"]]}],
]


def people():
    return Dataset.create_from_pyobj(PEOPLE)


def test_an_operation_changes_the_table_and_returns_it():
    table = people()
    assert (
        table.append({"name": "dan", "age": 4}).insert([{"name": "eve", "age": 5}], 0).delete(1)
        is table
    )
    assert table.filter(lambda row: row["age"] > 2).col_list("name") == {
        "name": ["eve", "cid", "dan"]
    }
    assert table.map(lambda row: {**row, "old": True}).col_names() == ["name", "age", "old"]


def test_a_copy_is_changed_on_request():
    table = people()
    longer = table.append(PEOPLE, should_create_new_obj=True)
    assert (len(table), len(longer)) == (3, 6)
    assert len(table.filter(lambda row: False, should_create_new_obj=True)) == 0
    table.list(0)["name"] = "changed"
    assert table[0]["name"] == "ann"


def test_columns():
    table = people()
    table.col_append({"city": ["x", "y", "z"]}).col_insert({"name": "id", "data": [7, 8, 9]}, 0)
    assert table.col_names() == ["id", "name", "age", "city"]
    table.col_renames(["number", "who", "age", "city"]).col_delete("city")
    assert table.col_map(lambda column: {name: [str(v) for v in values] for name, values in column.items()})[0] == {
        "number": "7", "who": "ann", "age": "1",
    }  # fmt: skip
    assert table.col_filter(lambda column: "who" not in column).select_columns(
        ["age"]
    ).to_pydict() == {"age": ["1", "2", "3"]}


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table.col_append({"age": [1, 2, 3]}),
        lambda table: table.col_append({"new": [1]}),
        lambda table: table.col_renames(["one"]),
        lambda table: table.col_list("none"),
        lambda table: table.append([]),
        lambda table: table.insert(PEOPLE, 9),
        lambda table: table.delete(3),
        lambda table: table.map(lambda row: "text"),
        lambda table: table.sample(-1),
        lambda table: table.take_slice(0, 3),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(change):
    table = people()
    with pytest.raises(errors.InvalidArgumentError):
        change(table)
    assert table.list() == PEOPLE


def test_conversations_are_unpacked_into_groups_and_packed_again():
    table = Dataset.create_from_pyobj(TURNS)
    assert table.is_dataset_packed()
    assert table.unpack()
    assert [row["_group"] for row in table] == [0, 0, 1]
    table.append({"prompt": "r", "response": "c"}, add_new_group=True)
    assert table[3]["_group"] == 2
    assert table.pack()
    assert table.list() == [*TURNS, [{"prompt": "r", "response": [["c"]]}]]


def test_groups_of_added_rows():
    table = Dataset.create_from_pyobj(PEOPLE).add_default_group_column()
    table.append(PEOPLE[:2]).append(PEOPLE[:2], add_new_group=True).append(PEOPLE[:2], True, False)
    assert table["_group"]["_group"] == [0, 1, 2, 2, 2, 3, 3, 4, 5]
    assert table.insert(PEOPLE[0], 0, group_id=9)[0]["_group"] == 9
    assert table.delete_group_column().col_names() == ["name", "age"]


def test_a_function_may_make_several_rows_of_a_conversation():
    table = Dataset.create_from_pyobj(TURNS)

    def questions(turns):
        yield from ({"text": turn["prompt"]} for turn in turns)

    assert table.map(questions).list() == [{"text": "q"}, {"text": "q2"}, {"text": "p"}]


def test_conversations_and_texts_go_to_a_file_and_come_back(tmp_path):
    Dataset.create_from_pyobj(TURNS).save(data_file=str(tmp_path / "t.jsonl"))
    assert Dataset.load(str(tmp_path / "t.jsonl")).list() == TURNS
    grouped = Dataset.load(data_file=str(tmp_path / "t.jsonl"), organize_data_as_group=True)
    assert (len(grouped), grouped.is_dataset_grouped()) == (3, True)
    Dataset.create_from_pyobj(["one", "two"]).save(FileDataSource(path=str(tmp_path / "t.txt")))
    assert FileDataSource(path=str(tmp_path / "t.txt")).fetch().to_pydict() == {
        "_pack": ["one", "two"]
    }
    Dataset.create_from_pyobj(["one", "two"]).save(
        FileDataSource(
            path=str(tmp_path / "texts"), file_format=FormatType.Text, save_as_folder=True
        )
    )
    assert sorted(path.name for path in (tmp_path / "texts").iterdir()) == ["0.txt", "1.txt"]


def test_a_row_is_a_list_of_one_turn_in_the_platforms_own_lines(tmp_path):
    path = tmp_path / "p.jsonl"
    Dataset.create_from_pyobj(PEOPLE[:1]).save(
        data_file=str(path), use_qianfan_special_jsonl_format=True
    )
    assert json.loads(path.read_text()) == PEOPLE[:1]


def test_frames_are_tables():
    table = Dataset.load(
        dataframe=pd.DataFrame(PEOPLE), input_columns=["name"], reference_column="age"
    )
    assert (table.get_input_data, table.get_reference_data) == (
        {"name": ["ann", "bob", "cid"]},
        [1, 2, 3],
    )
    assert Dataset.create_from_pyarrow_table(table.inner_table).list() == PEOPLE
    assert len(Dataset.create_from_datasets([people(), people()])) == 6
    assert Table(table.inner_table).shuffle().sample(2).row_number() == 2


def test_a_schema_refuses_rows_of_another_kind(tmp_path):
    pairs = Dataset.create_from_pyobj([{"prompt": "q", "response": [["a"]]}])
    assert QianfanNonSortedConversation().validate(pairs)
    assert QianfanSortedConversation().validate(Dataset.create_from_pyobj(TURNS))
    assert not QianfanNonSortedConversation().validate(people())
    assert QianfanGenericText().validate(Dataset.create_from_pyobj(["text"]))
    with pytest.raises(errors.InvalidArgumentError, match="QianfanSortedConversation"):
        people().save(data_file=str(tmp_path / "x.jsonl"), schema=QianfanSortedConversation())


def test_it_is_a_dataset_of_qfnb_too():
    assert Dataset.create_from_pyobj(TURNS).schema.name == "conversation"
    assert people().schema.name == "table"
    assert people().head(2).list() == PEOPLE[:2]
    with pytest.raises(errors.DatasetError, match="prompt"):
        people().release()

import json
from pathlib import Path

from qianfan.dataset import Dataset

PAIRS = [{"prompt": f"问{n}", "response": f"答{n}"} for n in range(4)]
Path("a.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in PAIRS), encoding="utf-8")


def table():
    return Dataset.create_from_pyobj([dict(row) for row in PAIRS])


# %% rows from Python
[table().list(), table().row_number(), len(table())]

# %% columns from Python
rows = Dataset.create_from_pyobj({"a": [1, 2], "b": ["x", "y"]})
[rows.list(), rows.col_names(), rows.column_number()]

# %% a row by its number
[table()[1], table().list(2), table().list([0, 3]), table().list(slice(1, 2))]

# %% a jsonl file
Dataset.load(data_file="a.jsonl").list()

# %% a jsonl file of conversations
Path("c.jsonl").write_text(
    "".join(
        json.dumps([{"prompt": row["prompt"], "response": [[row["response"]]]}], ensure_ascii=False) + "\n"
        for row in PAIRS
    ),
    encoding="utf-8",
)
loaded = Dataset.load(data_file="c.jsonl")
[loaded.list(0), loaded.row_number(), loaded.is_dataset_packed(), loaded.is_dataset_grouped()]

# %% conversations as groups
Path("g.jsonl").write_text(
    "".join(json.dumps([row, row], ensure_ascii=False) + "\n" for row in PAIRS), encoding="utf-8"
)
loaded = Dataset.load(data_file="g.jsonl", organize_data_as_group=True)
[loaded.row_number(), loaded.col_names(), loaded.is_dataset_grouped()]

# %% a csv file
Path("a.csv").write_text("prompt,response\n问,答\n", encoding="utf-8")
Dataset.load(data_file="a.csv").list()

# %% a text file
Path("a.txt").write_text("一\n二\n", encoding="utf-8")
Dataset.load(data_file="a.txt").list()

# %% columns of input and reference
rows = Dataset.load(data_file="a.jsonl", input_columns=["prompt"], reference_column="response")
[rows.input_columns, rows.reference_column]

# %% rows are saved
saved = table().save(data_file="out.jsonl")
[[json.loads(line) for line in Path("out.jsonl").read_text(encoding="utf-8").splitlines()], saved.row_number()]

# %% rows are mapped
table().map(lambda row: {**row, "n": len(row["prompt"])}).list(0)

# %% rows are filtered
table().filter(lambda row: row["prompt"] != "问1").list()

# %% rows are deleted
rows = table().delete(0)
[rows.row_number(), rows[0]]

# %% a row is inserted
table().insert({"prompt": "首", "response": "始"}, 0).list(0)

# %% a slice
table().take_slice(1, 3).list()

# %% shuffled rows
sorted(row["prompt"] for row in table().shuffle())

# %% a column is appended
rows = table().col_append({"n": [1, 2, 3, 4]})
[rows.col_names(), rows.col_list("n")]

# %% columns are renamed
table().col_renames(["q", "a"]).list(0)

# %% columns as lists
[table().col_list(), table().to_pydict(), table().to_pylist()]

# %% two tables are one
rows = table()
rows.concat_table(table())
rows.row_number()

# %% groups and packing
rows = table().add_default_group_column()
[rows.col_names(), rows.is_dataset_grouped(), rows.pack(), rows.list(0), rows.unpack(), rows.col_names()]

# %% the group column goes
rows = table().add_default_group_column().delete_group_column()
rows.col_names()

# %% a schema
from qianfan.dataset.schema import QianfanNonSortedConversation

QianfanNonSortedConversation().validate(table().col_renames(["prompt", "other"]))

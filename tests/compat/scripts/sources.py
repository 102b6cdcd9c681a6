import json
from pathlib import Path

from qianfan.dataset import Dataset

PAIRS = [{"prompt": f"问{n}", "response": f"答{n}"} for n in range(4)]
Path("a.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in PAIRS), encoding="utf-8")
TURNS = [[{"prompt": row["prompt"], "response": [[row["response"]]]}] for row in PAIRS]
Path("c.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in TURNS), encoding="utf-8")


# %% a file as a source
from qianfan.dataset.data_source import FileDataSource
from qianfan.dataset.data_source.base import FormatType
source = FileDataSource(path="a.jsonl", file_format=FormatType.Jsonl)
[Dataset.load(source).row_number(), source.format_type().value]

# %% the format of a source by its name
from qianfan.dataset.data_source import FileDataSource
[FileDataSource(path=f"x.{end}").format_type().name for end in ("jsonl", "json", "csv", "txt")]

# %% a table is saved into a source
from qianfan.dataset.data_source import FileDataSource
saved = Dataset.create_from_pyobj(PAIRS).save(FileDataSource(path="out.csv"))
[saved.row_number(), Dataset.load(data_file="out.csv").list(3)]

# %% conversations are unpacked and packed
rows = Dataset.load(data_file="c.jsonl")
[rows.unpack(), rows.list(0), rows.pack(), rows.list(0)]

# %% conversations of several turns
Path("t.jsonl").write_text(json.dumps([{"prompt": "一", "response": [["二"]]}, {"prompt": "三", "response": [["四"]]}], ensure_ascii=False) + "\n", encoding="utf-8")
rows = Dataset.load(data_file="t.jsonl")
rows.unpack()
[rows.col_names(), rows.row_number(), rows.list()]

# %% packed rows are mapped
rows = Dataset.load(data_file="c.jsonl").map(lambda turns: turns * 2)
[len(rows.list(0)), rows.row_number()]

# %% a packed row is appended
rows = Dataset.load(data_file="c.jsonl").append([{"prompt": "末", "response": [["尾"]]}])
rows.row_number()

# %% a group is appended
rows = Dataset.create_from_pyobj(PAIRS).add_default_group_column()
rows = rows.append([{"prompt": "甲", "response": "乙"}, {"prompt": "丙", "response": "丁"}])
[rows.row_number(), rows.col_list("_group")]

# %% a row into a group
rows = Dataset.create_from_pyobj(PAIRS).add_default_group_column()
rows = rows.insert({"prompt": "甲", "response": "乙"}, 1, group_id=0)
[rows.row_number(), rows.col_list("_group")]

# %% a column is deleted by its name
rows = Dataset.create_from_pyobj(PAIRS)
del rows["response"]
rows.col_names()

# %% rows from one number to another
Dataset.create_from_pyobj(PAIRS).list((1, 2))

# %% columns by their numbers
Dataset.create_from_pyobj(PAIRS).col_list([0, 1])

# %% a column is filtered
rows = Dataset.create_from_pyobj({"a": [1, 2], "b": [3, 4]}).col_filter(lambda column: sum(column["a"] if "a" in column else column["b"]) > 3)
rows.col_names()

# %% a table from Arrow
import pyarrow
Dataset.create_from_pyarrow_table(pyarrow.Table.from_pylist(PAIRS)).list(2)

# %% schemas judge rows
from qianfan.dataset.schema import QianfanGenericText, QianfanNonSortedConversation, QianfanQuerySet, QianfanSortedConversation
conversations = Dataset.load(data_file="c.jsonl")
[schema().validate(conversations) for schema in (QianfanNonSortedConversation, QianfanSortedConversation, QianfanGenericText, QianfanQuerySet)]

# %% rows of a dataset on the platform
import os
rows = Dataset.load(qianfan_dataset_id=os.environ["DATASET_ID"])
[rows.row_number(), rows.is_dataset_located_in_qianfan(), len(rows.list(0)), sorted(rows.list(0)[0])]

# %% a source on the platform
import os
from qianfan.dataset.data_source import QianfanDataSource
source = QianfanDataSource.get_existed_dataset(os.environ["DATASET_ID"], is_download_to_local=False)
[source.id == os.environ["DATASET_ID"], source.template_type, source.project_type, source.set_type, source.storage_type]

# %% a bare dataset on the platform
from qianfan.dataset.data_source import QianfanDataSource
from qianfan.resources.console.consts import DataStorageType, DataTemplateType
made = QianfanDataSource.create_bare_dataset("bare", DataTemplateType.NonSortedConversation, DataStorageType.PublicBos)
[made.name, made.template_type, made.storage_type, made.id.startswith("ds-")]

# %% a row is deleted by its number
rows = Dataset.create_from_pyobj(PAIRS)
del rows[0]
rows.list(0)

# %% [markdown]
# # 数据集入门
#
# 本地的数据集可以从文件或 Python 对象得到，用 `map`、`filter` 等处理后保存，或者上传到平台。

# %%
import os

from qianfan.dataset import Dataset
from qianfan.utils import enable_log

ds = Dataset.create_from_pyobj(
    [
        {"prompt": "几点开门", "response": "早上九点开门。"},
        {"prompt": "在哪里", "response": "在河边路三号。"},
        {"prompt": "", "response": "没有问题的行"},
    ]
)

# %% [markdown]
# ## 查看

# %%
print(ds.row_number(), ds.col_names(), ds[0])
first = ds.list(0)

# %% [markdown]
# ## 处理


# %%
def add_question_mark(row):
    return {"prompt": row["prompt"] + "？", "response": row["response"]}


ds = ds.filter(lambda row: bool(row["prompt"])).map(add_question_mark)
ds = ds.append({"prompt": "多少钱？", "response": "每人二十元。"})
ds = ds.append([{"prompt": "有茶吗？", "response": "有。"}, {"prompt": "有水吗？", "response": "有。"}])
ds = ds.delete(4)

# %%
ds.col_append({"length": [len(row["prompt"]) for row in ds.list()]})
lengths = ds.col_list("length")
ds.col_delete("length")

# %% [markdown]
# ## 保存与读取

# %%
ds.save(data_file="teahouse.jsonl")
loaded = Dataset.load(data_file="teahouse.jsonl")
ds.save(data_file="teahouse.csv")
table = Dataset.load(data_file="teahouse.csv")

# %% [markdown]
# ## 分组与压缩
#
# 平台的对话数据集是分组的：同一组的行是同一段对话。

# %%
grouped = Dataset.load(data_file="teahouse.jsonl")
grouped.add_default_group_column()
grouped.pack()
packed = grouped.list(0)
grouped.unpack()

# %% [markdown]
# ## 平台上的数据集

# %%
remote = Dataset.load(qianfan_dataset_id=os.environ["DATASET_ID"])
remote_row = remote.list(0)

# %%
[first, ds.list(), loaded.row_number(), table.list(1), packed, grouped.row_number(), remote.row_number(), remote_row]

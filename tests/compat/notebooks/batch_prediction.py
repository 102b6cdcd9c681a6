# %% [markdown]
# # 批量预测
#
# 用数据集对一个模型做批量预测，结果仍是数据集。

# %%
import json

from qianfan import Completion
from qianfan.dataset import Dataset

rows = [{"prompt": "你是谁"}, {"prompt": "你好"}, {"prompt": "你能做什么"}]
with open("questions.jsonl", "w", encoding="utf-8") as f:
    for row in rows:
        f.write(json.dumps(row, ensure_ascii=False) + "\n")

# %%
ds = Dataset.load(data_file="questions.jsonl", input_columns=["prompt"])
print(ds.row_number(), ds.col_names())

# %%
result = ds.test_using_llm(service_model="ERNIE-Speed-8K", service_kwargs={"temperature": 0.1})
print(result.list(0))

# %%
result.save(data_file="answers.jsonl")
with open("answers.jsonl", encoding="utf-8") as f:
    saved = [json.loads(line) for line in f]

# %% [markdown]
# 不用数据集也可以：

# %%
task = Completion(model="ERNIE-Speed-8K").batch_do([row["prompt"] for row in rows], worker_num=3)
completions = []
for r in task:
    res = r.result()
    if not isinstance(res, Exception):
        completions.append(res["result"])

# %%
[[row["llm_output"] for row in result.list()], len(saved), saved[0]["llm_output"], len(completions)]

# %% [markdown]
# # 评估
#
# 自己的评估方法继承 `LocalEvaluator`，交给 `EvaluationManager` 在本地运行。

# %%
from typing import Any, Dict, List, Union

from qianfan.dataset import Dataset
from qianfan.evaluation import EvaluationManager
from qianfan.evaluation.evaluator import LocalEvaluator
from qianfan.model import Service


# %%
class LengthEvaluator(LocalEvaluator):
    def evaluate(self, input: Union[str, List[Dict[str, Any]]], reference: str, output: str) -> Dict[str, Any]:
        return {"same": output == reference, "longer": len(output) > len(reference)}

    def summarize(self, metric_dataset: Dataset) -> Dict[str, Any]:
        values = [row["same"] for row in metric_dataset.list()]
        return {"share_of_same": sum(values) / len(values)}


# %%
ds = Dataset.create_from_pyobj(
    [{"prompt": "你是谁", "answer": "我是模型"}, {"prompt": "你好", "answer": "你好"}],
    input_columns=["prompt"],
    reference_column="answer",
)

# %%
em = EvaluationManager(local_evaluators=[LengthEvaluator()])
result = em.eval([Service(model="ERNIE-Speed-8K")], ds)
print(result.metrics)

# %%
rows = result.result_dataset.list()
flat = [row for group in rows for row in (group if isinstance(group, list) else [group])]

# %%
columns = {"input_prompt", "expected_output", "llm_output", "llm_tag", "same", "longer"}
[len(flat), [values["share_of_same"] for values in result.metrics.values()], columns <= set(flat[0]), flat[0]["llm_output"]]

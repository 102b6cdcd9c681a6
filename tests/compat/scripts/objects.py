import json

import qianfan
from qianfan.dataset import Dataset

WHO = [{"role": "user", "content": "你是谁"}]
ROWS = [{"prompt": "你是谁", "response": "我是模型"}, {"prompt": "你好", "response": "你好"}]

# %% a service answers
from qianfan.model import Service
from qianfan.trainer.consts import ServiceType
resp = Service(model="ERNIE-Speed-8K", service_type=ServiceType.Chat).exec({"messages": WHO})
resp["result"]

# %% answers to conversations
turns = Dataset.create_from_pyobj([{"prompt": "你是谁", "answer": "一", "_group": 0}, {"prompt": "你好", "answer": "二", "_group": 1}], input_columns=["prompt"], reference_column="answer")
rows = turns.test_using_llm(service_model="ERNIE-Speed-8K", is_chat_service=True)
rows.row_number()

# %% a template for answers
from qianfan.common import Prompt
asked = Dataset.create_from_pyobj(ROWS, input_columns=["prompt"])
rows = asked.test_using_llm(service_model="ERNIE-Speed-8K", prompt_template=Prompt(template="请问{prompt}"))
rows.list(0)["input_prompt"] if "input_prompt" in rows.list(0) else rows.list(0)

# %% evaluators of the platform
from qianfan.evaluation.evaluator import QianfanRefereeEvaluator, QianfanRuleEvaluator
referee = QianfanRefereeEvaluator(app_id=1)
rule = QianfanRuleEvaluator(using_similarity=True, using_accuracy=True)
[referee.app_id, rule.using_similarity, rule.using_accuracy]

# %% people's dimensions
from qianfan.evaluation.evaluator import QianfanManualEvaluator
len(QianfanManualEvaluator().evaluation_dimensions)

# %% how a pipeline holds its actions
import os
from qianfan.trainer import LLMFinetune
type(LLMFinetune("ERNIE-Speed-8K", Dataset.load(qianfan_dataset_id=os.environ["DATASET_ID"])).ppls[0].actions).__name__

# %% a trainer's output before it ran
import os
from qianfan.trainer import LLMFinetune
trainer = LLMFinetune("ERNIE-Speed-8K", Dataset.load(qianfan_dataset_id=os.environ["DATASET_ID"]))
trainer.output

# %% a trainer of an unknown model
import os
from qianfan.errors import InvalidArgumentError
from qianfan.trainer import LLMFinetune
try:
    LLMFinetune("no such model", Dataset.load(qianfan_dataset_id=os.environ["DATASET_ID"]))
    result = "accepted"
except InvalidArgumentError:
    result = "refused"
result

# %% a pipeline of actions
from qianfan.trainer.base import BaseAction
from qianfan.trainer.pipeline import Pipeline
class Add(BaseAction):
    def exec(self, input=None, **kwargs):
        return {"n": (input or {}).get("n", 0) + 1}
    def resume(self, **kwargs):
        return {}
    def stop(self, **kwargs):
        return self
    def _action_dict(self):
        return {}
    @classmethod
    def _load_from_dict(cls, meta):
        return cls()
pipeline = Pipeline([Add(), Add()])
[pipeline.exec(input={"n": 1}), len(pipeline)]

# %% preset services
from qianfan.resources import Service
rows = Service.V2.describe_preset_services()["result"]
[type(rows).__name__, len(rows["serviceList"]) > 3 if "serviceList" in rows else sorted(rows)]

# %% a reply of the management
from qianfan.resources import Model
resp = Model.preset_list(page_size=1)
[resp.code, sorted(resp.body), resp["result"] == resp.body["result"], type(resp).__name__ != ""]

# %% models of a kind
[{"ERNIE-4.0-8K"} <= qianfan.ChatCompletion().models(), "Embedding-V1" in qianfan.Embedding().models()]

# %% a batch with an error
task = qianfan.ChatCompletion().batch_do([WHO, [{"role": "assistant", "content": "x"}]], worker_num=1)
[isinstance(result, Exception) for result in task.results()]

# %% a function that is called
from qianfan import Function
weather = {"name": "get_weather", "description": "查询一个城市的天气", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}
bool(Function().do(messages=[{"role": "user", "content": "北京天气怎么样"}], functions=[weather]).body)

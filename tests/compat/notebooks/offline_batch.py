# %% [markdown]
# # 离线批量推理
#
# 输入在 BOS 里，每行是 `{"id": ..., "query": ...}`；结果也写到 BOS。

# %%
import os
import time

from qianfan.resources.console.data import Data

input_bos_uri = os.environ["INPUT_BOS_URI"]
output_bos_uri = os.environ["OUTPUT_BOS_URI"]
endpoint = os.environ["ENDPOINT_URL"]

# %%
resp = Data.create_offline_batch_inference_task(
    name="notebook",
    descrption="离线批量推理示例",
    endpoint=endpoint,
    inference_params={"temperature": 0.01},
    input_bos_uri=input_bos_uri,
    output_bos_uri=output_bos_uri,
)
task_id = resp["result"]["taskId"]
print(task_id)

# %%
while True:
    info = Data.get_offline_batch_inference_task(task_id=task_id)["result"]
    if info["runStatus"] not in ("Running", "Pending"):
        break
    time.sleep(0.1)

# %%
tasks = Data.list_offline_batch_inference_task(run_status="Done", max_keys=10)["result"]["taskList"]

# %%
[info["runStatus"], info["progress"], task_id in [task["taskId"] for task in tasks]]

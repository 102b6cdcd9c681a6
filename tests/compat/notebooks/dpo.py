# %% [markdown]
# # DPO：按偏好训练

# %%
import os

from qianfan.dataset import Dataset
from qianfan.trainer import DPO
from qianfan.trainer.configs import TrainConfig
from qianfan.trainer.consts import PeftType

ds = Dataset.load(qianfan_dataset_id=os.environ["PREFERENCES_ID"])

# %%
trainer = DPO(
    train_type="ERNIE-Lite-8K-0308",
    dataset=ds,
    train_config=TrainConfig(epoch=1, learning_rate=1e-5, peft_type=PeftType.LoRA),
    name="notebook_dpo",
)
trainer.run()

# %%
output = trainer.output
print(output)

# %%
[output["task_id"].startswith("task-"), output["model_id"].startswith("am"), ds.row_number()]

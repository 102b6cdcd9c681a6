# %% [markdown]
# # 训练与事件
#
# `LLMFinetune` 把数据、训练、发布串成一条流水线；事件回调能看到每一步。

# %%
import os

from qianfan.dataset import Dataset
from qianfan.trainer import LLMFinetune
from qianfan.trainer.configs import TrainConfig
from qianfan.trainer.consts import ActionState, PeftType
from qianfan.trainer.event import Event, EventHandler

ds = Dataset.load(qianfan_dataset_id=os.environ["DATASET_ID"])


# %%
class MyEventHandler(EventHandler):
    seen: list = []

    def dispatch(self, event: Event) -> None:
        self.seen.append((event.action_class.__name__, event.action_state))
        if event.action_state == ActionState.Done:
            print(event.action_class.__name__, "done")


eh = MyEventHandler()

# %%
trainer = LLMFinetune(
    train_type="ERNIE-Speed-8K",
    dataset=ds,
    train_config=TrainConfig(epoch=1, learning_rate=3e-4, max_seq_len=4096, peft_type=PeftType.LoRA),
    event_handler=eh,
)

# %%
trainer.run()
print(trainer.output)

# %%
done = [name for name, state in eh.seen if state == ActionState.Done]
states = sorted({state.value for _, state in eh.seen})

# %%
[done, states, trainer.output["model_id"].startswith("am"), {"task_id", "job_id", "model_id", "model"} <= set(trainer.output)]

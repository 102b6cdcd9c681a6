import time

import qianfan
from qianfan.resources import Charge, Data, FineTune, Model, Service
from qianfan.resources.console import consts

# %% services are listed
rows = Service.list()["result"]
[len(rows["common"]) > 10, {"name", "url"} <= set(rows["common"][0])]

# %% preset models are listed
rows = Model.preset_list(page_size=3)["result"]["items"]
[len(rows), sorted(rows[0])]

# %% a dataset's life
made = Data.create_bare_dataset(
    "对照",
    consts.DataSetType.TextOnly,
    consts.DataProjectType.Conversation,
    consts.DataTemplateType.NonSortedConversation,
    consts.DataStorageType.PublicBos,
)["result"]
info = Data.get_dataset_info(made["datasetId"])["result"]
deleted = Data.delete_dataset(made["datasetId"])["result"]
[info["name"], info["versionInfo"]["templateType"], info["versionInfo"]["entityCount"], deleted]

# %% datasets of v2
rows = Data.V2.get_dataset_list(max_keys=1)["result"]
sorted(rows)

# %% a job of v2
made = FineTune.V2.create_job("对照", "ERNIE-Speed-8K", consts.TrainMode.SFT, "about")["result"]["jobId"]
listed = FineTune.V2.job_list(consts.TrainMode.SFT, max_keys=1)["result"]["jobList"]
[listed[0]["jobId"] == made, listed[0]["name"], FineTune.V2.delete_job(made)["result"]]

# %% models that can be tuned
rows = FineTune.V2.supported_models()["result"]
[len(rows) > 10, sorted(rows[0])]

# %% model sets
rows = Model.V2.describe_system_model_sets(max_keys=2)["result"]
[len(rows["systemModelSetList"]), sorted(rows["systemModelSetList"][0])]

# %% a model set's life
made = Model.V2.create_custom_model_set("对照", consts.CustomModelSetModelType.Text2Text)["result"]["modelSetId"]
[Model.V2.describe_model_set(model_set_id=made)["result"]["modelIds"], Model.V2.delete_model_set(made)["result"]]

# %% an offline batch that has no input
from qianfan.errors import QianfanError

try:
    Data.create_offline_batch_inference_task(
        name="无",
        descrption="d",
        endpoint="x",
        inference_params={},
        input_bos_uri="bos:/none/in/",
        output_bos_uri="bos:/none/out/",
    )
except QianfanError:
    result = "refused"
result

# %% a training's configuration
from qianfan.trainer.configs import TrainConfig

config = TrainConfig(epoch=1, learning_rate=0.0003, max_seq_len=4096, peft_type="LoRA", logging_steps=1)
[config.epoch, config.learning_rate, config.max_seq_len, config.peft_type, config.logging_steps]

# %% a deployment's configuration
from qianfan.model import DeployConfig
from qianfan.trainer.consts import ServiceType

config = DeployConfig(
    name="a",
    endpoint_suffix="b",
    replicas=1,
    pool_type=consts.DeployPoolType.PrivateResource,
    service_type=ServiceType.Chat,
)
[config.name, config.endpoint_suffix, config.replicas, config.pool_type, config.service_type]

"""The words of the launch form: titles of fields and of the platform's hyper-parameters, choices
and their hints.
"""

from collections.abc import Mapping
from typing import Final

from ...base.language import tr_noop

TITLES: Final[Mapping[str, str]] = {
    "dataset": tr_noop("Training data"),
    "model": tr_noop("Base model"),
    "method": tr_noop("Method"),
    "name": tr_noop("Job name"),
    "after": tr_noop("Afterwards"),
    "variable": tr_noop("Variable"),
    "eval_dataset": tr_noop("Evaluation data"),
    "replicas": tr_noop("Replicas"),
    "hours": tr_noop("Hours"),
    "held_out": tr_noop("Held out, %"),
    "model_name": tr_noop("Name of the model"),
    "suffix": tr_noop("Endpoint suffix"),
    "others": tr_noop("Other settings"),
}
"""The titles of fields; `others` are hyper-parameters that the model lacks."""

PARAMETER_TITLES: Final[Mapping[str, str]] = {
    "epoch": tr_noop("Epochs"),
    "learningRate": tr_noop("Learning rate"),
    "batchSize": tr_noop("Batch size"),
    "globalBatchSize": tr_noop("Global batch size"),
    "maxSeqLen": tr_noop("Maximum length"),
    "loraRank": tr_noop("LoRA rank"),
    "loraAlpha": tr_noop("LoRA scaling"),
    "loraDropout": tr_noop("LoRA dropout"),
    "loraAllLinear": tr_noop("LoRA on all linear layers"),
    "loraTargetModules": tr_noop("LoRA modules"),
    "warmupRatio": tr_noop("Warm-up"),
    "weightDecay": tr_noop("Weight decay"),
    "seed": tr_noop("Seed"),
    "beta": tr_noop("Distance penalty"),
    "loggingSteps": tr_noop("Steps between log lines"),
    "pseudoSamplingProb": tr_noop("Joined turns"),
    "lrSchedulerType": tr_noop("Learning rate schedule"),
    "schedulerName": tr_noop("Learning rate schedule"),
    "numCycles": tr_noop("Cosine waves"),
    "lrEnd": tr_noop("Last learning rate"),
    "power": tr_noop("Polynomial power"),
    "checkpointSaveStrategy": tr_noop("Save checkpoints by"),
    "saveStep": tr_noop("Steps between checkpoints"),
    "checkpointCount": tr_noop("Checkpoints"),
    "validationStep": tr_noop("Steps between validations"),
    "earlyStopping": tr_noop("Early stopping"),
    "earlyStopMetric": tr_noop("Early stopping by"),
    "earlyStoppingThreshold": tr_noop("Early stopping threshold"),
    "earlyStoppingPatience": tr_noop("Early stopping patience"),
}
"""The titles of the platform's hyper-parameters; of one that is new the platform's name is
shown.
"""

FINAL_STEPS: Final = {
    "train": tr_noop("Train only"),
    "publish": tr_noop("Publish the model"),
    "deploy": tr_noop("Publish and deploy"),
    "evaluate": tr_noop("Publish, deploy and evaluate"),
}
FINAL_STEP_HINTS: Final = {
    "train": tr_noop("the platform keeps the checkpoints"),
    "publish": tr_noop("it can be deployed later"),
    "deploy": tr_noop("it can be asked at once"),
    "evaluate": tr_noop("it is asked the evaluation data, and scored"),
}
MODE_HINTS: Final = {
    "SFT": tr_noop("learns from questions and answers"),
    "PostPretrain": tr_noop("goes on with pre-training, on texts"),
    "DPO": tr_noop("learns from pairs of a better and a worse answer"),
    "KTO": tr_noop("learns from answers that were judged one by one"),
}
SCALE_HINTS: Final = {
    "LoRA": tr_noop("few weights: fast and cheap"),
    "LoRA-GA": tr_noop("few weights, with a better start"),
    "FullFineTuning": tr_noop("all weights"),
    "PromptTuning": tr_noop("only a prefix of the prompt"),
}
SCALES: Final = {"FullFineTuning": tr_noop("full"), "PromptTuning": tr_noop("prompt tuning")}

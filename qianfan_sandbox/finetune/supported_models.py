"""The models that the sandbox tunes, with the platform's ranges: the table behind SupportModels.

The older models have the ranges that the official SDK carried last (0.4.0), the ERNIE models also
what the platform answered for ERNIE-Speed-8K in 2024, as a notebook of the SDK shows; those of
today have the platform's table of 2025-09-15 for ERNIE-Lite-8K-0308. Which models are tuned today,
and the hyper-parameters of DPO and KTO, were not
established: they are a guess. The platform's own list changes without notice.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from qfnb.wire import finetune_v2 as wire
from qfnb.wire.finetune_v2 import FULL, LORA, LORA_GA, PROMPT

Parameter = dict[str, Any]
"""A hyper-parameter as the platform describes it: key, name, type, allowed values and default."""

_KEYS = {
    "epoch": ("迭代轮次", "整个训练集被学习的遍数", "int"),
    "batchSize": ("批处理大小", "每次更新参数所用的样本数", "int"),
    "learningRate": ("学习率", "每次更新参数的步长", "float"),
    "maxSeqLen": ("序列长度", "单条样本的最大长度,单位为 token", "int"),
    "loggingSteps": ("保存日志间隔", "每隔多少步记录一次日志", "int"),
    "warmupRatio": ("预热比例", "学习率升至最大值的步数占总步数的比例", "float"),
    "weightDecay": ("正则化系数", "权重衰减的强度,用于防止过拟合", "float"),
    "schedulerName": ("学习率调整计划", "学习率随训练进度变化的方式", "string"),
    "loraRank": ("LoRA 策略中的秩", "低秩矩阵的秩,越大可训练的参数越多", "int"),
    "loraAlpha": ("LoRA 缩放系数", "低秩更新量的缩放系数", "int"),
    "loraDropout": ("LoRA 随机丢弃率", "训练中随机丢弃低秩输入的比例", "float"),
    "loraAllLinear": ("LoRA 所有线性层", "是否对所有线性层做低秩更新", "string"),
    "loraTargetModules": ("LoRA 目标模块", "做低秩更新的模块", "string"),
}
"""Key -> name, description and type."""

_NEW_KEYS = {
    "gradientAccumulationSteps": ("梯度累积步数", "累积多少步的梯度后更新一次参数", "int"),
    "globalBatchSize": ("全局批大小", "每次更新参数所用的样本总数", "int"),
    "pseudoSamplingProb": ("伪多轮概率", "将多条单轮样本拼成多轮的概率", "float"),
    "seed": ("随机种子", "相同的种子和数据得到相同的结果", "int"),
    "lrSchedulerType": ("学习率调整计划", "学习率随训练进度变化的方式", "string"),
    "numCycles": ("cosine 周期数", "cosine 计划中的波数", "float"),
    "lrEnd": ("polynomial 末学习率", "polynomial 计划结束时的学习率", "float"),
    "power": ("polynomial 幂", "polynomial 计划的次数", "float"),
    "checkpointSaveStrategy": ("检查点保存策略", "按步数或按轮次保存", "string"),
    "saveStep": ("检查点保存间隔", "每隔多少步保存一次", "int"),
    "checkpointCount": ("检查点个数", "最多保留的检查点数", "int"),
    "validationStep": ("验证步数", "每隔多少步计算一次验证集 loss,0 为只在结束时", "int"),
    "earlyStopping": ("早停", "验证集 loss 不再下降时提前结束", "boolean"),
    "earlyStopMetric": ("早停指标", "判断早停的指标", "string"),
    "earlyStoppingThreshold": ("早停阈值", "小于该值的下降不算下降", "float"),
    "earlyStoppingPatience": ("早停容忍次数", "连续多少次验证没有下降后结束", "int"),
    "beta": ("偏离参考模型的惩罚", "越大则越接近训练前的模型", "float"),
}
_KEYS |= _NEW_KEYS

_SCHEDULERS = ["linear", "cosine", "polynomial", "constant", "constant_with_warmup"]
_MODULES = [f"self_attn.{name}_proj" for name in ("q", "k", "v", "o")] + [
    f"mlp.{name}_proj" for name in ("gate", "up", "down")
]


def _parameter(
    key: str, allowed: tuple[float, float] | list[Any], default: Any, check: str = ""
) -> Parameter:
    """Return a parameter: a tuple is a range with both ends, a list the values to choose from."""
    name, description, kind = _KEYS[key]
    return {
        "key": key,
        "name": name,
        "description": description,
        "type": kind,
        "checkType": check or ("range" if isinstance(allowed, tuple) else "choice"),
        "checkValue": [*allowed],
        "default": default,
    }


def _model(
    model: str,
    base: str,
    tuning: dict[str, list[Parameter]],
    pretraining: list[Parameter] | None = None,
    *,
    preferences: bool = False,
) -> dict[str, Any]:
    """Return a model as the platform lists it; `tuning` maps parameter scales to the parameters of
    each.
    """
    modes = {wire.SFT: tuning} | (
        {} if pretraining is None else {wire.POST_PRETRAIN: {FULL: pretraining}}
    )
    if preferences:
        with_beta = {scale: [*rows, _BETA] for scale, rows in tuning.items()}
        modes |= {wire.DPO: with_beta, wire.KTO: with_beta}
    train_modes = []
    for mode, scales in modes.items():
        rows = [
            {"parameterScale": scale, "supportHyperParameterConfig": rows}
            for scale, rows in scales.items()
        ]
        train_modes.append({"trainMode": mode, "supportParameterScale": rows})
    return {
        "model": model,
        "modelType": "text2text",
        "baseModel": base,
        "supportTrainMode": train_modes,
    }


_EPOCH = _parameter("epoch", (1, 50), 1)
_ERNIE_LENGTH = _parameter("maxSeqLen", [512, 1024, 2048, 4096, 8192], 4096)
_FULL_RATE = _parameter("learningRate", (1e-6, 4e-5), 3e-5)
_LORA_RATE = _parameter("learningRate", (1e-6, 1e-3), 3e-4)
_BETA = _parameter("beta", (0.01, 1), 0.1)
_ERNIE_PRETRAINING = [_parameter("epoch", (1, 10), 1), _FULL_RATE, _ERNIE_LENGTH]


def _ernie(
    model: str, base: str, *lora: Parameter, pretraining: list[Parameter] | None = None
) -> dict[str, Any]:
    """Return a model with the parameters that ERNIE models have in common."""
    common = [
        _EPOCH,
        _ERNIE_LENGTH,
        _parameter("batchSize", (1, 4), 4),
        _parameter("loggingSteps", (1, 100), 1),
        _parameter("warmupRatio", (0.01, 0.5), 0.1),
        _parameter("weightDecay", (0.0001, 0.1), 0.01),
        _parameter("gradientAccumulationSteps", (0, 32), 0),
        _parameter("pseudoSamplingProb", (0, 1), 0),
    ]
    rank = _parameter("loraRank", [2, 4, 8], 8)
    full = [
        _parameter("checkpointCount", (1, 10), 1),
        _parameter("saveStep", [64, 128, 256, 512, 1024, 2048, 4096], 64),
    ]
    tuning = {FULL: [*common, _FULL_RATE, *full], LORA: [*common, _LORA_RATE, rank, *lora]}
    return _model(model, base, tuning, pretraining, preferences=True)


def _today(model: str, base: str) -> dict[str, Any]:
    """Return a model with the platform's parameters of 2025-09-15."""
    common = [
        _parameter("epoch", (1, 50), 3),
        _parameter("maxSeqLen", [512, 1024, 2048, 4096, 8192], 4096),
        _parameter("globalBatchSize", (1, 10000), 16),
        _parameter("loggingSteps", (1, 100), 1),
        _parameter("warmupRatio", (0.01, 0.5), 0.1),
        _parameter("weightDecay", (0.0001, 0.1), 0.01),
        _parameter("pseudoSamplingProb", (0, 1), 0),
        _parameter("seed", (1, 2147483647), 42),
        _parameter("lrSchedulerType", _SCHEDULERS, "linear"),
        _parameter("numCycles", (0.1, 0.5), 0.5),
        _parameter("lrEnd", (1e-8, 1e-6), 1e-7),
        _parameter("power", (1, 3), 1),
        _parameter("checkpointSaveStrategy", ["step", "epoch"], "epoch"),
        _parameter("saveStep", (1, 50000), 64),
        _parameter("checkpointCount", (1, 10), 1),
        _parameter("validationStep", (0, 1000000), 16),
        _parameter("earlyStopping", [True, False], False),
        _parameter("earlyStopMetric", ["ValidationLoss"], "ValidationLoss"),
        _parameter("earlyStoppingThreshold", (0, 5), 0.01),
        _parameter("earlyStoppingPatience", (1, 50), 3),
    ]
    low_rank = [_parameter("learningRate", (1e-6, 1e-3), 3e-4)]
    tuning = {
        FULL: [*common, _parameter("learningRate", (1e-7, 1e-2), 3e-5)],
        LORA: [*common, *low_rank, _parameter("loraRank", [2, 4, 8, 16, 32, 64], 8)],
        LORA_GA: [*(_GA_LENGTH if row["key"] == "maxSeqLen" else row for row in common), *low_rank],
    }
    return _model(model, base, tuning, preferences=True)


def _open(
    model: str,
    base: str,
    scales: tuple[str, ...],
    lengths: tuple[int, ...] = (1024, 2048, 4096),
    min_rate: float = 2e-7,
    *,
    batch: tuple[float, float] | list[int] = (1, 4),
    epoch: int = 1,
    lora: tuple[Parameter, ...] = (),
    pretraining: list[Parameter] | None = None,
) -> dict[str, Any]:
    """Return a model with the parameters that open models have in common; the last length is the
    default.
    """
    common = [
        _parameter("epoch", (1, 50), epoch),
        _parameter("batchSize", batch, 1),
        _parameter("learningRate", (min_rate, 2e-4), 1e-6),
        _parameter("schedulerName", _SCHEDULERS, "cosine"),
        _parameter("warmupRatio", (0.01, 0.1), 0.03),
        _parameter("weightDecay", (0.001, 1), 0.01),
        *([_parameter("maxSeqLen", [*lengths], lengths[-1])] if lengths else []),
    ]
    lora_parameters = [
        _parameter("loraRank", [8, 16, 32, 64], 32),
        _parameter("loraAlpha", [8, 16, 32, 64], 32),
        _parameter("loraDropout", (0.1, 0.5), 0.1),
        *lora,
    ]
    tuning = {scale: [*common, *lora_parameters] if scale == LORA else common for scale in scales}
    return _model(model, base, tuning, pretraining)


_GA_LENGTH = _parameter("maxSeqLen", [4096, 8192], 4096)
_ALL_LINEAR = _parameter("loraAllLinear", ["True", "False"], "True")
_TARGETS = _parameter("loraTargetModules", _MODULES, [_MODULES[0], _MODULES[2]], "mult_choice")
_LLAMA_PRETRAINING = [
    _parameter("epoch", [1], 1),
    _parameter("batchSize", (48, 960), 192),
    _parameter("learningRate", (2e-7, 2e-4), 2e-5),
    _parameter("weightDecay", (0.0001, 0.05), 0.01),
]
_LITE_0725 = {FULL: [_EPOCH, _ERNIE_LENGTH, _FULL_RATE], LORA: [_EPOCH, _ERNIE_LENGTH, _LORA_RATE]}
_LITE_0704 = {
    FULL: [_EPOCH, _FULL_RATE],
    LORA: [_EPOCH, _parameter("learningRate", (3e-5, 1e-3), 3e-5)],
    PROMPT: [_EPOCH, _parameter("learningRate", (0.003, 0.1), 0.03)],
}
_TWO = (FULL, LORA)
_THREE = (FULL, LORA, PROMPT)
_LONG = (4096, 8192, 16384, 32768)

TODAY_MODELS: list[dict[str, Any]] = [
    _today("ERNIE-4.5-Turbo-128K", "ERNIE 4.5"),
    _today("ERNIE-4.5-Turbo-32K", "ERNIE 4.5"),
    _today("ERNIE-Lite-8K-0308", "ERNIE Lite"),
]
"""The offer of a strict sandbox."""

WIRE_MODELS: list[dict[str, Any]] = [
    *TODAY_MODELS,
    _ernie("ERNIE-Speed-8K", "ERNIE Speed", _ALL_LINEAR, pretraining=_ERNIE_PRETRAINING),
    _ernie("ERNIE-Speed-Pro-128K", "ERNIE Speed", _ALL_LINEAR),
    _ernie("ERNIE-Lite-8K-0922", "ERNIE Lite", pretraining=_ERNIE_PRETRAINING),
    _model("ERNIE-Lite-8K-0725", "ERNIE Lite", _LITE_0725),
    _model("ERNIE-Lite-8K-0704", "ERNIE Lite", _LITE_0704),
    _ernie("ERNIE-Tiny-8K", "ERNIE Tiny"),
    _open("Qianfan-Chinese-Llama-2-7B", "Llama", _THREE),
    _open("Qianfan-Chinese-Llama-2-13B", "Llama", _THREE),
    _open("Qianfan-Chinese-Llama-2-13B-v1", "Llama", _THREE, pretraining=_LLAMA_PRETRAINING),
    _open("Qianfan-Chinese-Llama-2-7B-32K", "Llama", _THREE, _LONG, 1e-10, batch=[1], epoch=3),
    _open("SQLCoder-7B", "SQLCoder", _TWO, (4096, 8192)),
    _open("ChatGLM2-6B", "ChatGLM2", _TWO),
    _open("ChatGLM2-6B-32K", "ChatGLM2", (FULL,)),
    _open("Baichuan2-7B-Chat", "Baichuan2", _TWO, min_rate=1e-10),
    _open("Baichuan2-13B-Chat", "Baichuan2", _TWO, min_rate=1e-10),
    _open("BLOOMZ-7B", "BLOOMZ", _THREE, ()),
    _open("CodeLlama-7B", "Llama", _TWO, min_rate=1e-10, lora=(_TARGETS,)),
]

V1_LIMITS: dict[str, tuple[float, float]] = {
    "epoch": (1, 50),
    "learningRate": (1e-10, 0.1),
    "batchSize": (1, 960),
    "maxSeqLen": (512, 32768),
}
"""Lowest and highest values in v1: wider than v2's, which would refuse those of seed 002."""


def with_extensions(
    models: Iterable[dict[str, Any]],
    imitated: Collection[str],
    seconds: Callable[[str], Mapping[str, float]],
) -> list[dict[str, Any]]:
    """Return models with the sandbox's extensions.

    Hyper-parameters that are not imitated say `sandbox: {hasEffect: false}`, train modes `sandbox:
    {seconds: ...}`.

    Args:
        models: as the platform describes them.
        imitated: the hyper-parameters that change a training.
        seconds: returns those of a training in a train mode, see `TrainingEngine.training_seconds`.
    """
    return [
        model
        | {
            "supportTrainMode": [
                _mode_with_effects(mode, imitated)
                | {"sandbox": {"seconds": seconds(mode["trainMode"])}}
                for mode in model["supportTrainMode"]
            ]
        }
        for model in models
    ]


def _mode_with_effects(mode: dict[str, Any], imitated: Collection[str]) -> dict[str, Any]:
    scales = []
    for scale in mode["supportParameterScale"]:
        parameters = [
            row if row["key"] in imitated else row | {"sandbox": {"hasEffect": False}}
            for row in scale["supportHyperParameterConfig"]
        ]
        scales.append(scale | {"supportHyperParameterConfig": parameters})
    return mode | {"supportParameterScale": scales}


def find_model(model: str) -> dict[str, Any] | None:
    """Return a model by its name or by a train type of v1, None if it cannot be tuned here."""
    name = wire.TRAIN_TYPES.get(model.lower(), model).lower()
    return next((row for row in WIRE_MODELS if row["model"].lower() == name), None)


def find_parameters(model: str, mode: str, scale: str) -> list[Parameter] | None:
    """Return the hyper-parameters of a model in a train mode and a parameter scale, None if it has
    none.

    Args:
        model: the model's name.
        mode: the train mode, e.g. `SFT`.
        scale: the parameter scale, e.g. `LoRA`.
    """
    for row in (find_model(model) or {"supportTrainMode": []})["supportTrainMode"]:
        scales = {entry["parameterScale"]: entry for entry in row["supportParameterScale"]}
        if row["trainMode"] == mode and scale in scales:
            return list(scales[scale]["supportHyperParameterConfig"])
    return None


def is_valid_value(parameter: Parameter, value: Any) -> bool:
    """Return whether a hyper-parameter may have a value."""
    allowed = parameter["checkValue"]
    is_integer = parameter["type"] == "int"
    if parameter["checkType"] == "mult_choice":
        return isinstance(value, list) and bool(value) and all(item in allowed for item in value)
    if parameter["checkType"] == "choice":
        value = str(value) if parameter["type"] == "string" and isinstance(value, bool) else value
        return any(
            value == item and isinstance(value, bool) == isinstance(item, bool) for item in allowed
        )
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return (
        is_number and allowed[0] <= value <= allowed[1] and (not is_integer or value == int(value))
    )

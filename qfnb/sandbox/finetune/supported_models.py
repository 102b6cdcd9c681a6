"""Which models the sandbox lets one tune, with the platform's ranges: the table behind SupportModels.

The ranges are the last ones that the official SDK carried (0.4.0); the platform's own list changes without
notice. DPO and KTO are not offered: the local model cannot learn from preferences.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...wire import finetune as wire
from ...wire.finetune import FULL, LORA, PROMPT

Parameter = dict[str, Any]

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
"""The name, what it does, and its type."""

_SCHEDULERS = ("linear", "cosine", "polynomial", "constant", "constant_with_warmup")
_MODULES = tuple(
    [f"self_attn.{name}_proj" for name in ("q", "k", "v", "o")]
    + [f"mlp.{name}_proj" for name in ("gate", "up", "down")]
)


def _range_parameter(key: str, low: float, high: float, default: float) -> Parameter:
    return _parameter(key, "range", [low, high], default)


def _choice_parameter(key: str, choices: tuple[Any, ...], default: Any) -> Parameter:
    return _parameter(key, "choice", list(choices), default)


def _parameter(key: str, check: str, allowed: list[Any], default: Any) -> Parameter:
    name, description, kind = _KEYS[key]
    return {
        "key": key,
        "name": name,
        "description": description,
        "type": kind,
        "checkType": check,
        "checkValue": allowed,
        "default": default,
    }


_EPOCH = _range_parameter("epoch", 1, 50, 1)
_ERNIE_LENGTH = _choice_parameter("maxSeqLen", (4096, 8192), 4096)
_ERNIE_COMMON = [
    _range_parameter("batchSize", 1, 4, 4),
    _range_parameter("loggingSteps", 1, 100, 1),
    _range_parameter("warmupRatio", 0.01, 0.5, 0.1),
    _range_parameter("weightDecay", 0.0001, 0.1, 0.01),
]
_FULL_RATE = _range_parameter("learningRate", 1e-5, 4e-5, 3e-5)
_LORA_RATE = _range_parameter("learningRate", 3e-5, 1e-3, 3e-4)
_RANK = _choice_parameter("loraRank", (2, 4, 8), 8)
_ALL_LINEAR = _choice_parameter("loraAllLinear", ("True", "False"), "True")

_OPEN_LORA_PARAMETERS = [
    _choice_parameter("loraRank", (8, 16, 32, 64), 32),
    _choice_parameter("loraAlpha", (8, 16, 32, 64), 32),
    _range_parameter("loraDropout", 0.1, 0.5, 0.1),
]
_TARGETS = _parameter("loraTargetModules", "mult_choice", [*_MODULES], [_MODULES[0], _MODULES[2]])


def _open_model_parameters(
    lengths: tuple[int, ...] = (1024, 2048, 4096),
    *,
    min_rate: float = 2e-7,
    max_batch: int = 4,
    default_epoch: int = 1,
) -> list[Parameter]:
    """Return what the open models have in common."""
    rows = [
        _range_parameter("epoch", 1, 50, default_epoch),
        _range_parameter("batchSize", 1, max_batch, 1)
        if max_batch > 1
        else _choice_parameter("batchSize", (1,), 1),
        _range_parameter("learningRate", min_rate, 2e-4, 1e-6),
        _choice_parameter("schedulerName", _SCHEDULERS, "cosine"),
        _range_parameter("warmupRatio", 0.01, 0.1, 0.03),
        _range_parameter("weightDecay", 0.001, 1, 0.01),
    ]
    return [*rows, _choice_parameter("maxSeqLen", lengths, lengths[-1])] if lengths else rows


@dataclass(frozen=True)
class SupportedModel:
    """One model: the parameters of each way of tuning it, and those of PostPretrain, which is full tuning."""

    model: str
    base: str
    tuning: dict[str, list[Parameter]]
    pretraining: list[Parameter] | None = None

    def to_wire(self) -> dict[str, Any]:
        """Return the platform's form."""
        modes = {wire.SFT: self.tuning}
        if self.pretraining is not None:
            modes[wire.POST_PRETRAIN] = {FULL: self.pretraining}
        return {
            "model": self.model,
            "modelType": "text2text",
            "baseModel": self.base,
            "supportTrainMode": [
                {
                    "trainMode": mode,
                    "supportParameterScale": [
                        {"parameterScale": scale, "supportHyperParameterConfig": rows}
                        for scale, rows in scales.items()
                    ],
                }
                for mode, scales in modes.items()
            ],
        }


def _ernie_parameters(*lora_parameters: Parameter, pretraining: bool = False) -> dict[str, Any]:
    common = [_EPOCH, _ERNIE_LENGTH, *_ERNIE_COMMON]
    tuning = {FULL: [*common, _FULL_RATE], LORA: [*common, _LORA_RATE, _RANK, *lora_parameters]}
    pretraining_parameters = (
        [_range_parameter("epoch", 1, 10, 1), _FULL_RATE, _ERNIE_LENGTH] if pretraining else None
    )
    return {"tuning": tuning, "pretraining": pretraining_parameters}


def _tuning_by_scale(
    common: list[Parameter], *names: str, lora_parameters: tuple[Parameter, ...] = ()
) -> dict[str, Any]:
    """Return the ways of tuning an open model that have these names."""
    rows = {FULL: common, LORA: [*common, *_OPEN_LORA_PARAMETERS, *lora_parameters], PROMPT: common}
    return {"tuning": {name: rows[name] for name in names}}


_LLAMA_PRETRAINING = [
    _choice_parameter("epoch", (1,), 1),
    _range_parameter("batchSize", 48, 960, 192),
    _range_parameter("learningRate", 2e-7, 2e-4, 2e-5),
    _range_parameter("weightDecay", 0.0001, 0.05, 0.01),
]
_LITE_0725 = [_EPOCH, _ERNIE_LENGTH]
_LITE_0704_RATES = {
    FULL: _FULL_RATE,
    LORA: _range_parameter("learningRate", 3e-5, 1e-3, 3e-5),
    PROMPT: _range_parameter("learningRate", 0.003, 0.1, 0.03),
}
_LONG_LENGTHS = (4096, 8192, 16384, 32768)

SUPPORTED_MODELS = (
    SupportedModel("ERNIE-Speed-8K", "ERNIE Speed", **_ernie_parameters(_ALL_LINEAR, pretraining=True)),
    SupportedModel("ERNIE-Speed-Pro-128K", "ERNIE Speed", **_ernie_parameters(_ALL_LINEAR)),
    SupportedModel("ERNIE-Lite-8K-0922", "ERNIE Lite", **_ernie_parameters(pretraining=True)),
    SupportedModel(
        "ERNIE-Lite-8K-0725", "ERNIE Lite", {FULL: [*_LITE_0725, _FULL_RATE], LORA: [*_LITE_0725, _LORA_RATE]}
    ),
    SupportedModel(
        "ERNIE-Lite-8K-0704", "ERNIE Lite", {name: [_EPOCH, rate] for name, rate in _LITE_0704_RATES.items()}
    ),
    SupportedModel("ERNIE-Tiny-8K", "ERNIE Tiny", **_ernie_parameters()),
    SupportedModel(
        "Qianfan-Chinese-Llama-2-7B",
        "Llama",
        **_tuning_by_scale(_open_model_parameters(), FULL, LORA, PROMPT),
    ),
    SupportedModel(
        "Qianfan-Chinese-Llama-2-13B",
        "Llama",
        **_tuning_by_scale(_open_model_parameters(), FULL, LORA, PROMPT),
    ),
    SupportedModel(
        "Qianfan-Chinese-Llama-2-13B-v1",
        "Llama",
        **_tuning_by_scale(_open_model_parameters(), FULL, LORA, PROMPT),
        pretraining=_LLAMA_PRETRAINING,
    ),
    SupportedModel(
        "Qianfan-Chinese-Llama-2-7B-32K",
        "Llama",
        **_tuning_by_scale(
            _open_model_parameters(_LONG_LENGTHS, min_rate=1e-10, max_batch=1, default_epoch=3),
            FULL,
            LORA,
            PROMPT,
        ),
    ),
    SupportedModel(
        "SQLCoder-7B", "SQLCoder", **_tuning_by_scale(_open_model_parameters((4096, 8192)), FULL, LORA)
    ),
    SupportedModel("ChatGLM2-6B", "ChatGLM2", **_tuning_by_scale(_open_model_parameters(), FULL, LORA)),
    SupportedModel("ChatGLM2-6B-32K", "ChatGLM2", **_tuning_by_scale(_open_model_parameters(), FULL)),
    SupportedModel(
        "Baichuan2-7B-Chat",
        "Baichuan2",
        **_tuning_by_scale(_open_model_parameters(min_rate=1e-10), FULL, LORA),
    ),
    SupportedModel(
        "Baichuan2-13B-Chat",
        "Baichuan2",
        **_tuning_by_scale(_open_model_parameters(min_rate=1e-10), FULL, LORA),
    ),
    SupportedModel("BLOOMZ-7B", "BLOOMZ", **_tuning_by_scale(_open_model_parameters(()), FULL, LORA, PROMPT)),
    SupportedModel(
        "CodeLlama-7B",
        "Llama",
        **_tuning_by_scale(_open_model_parameters(min_rate=1e-10), FULL, LORA, lora_parameters=(_TARGETS,)),
    ),
)

WIRE_MODELS: list[dict[str, Any]] = [offer.to_wire() for offer in SUPPORTED_MODELS]

V1_LIMITS: dict[str, tuple[float, float]] = {
    "epoch": (1, 50),
    "learningRate": (1e-10, 0.1),
    "batchSize": (1, 960),
    "maxSeqLen": (512, 32768),
}
"""What v1 allows: its limits were wider than v2's, and seed 002 lies outside v2's."""


def find_model(model: str) -> dict[str, Any] | None:
    """Return the row of a model, None when it cannot be tuned here; a v1 train type is a name too."""
    name = wire.TRAIN_TYPES.get(model.lower(), model).lower()
    return next((row for row in WIRE_MODELS if row["model"].lower() == name), None)


def find_parameters(model: str, mode: str, scale: str) -> list[Parameter] | None:
    """Return the hyper-parameters of a way of tuning a model, None when it is not offered."""
    modes = (find_model(model) or {"supportTrainMode": []})["supportTrainMode"]
    scales = [
        row
        for train_mode in modes
        if train_mode["trainMode"] == mode
        for row in train_mode["supportParameterScale"]
    ]
    return next(
        (row["supportHyperParameterConfig"] for row in scales if row["parameterScale"] == scale), None
    )


def is_valid_value(parameter: Parameter, value: Any) -> bool:
    """Tell whether a hyper-parameter may have a value."""
    allowed, is_integer = parameter["checkValue"], parameter["type"] == "int"
    if parameter["checkType"] == "mult_choice":
        return isinstance(value, list) and bool(value) and all(item in allowed for item in value)
    if parameter["checkType"] == "choice":
        return any(value == item and isinstance(value, bool) == isinstance(item, bool) for item in allowed)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and allowed[0] <= value <= allowed[1] and (not is_integer or value == int(value))

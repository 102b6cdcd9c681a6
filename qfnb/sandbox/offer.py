"""Which models the sandbox lets one tune, with the platform's ranges: the table behind SupportModels."""

from __future__ import annotations

from typing import Any


def _range(key: str, name: str, kind: str, low: float, high: float, default: float) -> dict[str, Any]:
    return {
        "key": key,
        "name": name,
        "description": name,
        "type": kind,
        "checkType": "range",
        "checkValue": [low, high],
        "default": default,
    }


def _choice(key: str, name: str, choices: list[int], default: int) -> dict[str, Any]:
    row = {"key": key, "name": name, "description": name, "type": "int", "checkType": "choice"}
    return row | {"checkValue": choices, "default": default}


def _common(*, batch: bool) -> list[dict[str, Any]]:
    rows = [
        _range("epoch", "迭代轮次", "int", 1, 50, 1),
        _choice("maxSeqLen", "序列长度", [4096, 8192], 4096),
        _range("loggingSteps", "保存日志间隔", "int", 1, 100, 1),
        _range("warmupRatio", "预热比例", "float", 0.01, 0.5, 0.1),
        _range("weightDecay", "正则化系数", "float", 0.0001, 0.1, 0.01),
    ]
    return [*rows, _range("batchSize", "批大小", "int", 1, 4, 4)] if batch else rows


def _model(name: str, base: str, *, batch: bool = True, rank: bool = True) -> dict[str, Any]:
    full = [*_common(batch=batch), _range("learningRate", "学习率", "float", 1e-5, 4e-5, 3e-5)]
    lora = [*_common(batch=batch), _range("learningRate", "学习率", "float", 3e-5, 1e-3, 3e-4)]
    if rank:
        lora.append(_choice("loraRank", "LoRA 策略中的秩", [2, 4, 8], 8))
    scales = [("FullFineTuning", full), ("LoRA", lora)]
    return {
        "model": name,
        "modelType": "text2text",
        "baseModel": base,
        "supportTrainMode": [
            {
                "trainMode": "SFT",
                "supportParameterScale": [
                    {"parameterScale": scale, "supportHyperParameterConfig": rows} for scale, rows in scales
                ],
            }
        ],
    }


MODELS: list[dict[str, Any]] = [
    _model("ERNIE-Speed-8K", "ERNIE Speed"),
    _model("ERNIE-Speed-Pro-128K", "ERNIE Speed"),
    _model("ERNIE-Lite-8K-0922", "ERNIE Lite"),
    _model("ERNIE-Lite-8K-0725", "ERNIE Lite", batch=False, rank=False),
    _model("ERNIE-Lite-8K-0704", "ERNIE Lite", batch=False, rank=False),
    _model("ERNIE-Tiny-8K", "ERNIE Tiny"),
]


def offered(model: str) -> dict[str, Any] | None:
    """Return the row of a model, None when it cannot be tuned here."""
    return next((row for row in MODELS if row["model"].lower() == model.lower()), None)

"""Every public class with its defaults, once, against a strict sandbox; a new class needs a call
here.
"""

import enum
import inspect
from typing import Protocol

import pytest

import qfnb
from qfnb import evaluation, model, trainer
from qfnb.evaluation import evaluator
from qfnb.trainer import offer

ROWS = [{"prompt": f"问题{number}", "response": f"答案{number}"} for number in range(12)]
TEXTS = [{"text": f"第{number}句。接着是第{number}段。"} for number in range(12)]
PREFERENCES = [
    {"prompt": f"问题{number}", "chosen": f"好{number}", "rejected": f"坏{number}"}
    for number in range(12)
]
MODEL = "ernie-4.5-turbo-128k"
TUNED = "ERNIE-4.5-Turbo-128K"


@pytest.fixture(autouse=True)
def strict_sandbox(control, monkeypatch):
    monkeypatch.setattr(offer, "_offers", {})
    control.post("/_sandbox/modes", json={"strict": True})
    yield
    control.post("/_sandbox/modes", json={"strict": False})


def train(trainer_class, rows, *, name=TUNED, **options):
    return trainer_class(name, qfnb.Dataset(rows), **options).run().output


def answered(frame):
    assert frame["error"].isna().all()
    return frame


def evaluate(*evaluators):
    manager = qfnb.EvaluationManager(local_evaluators=list(evaluators))
    records = manager.eval([qfnb.Service(model=MODEL)], qfnb.Dataset(ROWS[:2])).records
    assert [record.error for record in records] == ["", ""]
    return records


def evaluate_on_platform(one):
    output = train(qfnb.LLMFinetune, ROWS)
    manager = qfnb.EvaluationManager(qianfan_evaluators=[one])
    result = manager.eval([output["model"]], qfnb.Dataset(ROWS))
    return "people score it" if result is None else result.metrics


class Length:
    """A scorer of OpenCompass."""

    def score(self, predictions, references):
        return {"length": float(len(predictions[0]))}


CALLS = {
    "ChatCompletion": lambda: qfnb.ChatCompletion().do("你好").text,
    "Completion": lambda: qfnb.Completion().do("你好").text,
    "Embedding": lambda: qfnb.Embedding().do(["茶"]).vectors,
    "Function": lambda: qfnb.Function().do("你好").text,
    "Image2Text": lambda: qfnb.Image2Text().do("图里有什么？", image=picture()).text,
    "ImageEdit": lambda: qfnb.ImageEdit().do("加一顶帽子", picture()).images,
    "Reranker": lambda: qfnb.Reranker().do("茶", ["绿茶", "咖啡"]).data,
    "Responses": lambda: qfnb.Responses.create("你好").text,
    "Text2Image": lambda: qfnb.Text2Image().do("一杯茶").images,
    "Tokenizer": lambda: qfnb.Tokenizer().count_tokens("你好"),
    "Qianfan": lambda: qfnb.Qianfan().chat.completions.create(
        messages=[{"role": "user", "content": "你好"}]
    ),
    "Service": lambda: qfnb.Service(model=MODEL).exec(
        {"messages": [{"role": "user", "content": "你好"}]}
    ),
    "Dataset": lambda: qfnb.Dataset(ROWS).release(),
    "Batch": lambda: answered(qfnb.batch(ROWS[:2]).to_frame()),
    "LLMFinetune": lambda: train(trainer.LLMFinetune, ROWS)["model_id"],
    "PostPretrain": lambda: train(trainer.PostPretrain, TEXTS, name="ERNIE-Speed-8K")["model_id"],
    "DPO": lambda: train(trainer.DPO, PREFERENCES)["model_id"],
    "KTO": lambda: train(trainer.KTO, PREFERENCES)["model_id"],
    "TrainConfig": lambda: train(trainer.LLMFinetune, ROWS, train_config=trainer.TrainConfig())[
        "model_id"
    ],
    "DeployConfig": lambda: train(trainer.LLMFinetune, ROWS, deploy_config=trainer.DeployConfig())[
        "service_endpoint"
    ],
    "EvaluationManager": lambda: evaluate(evaluation.ExactMatchEvaluator()),
    "ChoiceEvaluator": lambda: evaluate(evaluation.ChoiceEvaluator()),
    "ExactMatchEvaluator": lambda: evaluate(evaluation.ExactMatchEvaluator()),
    "F1Evaluator": lambda: evaluate(evaluation.F1Evaluator()),
    "FunctionEvaluator": lambda: evaluate(evaluation.FunctionEvaluator(lambda output: 1.0)),
    "GuardEvaluator": lambda: evaluate(evaluation.GuardEvaluator()),
    "JsonFieldsEvaluator": lambda: evaluate(evaluation.JsonFieldsEvaluator()),
    "LocalJudgeEvaluator": lambda: evaluate(evaluation.LocalJudgeEvaluator()),
    "MetricEvaluator": lambda: evaluate(evaluation.MetricEvaluator("rouge_l")),
    "NumberEvaluator": lambda: evaluate(evaluation.NumberEvaluator()),
    "OpenCompassLocalEvaluator": lambda: evaluate(evaluation.OpenCompassLocalEvaluator(Length())),
    "PairwiseJudge": lambda: qfnb.compare(
        MODEL, "ernie-5.0", dataset=ROWS[:2], metrics=[evaluation.PairwiseJudge()]
    ),
    "RougeLEvaluator": lambda: evaluate(evaluation.RougeLEvaluator()),
    "QianfanManualEvaluator": lambda: evaluate_on_platform(evaluator.QianfanManualEvaluator()),
    "QianfanRefereeEvaluator": lambda: evaluate_on_platform(
        evaluator.QianfanRefereeEvaluator(app_id=1)
    ),
    "QianfanRuleEvaluator": lambda: evaluate_on_platform(
        evaluator.QianfanRuleEvaluator(using_accuracy=True)
    ),
}

COVERED = {
    "AsyncQianfan": "Qianfan, awaited",
    "BaseAction": "the base of the actions",
    "DeployAction": "DeployConfig",
    "EvaluateAction": "EvaluationManager",
    "LoadDataSetAction": "LLMFinetune",
    "ModelPublishAction": "LLMFinetune",
    "TrainAction": "LLMFinetune",
    "Pipeline": "LLMFinetune",
    "Trainer": "LLMFinetune",
    "Finetune": "LLMFinetune",
    "PostPreTrain": "PostPretrain",
    "Model": "LLMFinetune publishes one",
    "ShardedBatch": "Batch, in several processes",
    "Evaluator": "the base of all evaluators",
    "LocalEvaluator": "the base of the local evaluators",
    "QianfanEvaluator": "the base of the platform's evaluators",
    "Plugin": "v1 only, which a strict sandbox has ended",
}
"""Classes that another call runs, and which."""

VALUES = {
    "Card", "EvaluationFailure", "EvaluationResult", "Event", "EventHandler", "ManualEvaluatorDimension", "Matrix",
    "Messages", "PairVerdict", "QfMessages", "QfResponse", "Report", "Response",
}  # fmt: skip
"""Classes that send nothing."""


def picture():
    return qfnb.Text2Image().do("一杯茶").images[0]


def public_classes():
    names = {}
    for module in (qfnb, evaluation, evaluator, trainer, model):
        for name in getattr(module, "__all__", dir(module)):
            value = getattr(module, name)
            if (
                inspect.isclass(value)
                and value.__module__.startswith("qfnb.")
                and not name.startswith("_")
            ):
                names[name] = value
    kinds = (BaseException, enum.Enum)
    return {
        name
        for name, value in names.items()
        if not issubclass(value, kinds) and not is_interface(value)
    }


def is_interface(value):
    return Protocol in value.__mro__ or inspect.isabstract(value)


def test_every_public_class_is_called_here():
    assert public_classes() - CALLS.keys() - COVERED.keys() - VALUES == set()


@pytest.mark.parametrize("name", CALLS)
def test_the_defaults_are_taken(name):
    result = CALLS[name]()
    assert result is not None

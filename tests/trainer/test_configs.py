"""Hyper-parameters: types at once, ranges from what the platform publishes."""

import json

import pandas as pd
import pytest

from qfnb import Dataset, DeployConfig, LLMFinetune, TrainConfig, _notices, errors
from qfnb.resources import FineTune
from qfnb.trainer import actions, offer
from qfnb.trainer.finetune import PostPretrain

ROWS = Dataset(
    [
        {"prompt": f"{before}几点开门", "response": "九点"}
        for before in ("", "请问", "你好，", "麻烦问下")
    ]
)


UNLISTED = [
    (
        "ERNIE-Speed-8K",
        {"epoch": 51},
        "ERNIE-Speed-8K LoRA, epoch: 51 is too large: 1 to 50 is allowed.",
    ),
    ("ERNIE-Speed-8K", {"max_seq_len": 77}, "max_seq_len: 77 is not offered"),
    ("ERNIE-Speed-8K", {"warp": 9}, "has no hyper-parameter warp: it has epoch, "),
    ("ERNIE-Speed-8K", {"epochs": 3}, "has no hyper-parameter epochs; did you mean epoch?"),
    (
        "ERNIE-Speed-8K",
        {"peft_type": "Adapter"},
        "cannot be tuned with Adapter: SFT offers FullFineTuning, LoRA",
    ),
    ("ERNIE-Sped-8K", {}, "the nearest names: ERNIE-Speed-8K"),
]


@pytest.mark.parametrize(("model", "values", "words"), UNLISTED)
def test_what_the_list_does_not_have_is_said_in_one_line_and_sent(
    sandbox, caplog, model, values, words
):
    _notices.warn_once.cache_clear()
    trainer = LLMFinetune(model, ROWS, TrainConfig(**values))
    (record,) = caplog.records
    assert words in record.getMessage()
    assert "sent all the same" in record.getMessage()
    assert "\n" not in record.getMessage()
    assert (
        trainer.ppls[0].actions[1].train_config.hyper_parameters()
        == TrainConfig(**values).hyper_parameters()
    )


def test_a_mode_without_lora_is_tuned_as_it_offers(sandbox, caplog):
    train = PostPretrain("ERNIE-Speed-8K", Dataset([{"text": "很长的文章" * 9}])).ppls[0].actions[1]
    assert (train.train_config.parameter_scale, caplog.text) == ("FullFineTuning", "")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("logging_steps", value) for value in ("often", 1.5, float("nan"), float("inf"), True)),
        ("early_stopping", "often"),
        ("lr_scheduler_type", 3),
        ("power", "high"),
    ],
)
def test_a_hyper_parameter_of_another_type_is_refused_before_anything_starts(
    sandbox, control, name, value
):
    before = control.get("/_sandbox/health").json()["requests"].get("finetune.v2.create_task", 0)
    with pytest.raises(errors.InvalidArgumentError, match=f"{name}={value!r} has the wrong type"):
        LLMFinetune("ERNIE-4.5-Turbo-128K", ROWS, {name: value})
    assert (
        control.get("/_sandbox/health").json()["requests"].get("finetune.v2.create_task", 0)
        == before
    )


def test_a_dictionary_is_a_config_under_either_kind_of_name(sandbox, tmp_path):
    values = {
        "epoch": 2,
        "learningRate": 1e-4,
        "checkpoint_count": 3,
        "seed": 7,
        "sampling_rate": 0.5,
    }
    config = LLMFinetune("ERNIE-4.5-Turbo-128K", ROWS, values).ppls[0].actions[1].train_config
    assert (config.epoch, config.learning_rate, config.sampling_rate) == (2, 1e-4, 0.5)
    assert config.hyper_parameters()["checkpointCount"] == 3
    (tmp_path / "c.json").write_text(json.dumps(values))
    assert TrainConfig.load(tmp_path / "c.json").epoch == 2


@pytest.mark.parametrize(("config", "words"), [([3], "is a list"), ({"epoch": 0}, "epoch=0")])
def test_another_kind_of_config_is_refused(sandbox, config, words):
    with pytest.raises(errors.InvalidArgumentError, match=words):
        LLMFinetune("ERNIE-Speed-8K", ROWS, config)


def test_what_is_mixed_in_reaches_the_platform(sandbox):
    corpus = {"copyData": True, "config": [{"proportion": "1:1", "corpusType": 2}]}
    config = TrainConfig(epoch=1, corpus_config=corpus, sampling_rate=0.5)
    trainer = LLMFinetune("ERNIE-Speed-8K", ROWS, config, model_not_publish=True).run()
    detail = FineTune.V2.task_detail(trainer.progress.task_id)["result"]
    assert detail["sandbox"]["notUsed"] == ["corpusConfig"]
    assert detail["datasetConfig"]["versions"][0]["samplingRate"] == 0.5


def test_the_offer_is_read_once_an_hour_and_again_before_a_warning(sandbox, control):
    asked = lambda: (
        control.get("/_sandbox/health").json()["requests"].get("finetune.v2.support_models", 0)
    )
    LLMFinetune("ERNIE-Speed-8K", ROWS)
    before = asked()
    LLMFinetune("ERNIE-Speed-8K", ROWS, TrainConfig(epoch=2))
    assert asked() == before
    LLMFinetune("ERNIE-Speed-8K", ROWS, TrainConfig(epoch=99))
    assert asked() == before + 1


def test_the_offer_is_not_required(sandbox, fault, monkeypatch):
    monkeypatch.setattr(offer, "_offers", {})
    fault("finetune.v2.support_models", "error", code="AccessDenied", status=403)
    trainer = LLMFinetune("a-model-of-tomorrow", ROWS, TrainConfig(epoch=99))
    assert trainer.train_type == "a-model-of-tomorrow"


def test_a_strict_sandbox_offers_the_models_of_today(sandbox, control):
    control.post("/_sandbox/modes", json={"strict": True})
    try:
        names = {row.model for row in offer.read_offer(max_age_s=0)}
        assert names == {"ERNIE-4.5-Turbo-128K", "ERNIE-4.5-Turbo-32K", "ERNIE-Lite-8K-0308"}
        assert offer.default_model() == "ERNIE-4.5-Turbo-128K"
    finally:
        control.post("/_sandbox/modes", json={"strict": False})
        offer.read_offer(max_age_s=0)
    assert offer.default_model() == "ERNIE-4.5-Turbo-128K"


@pytest.mark.parametrize("dataset", [None, 7, [], {"a": 1}])
def test_a_dataset_of_another_kind_is_refused(sandbox, dataset):
    with pytest.raises(errors.InvalidArgumentError, match="pass a Dataset"):
        LLMFinetune("ERNIE-Speed-8K", dataset)


@pytest.mark.parametrize(
    ("config", "values", "words"),
    [
        (TrainConfig, {"epoch": "many"}, "TrainConfig.epoch='many'"),
        (TrainConfig, {"learning_rate": float("nan")}, "TrainConfig.learning_rate=nan"),
        (TrainConfig, {"corpus_config": {"copyData": "perhaps"}}, "corpus_config.copyData='perh"),
        (DeployConfig, {"replicas": 0}, "DeployConfig.replicas=0"),
        (DeployConfig, {"replica": 2}, "the fields are name"),
        (DeployConfig, {"endpoint_prefix": "有"}, "endpoint_prefix='有': use letters, digits"),
    ],
)
def test_a_value_of_the_wrong_kind_is_named(config, values, words):
    with pytest.raises(errors.InvalidArgumentError) as caught:
        config(**values)
    assert words in str(caught.value)


def test_every_hyper_parameter_is_a_keyword_and_can_be_changed():
    config = TrainConfig(epoch=1, logging_steps=10, lora_rank=8)
    config.epoch = 2
    config.warmup_ratio = 0.1
    assert (config.epoch, config.logging_steps) == (2, 10)
    assert config.hyper_parameters() == {
        "epoch": 2,
        "loggingSteps": 10,
        "loraRank": 8,
        "warmupRatio": 0.1,
    }
    with pytest.raises(errors.InvalidArgumentError, match=r"TrainConfig\.epoch=0"):
        config.epoch = 0
    with pytest.raises(AttributeError):
        _ = config.lora_alpha


def test_a_frame_is_trained_on_as_the_dataset_it_holds():
    row = {"id": 1, "prompt": "q", "response": "a"}
    (dataset,) = actions.load_sources(pd.DataFrame([row]))
    assert dataset.list() == [row]


def test_a_training_says_which_of_its_settings_the_sandbox_does_not_imitate(sandbox, caplog):
    config = TrainConfig(epoch=1, batch_size=4, extras={"lora_rank": 4})
    _notices.warn_once.cache_clear()
    LLMFinetune("ERNIE-Speed-8K", ROWS, config)
    assert "the sandbox does not imitate lora_rank: no effect here" in caplog.messages

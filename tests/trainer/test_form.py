"""The launch form as a value: its fields are the platform's, its rules the library's, and its code does the same."""

import json
from dataclasses import replace

import pytest

from qfnb import Dataset, config, errors
from qfnb.resources.management.finetune import FineTune
from qfnb.trainer import run_store
from qfnb.trainer.form import code_estimate, drafts
from qfnb.trainer.form.data import DatasetInfo, inspect_dataset, list_data_files
from qfnb.trainer.form.launch_form import Draft, LaunchForm

PAIRS = Dataset([{"prompt": f"问 {n}", "response": "答" * 20} for n in range(10)])
TEXTS = Dataset([{"text": "很长的文章" * 9}] * 10)
PREFERENCES = Dataset([{"prompt": f"问 {n}", "chosen": "好", "rejected": "坏"} for n in range(10)])
DATASETS = {"ds": PAIRS, "texts": TEXTS, "preferences": PREFERENCES}


@pytest.fixture
def form(sandbox):
    """A form without issues."""
    offer = tuple(FineTune.V2.supported_models().data)
    data = {name: inspect_dataset(name, DATASETS) for name in DATASETS}
    return LaunchForm(supported_models=offer, datasets=data).with_choice(model="ERNIE-Speed-8K", dataset="ds")


def with_values(form, **values):
    return form.with_choice(values={**form.draft.values, **values})


def test_a_model_brings_its_own_hyper_parameters_with_their_defaults(form):
    assert form.draft.values["learningRate"] == "0.0003"
    assert [row.key for row in form.with_choice(model="ERNIE-Lite-8K-0704").parameters] == ["epoch", "learningRate"]
    assert form.with_choice(scale="FullFineTuning").draft.values["learningRate"] == "3e-05"
    assert not form.issues


def test_what_was_typed_stays_when_another_model_is_chosen(form):
    changed = with_values(form, epoch="7").with_choice(model="SQLCoder-7B")
    assert changed.draft.values["epoch"] == "7"
    assert changed.draft.values["learningRate"] == "1e-06"


def test_each_model_and_parameter_scale_opens_without_issues(form):
    for row in form.supported_models:
        for mode in row.support_train_mode:
            for scale in mode.support_parameter_scale:
                data = {"PostPretrain": "texts", "DPO": "preferences", "KTO": "preferences"}.get(mode.train_mode, "ds")
                chosen = form.with_choice(dataset=data).with_choice(model=row.model).with_choice(mode=mode.train_mode)
                assert not chosen.with_choice(scale=scale.parameter_scale).issues


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("epoch", "51", "it is 1 to 50"),
        ("epoch", "1.5", "须为整数"),
        ("epoch", "0", "greater than or equal to 1"),
        ("learningRate", "fast", "须为数字"),
        ("learningRate", "nan", "finite"),
        ("weightDecay", "inf", "it is 0.0001 to 0.1"),
        ("maxSeqLen", 77, "is not offered"),
    ],
)
def test_a_wrong_hyper_parameter_is_an_issue_of_its_field_only(form, field, value, words):
    issues = with_values(form, **{field: value}).issues
    assert issues.keys() == {field}
    assert words in issues[field]


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"model": " "}, "model", "choose a model"),
        ({"held_out": "101"}, "held_out", "less than or equal to 100"),
        ({"held_out": "some"}, "held_out", "须为整数"),
        ({"dataset": ""}, "dataset", "choose a dataset"),
        ({"dataset": "elsewhere"}, "dataset", "reading"),
        ({"dataset": "texts"}, "dataset", "SFT needs 单轮问答"),
        ({"mode": "PostPretrain"}, "dataset", "PostPretrain needs 泛文本"),
        ({"after": "deploy", "suffix": "No Spaces"}, "suffix", "lower-case letters"),
        ({"after": "deploy", "replicas": "0"}, "replicas", "greater than or equal to 1"),
        ({"after": "deploy", "hours": "999"}, "hours", "less than or equal to 720"),
        ({"after": "evaluate"}, "eval_dataset", "choose a dataset"),
        ({"after": "publish", "hours": "999"}, "", ""),
    ],
)
def test_a_wrong_field_is_an_issue_with_the_reason(form, changes, field, words):
    issues = form.with_choice(**changes).issues
    assert set(issues) == ({field} if field else set())
    assert words in issues.get(field, "")


def test_a_train_mode_without_a_trainer_is_an_issue(form):
    row = form.supported_models[0].model_copy(deep=True)
    row.support_train_mode[0].train_mode = "RFT"
    chosen = replace(form, supported_models=(row,)).with_choice(model=row.model, mode="RFT")
    assert "RFT" in chosen.issues["mode"]


def test_an_unknown_model_is_warned_about_and_can_be_tried(form):
    chosen = form.with_choice(model="MyModel")
    assert "tried all the same" in chosen.warnings["model"]
    assert not chosen.issues
    assert code_estimate.create_trainer(chosen).train_type == "MyModel"


def test_several_choices_are_one_value(form):
    chosen = form.with_choice(model="CodeLlama-7B").with_choice(scale="LoRA")
    assert chosen.draft.values["loraTargetModules"] == ["self_attn.q_proj", "self_attn.v_proj"]
    assert "is not offered" in with_values(chosen, loraTargetModules=["mlp.x"]).issues["loraTargetModules"]


def test_a_hyper_parameter_that_the_model_lacks_is_an_issue(form):
    assert "has no hyper-parameter warp" in with_values(form, warp="9").issues["others"]


def test_rows_longer_than_the_model_reads_are_a_warning(form):
    data = {**form.datasets, "ds": replace(form.datasets["ds"], lengths=(9000, 12))}
    assert "1 rows have more" in replace(form, datasets=data).warnings["dataset"]


def test_the_code_makes_the_trainer_that_a_launch_makes(form):
    values = {"suffix": "demo_1", "hours": "2", "name": "茶 “铺”", "model_name": "tea", "eval_dataset": "ds"}
    chosen = with_values(form, epoch="3").with_choice(after="evaluate", held_out="10", **values)
    script = code_estimate.render_code(chosen, frozenset(DATASETS)).split("trainer.start()")[0]
    namespace = dict(DATASETS)
    exec(compile(script, "cell", "exec"), namespace)
    assert action_settings(namespace["trainer"]) == action_settings(code_estimate.create_trainer(chosen))


def action_settings(trainer):
    return [
        {key: value for key, value in action.to_dict().items() if key not in {"id", "name"}}
        for action in trainer.ppls[0].actions
    ]


@pytest.mark.parametrize("mode", ["SFT", "PostPretrain"])
def test_a_train_mode_has_its_own_trainer(form, mode):
    chosen = form.with_choice(mode=mode, dataset="ds" if mode == "SFT" else "texts", after="train")
    trainer = code_estimate.create_trainer(chosen)
    assert trainer.train_mode == mode
    assert [type(action).__name__ for action in trainer.ppls[0].actions] == ["LoadDataSetAction", "TrainAction"]


def test_a_wrong_form_has_no_code_and_no_trainer(form):
    wrong = with_values(form, epoch="99")
    assert not code_estimate.render_code(wrong)
    with pytest.raises(errors.InvalidArgumentError, match="epoch=99"):
        code_estimate.create_trainer(wrong)


def test_hostile_names_stay_texts_in_the_code(form):
    script = code_estimate.render_code(
        form.with_choice(name='"); import os; ("', model_name="a\nb"), frozenset(DATASETS)
    )
    assert compile(script.split("trainer.start()")[0], "cell", "exec")
    assert r'name="\"); import os; (\""' in script


def test_an_estimate_has_rows_tokens_and_steps(form):
    estimate = code_estimate.estimate_launch(with_values(form, epoch="3", batchSize="4"))
    assert (estimate.train_rows, estimate.steps) == (8, 6)
    assert estimate.tokens == round(form.datasets["ds"].tokens * 0.8 * 3)


def test_an_unknown_quantity_has_a_reason(form):
    lines = dict(code_estimate.estimate_launch(form.with_choice(model="ERNIE-Lite-8K-0704")).lines())
    assert lines["步数 steps"].startswith("n/a")
    assert "ceil(train rows" in lines["步数 steps"]
    assert lines["价格 price"].startswith("未知 unknown")
    assert lines["时间 time"].startswith("n/a")


def test_the_time_is_estimated_from_earlier_runs_of_the_model(form):
    estimate = code_estimate.estimate_launch(replace(form, step_seconds={"ERNIE-Speed-8K": 2.0}))
    assert estimate.seconds == 2.0 * estimate.steps


def test_a_configuration_comes_back_as_it_was_saved(form):
    drafts.save("茶铺-1", form.draft)
    assert drafts.load("茶铺-1") == form.draft
    assert "茶铺-1" in drafts.list_names()
    assert (config.state_dir() / "launches" / "茶铺-1.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", ["", " ", "../up", "a/b", "a b", ".hidden", "-x", "x" * 61, "a\0b", "a\nb"])
def test_an_invalid_name_is_refused(name):
    with pytest.raises(errors.InvalidArgumentError):
        drafts.save(name, Draft())


@pytest.mark.parametrize("content", ["", "[]", "{", "null", '{"model": 7}', '{"epoch": 1}', '{"after": "fly"}'])
def test_a_file_that_is_not_a_draft_is_reported(content):
    drafts.save("broken", Draft())
    (config.state_dir() / "launches" / "broken.json").write_text(content, encoding="utf-8")
    with pytest.raises(errors.InvalidArgumentError, match="cannot be read"):
        drafts.load("broken")


def test_an_unknown_configuration_is_reported_with_the_saved_names():
    drafts.save("known", Draft())
    with pytest.raises(errors.InvalidArgumentError, match="known"):
        drafts.load("unknown")


def test_a_past_run_can_be_cloned(form):
    chosen = with_values(form, epoch="3").with_choice(after="deploy", suffix="tea", hours="2", model_name="m")
    trainer = code_estimate.create_trainer(chosen)
    trainer.save()
    assert any(line.startswith(trainer.id) for line in drafts.list_past_runs())
    draft = drafts.load(f"{trainer.id} ERNIE-Speed-8K")
    assert (draft.model, draft.scale, draft.values["epoch"]) == ("ERNIE-Speed-8K", "LoRA", 3)
    assert (draft.after, draft.suffix, draft.hours, draft.model_name) == ("deploy", "tea", "2", "m")
    assert not replace(form, draft=draft.model_copy(update={"dataset": "ds"})).issues


def test_a_run_started_elsewhere_cannot_be_cloned():
    run = run_store.RunRecord.begin()
    run.update(task_id="task-1")
    with pytest.raises(errors.InvalidArgumentError, match="started elsewhere"):
        drafts.load(run.id)


def test_a_file_a_variable_and_an_id_are_found(sandbox, tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_text(json.dumps({"prompt": "问", "response": "答"}) + "\n", encoding="utf-8")
    assert inspect_dataset(str(path), {}).rows == 1
    assert inspect_dataset("ds", DATASETS).dataset is PAIRS
    remote = inspect_dataset(PAIRS.save(qianfan="launch"), {})
    assert (remote.rows, remote.tokens, remote.problem) == (10, None, "")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("nowhere.jsonl", "nowhere.jsonl"),
        ("ds-nowhere", "ds-nowhere"),
        ("x" * 5000, "too long"),
        ("a\0b", "the name ends in none of"),
    ],
)
def test_a_dataset_that_is_not_found_has_a_problem_and_raises_nothing(sandbox, source, words):
    info = inspect_dataset(source, {})
    assert words in info.problem
    assert info.dataset is None


def test_the_tokens_of_a_large_dataset_are_estimated(monkeypatch):
    counted = inspect_dataset("ds", DATASETS)
    monkeypatch.setattr("qfnb.trainer.form.data.MAX_COUNTED_ROWS", 5)
    estimated = inspect_dataset("ds", DATASETS)
    assert estimated.lengths == ()
    assert estimated.tokens == pytest.approx(counted.tokens, rel=0.1)


def test_files_beside_the_notebook_are_offered(tmp_path):
    (tmp_path / "data").mkdir()
    for name in ("a.jsonl", "data/b.csv", ".hidden.jsonl", "notes.md"):
        (tmp_path / name).write_text("")
    assert list_data_files(tmp_path) == ["a.jsonl", "data/b.csv"]


def test_an_empty_dataset_is_an_issue(form):
    empty = {**form.datasets, "ds": DatasetInfo("ds", Dataset([]), 0, 0)}
    assert "no rows" in replace(form, datasets=empty).issues["dataset"]

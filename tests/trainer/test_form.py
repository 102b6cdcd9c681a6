"""The launch form as a value: its fields are the platform's, its rules the library's, and its code
does the same.
"""

import json
from dataclasses import replace

import pytest

from qfnb import Dataset, config, errors
from qfnb.dataset.file_reader import list_data_files
from qfnb.resources.management.finetune import FineTune
from qfnb.trainer.form import code_estimate, drafts
from qfnb.trainer.form.inspection import inspect_dataset
from qfnb.trainer.form.launch_form import Draft, LaunchForm
from qfnb.trainer.form.validation import find_issues, find_warnings

PAIRS = Dataset([{"prompt": f"问 {n}", "response": "答" * 20} for n in range(10)])
TEXTS = Dataset([{"text": "很长的文章" * 9}] * 10)
PREFERENCES = Dataset([{"prompt": f"问 {n}", "chosen": "好", "rejected": "坏"} for n in range(10)])
DATASETS = {"ds": PAIRS, "texts": TEXTS, "preferences": PREFERENCES, "empty": Dataset([])}


@pytest.fixture
def form(sandbox):
    """A form without issues."""
    offer = tuple(FineTune.V2.supported_models().data)
    data = {name: inspect_dataset(name, DATASETS) for name in DATASETS}
    return LaunchForm(supported_models=offer, datasets=data).with_choice(
        model="ERNIE-Speed-8K", dataset="ds"
    )


def with_values(form, **values):
    return form.with_choice(values={**form.draft.values, **values})


def test_a_model_brings_its_own_hyper_parameters_with_their_defaults(form):
    assert form.hyper_parameters()["learningRate"] == 0.0003
    assert [row.key for row in form.with_choice(model="ERNIE-Lite-8K-0704").parameters] == [
        "epoch",
        "learningRate",
    ]
    assert form.with_choice(scale="FullFineTuning").hyper_parameters()["learningRate"] == 3e-05
    assert not form.draft.values
    assert not find_issues(form)


def test_each_model_and_parameter_scale_opens_without_issues(form):
    for row in form.supported_models:
        for mode in row.support_train_mode:
            for scale in mode.support_parameter_scale:
                data = {"PostPretrain": "texts", "DPO": "preferences", "KTO": "preferences"}.get(
                    mode.train_mode, "ds"
                )
                chosen = (
                    form.with_choice(dataset=data)
                    .with_choice(model=row.model)
                    .with_choice(mode=mode.train_mode)
                )
                method = f"{mode.train_mode} {scale.parameter_scale}"
                assert method in chosen.methods
                assert not find_issues(chosen.with_choice(method=method))


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("epoch", "1.5", "“1.5” is not a whole number."),
        ("epoch", "0", "0 is too small: 1 to 50"),
        ("learningRate", "fast", "“fast” is not a number."),
        ("learningRate", "nan", "nan is too small"),
        ("weightDecay", "inf", "inf is too large: 0.0001 to 0.1"),
    ],
)
def test_a_hyper_parameter_that_cannot_be_sent_is_an_issue_of_its_field_only(
    form, field, value, words
):
    wrong = with_values(form, **{"epoch": "4", field: value})
    issues = find_issues(wrong)
    assert issues.keys() == {field}
    assert words in issues[field].message
    assert not find_issues(wrong.with_choice(**issues[field].fixes))


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("epoch", "51", "51 is too large: 1 to 50 is allowed. The platform's list may be old"),
        ("learningRate", "0.5", "0.5 is too large: 0.000001 to 0.001 is allowed."),
        ("maxSeqLen", 77, "77 is not offered: choose one of 512, 1024, 2048, 4096, 8192."),
        ("warp", "9", "has no hyper-parameter warp"),
    ],
)
def test_a_hyper_parameter_that_the_list_does_not_have_is_warned_of_and_can_be_launched(
    form, field, value, words
):
    chosen = with_values(form, **{field: value})
    assert not find_issues(chosen)
    warnings = find_warnings(chosen)
    assert words in warnings["others" if field == "warp" else field]
    assert code_estimate.create_trainer(chosen).ppls[0].actions[1].train_config.hyper_parameters()


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"model": " "}, "model", "Choose a model"),
        ({"held_out": "101"}, "held_out", "101 is too large: 0 to 100"),
        ({"dataset": ""}, "dataset", "Choose a variable"),
        ({"dataset": "elsewhere"}, "dataset", "Reading"),
        ({"dataset": "empty"}, "dataset", "no rows"),
        ({"dataset": "texts"}, "dataset", "SFT needs questions and answers"),
        ({"mode": "PostPretrain"}, "dataset", "PostPretrain needs texts"),
        ({"after": "deploy", "suffix": "No Spaces"}, "suffix", "lower-case letters"),
        ({"after": "deploy", "hours": "0"}, "hours", "0 is too small: 1 or more"),
        ({"after": "publish", "hours": "0"}, "", ""),
    ],
)
def test_a_wrong_field_is_an_issue_with_the_reason(form, changes, field, words):
    issues = find_issues(form.with_choice(**changes))
    assert set(issues) == ({field} if field else set())
    assert not field or words in issues[field].message


def test_a_train_mode_without_a_trainer_is_an_issue(form):
    row = form.supported_models[0].model_copy(deep=True)
    row.support_train_mode[0].train_mode = "RFT"
    chosen = replace(form, supported_models=(row,)).with_choice(model=row.model, mode="RFT")
    assert "RFT" in find_issues(chosen)["method"].message


def test_an_unknown_model_is_warned_about_and_can_be_tried(form):
    chosen = form.with_choice(model="MyModel")
    assert "tried all the same" in find_warnings(chosen)["model"]
    assert not find_issues(chosen)
    assert code_estimate.create_trainer(chosen).train_type == "MyModel"


def test_rows_longer_than_the_model_reads_are_a_warning(form):
    data = {**form.datasets, "ds": replace(form.datasets["ds"], lengths=(9000, 12))}
    assert (
        "1 row has more than 4,096 tokens" in find_warnings(replace(form, datasets=data))["dataset"]
    )


def test_a_name_that_is_taken_is_a_warning_and_no_name_at_all_an_issue(form):
    assert (
        "will be replaced"
        in find_warnings(replace(form, variable="ds", taken_names=frozenset({"ds"})))["variable"]
    )
    for name in ("2x", "class", "a b"):
        assert (
            "is not a Python name"
            in find_issues(form.with_choice(variable=name))["variable"].message
        )


def test_the_code_makes_the_trainer_that_a_launch_makes(form):
    values = {
        "suffix": "demo_1",
        "hours": "2",
        "name": "茶 “铺”",
        "model_name": "tea",
        "eval_dataset": "ds",
    }
    variables = {**DATASETS, "frame": PAIRS.to_pandas()}
    data = {name: inspect_dataset(name, variables) for name in ("frame", "ds")}
    chosen = with_values(replace(form, datasets=data), epoch="3").with_choice(
        dataset="frame", after="evaluate", held_out="10", **values
    )
    script = code_estimate.render_code(chosen, frozenset(variables)).split("trainer.start()")[0]
    namespace = dict(variables)
    exec(compile(script, "cell", "exec"), namespace)
    assert action_settings(namespace["trainer"]) == action_settings(
        code_estimate.create_trainer(chosen)
    )


def action_settings(trainer):
    return [
        {key: value for key, value in action.to_dict().items() if key not in {"id", "name"}}
        for action in trainer.ppls[0].actions
    ]


def test_a_wrong_form_has_no_code_and_no_trainer(form):
    wrong = with_values(form, epoch="0")
    assert not code_estimate.render_code(wrong)
    with pytest.raises(errors.InvalidArgumentError, match="epoch: 0 is too small"):
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
    assert estimate.tokens == round(form.datasets["ds"].tokens * 0.8)
    assert estimate.seconds > 0


def test_a_configuration_comes_back_as_it_was_saved(form):
    drafts.save("茶铺-1", form.draft)
    assert drafts.load("茶铺-1") == form.draft
    assert "茶铺-1" in drafts.list_names()
    assert (config.state_dir() / "launches" / "茶铺-1.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", ["", "../up", "a b", ".hidden", "x" * 61, "a\nb"])
def test_an_invalid_name_is_refused(name):
    with pytest.raises(errors.InvalidArgumentError):
        drafts.save(name, Draft())


@pytest.mark.parametrize("content", ["", "[]", '{"model": 7}', '{"after": "fly"}'])
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
    chosen = with_values(form, epoch="3").with_choice(
        after="deploy", suffix="tea", hours="2", model_name="m"
    )
    trainer = code_estimate.create_trainer(chosen)
    trainer.save()
    assert any(line.startswith(trainer.id) for line in drafts.list_configurations())
    draft = drafts.load(f"{trainer.id} ERNIE-Speed-8K")
    assert (draft.model, draft.scale, draft.values["epoch"]) == ("ERNIE-Speed-8K", "LoRA", 3)
    assert (draft.after, draft.suffix, draft.hours, draft.model_name) == ("deploy", "tea", "2", "m")
    assert not find_issues(replace(form, draft=draft.model_copy(update={"dataset": "ds"})))


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
        ("nosuchvar", "There is no variable nosuchvar; there are ds, texts, preferences, empty."),
    ],
)
def test_a_dataset_that_is_not_found_has_a_problem_and_raises_nothing(sandbox, source, words):
    info = inspect_dataset(source, DATASETS)
    assert words in info.problem
    assert info.dataset is None


def test_files_beside_the_notebook_are_offered(tmp_path):
    (tmp_path / "data").mkdir()
    for name in ("a.jsonl", "data/b.csv", ".hidden.jsonl", "notes.md"):
        (tmp_path / name).write_text("")
    assert list_data_files(tmp_path) == ["a.jsonl", "data/b.csv"]

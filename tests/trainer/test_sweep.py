"""Sweeps against the sandbox: queued, taken over, stopped, compared; nothing is trained twice."""

import pytest
from support.finetune_runs import ANSWERS, LONG, PAIRS
from support.raw_http import set_clock
from support.waiting import until

import qfnb
from qfnb import Dataset, TrainConfig, errors
from qfnb.resources import FineTune
from qfnb.sandbox import ensure
from qfnb.trainer.sweep import expand_grid

MODEL = "ERNIE-Speed-8K"
ROWS = [row | {"prompt": f"茶馆{row['prompt']}"} for row in PAIRS]
GRID = {"epoch": [1, 2, 3]}
QUESTIONS = [
    {"prompt": f"{before}{ask}", "response": answer}
    for ask, answer in ANSWERS.items()
    for before in "请那这来问喂您"
]


def create(rows=ROWS, grid=GRID, **options):
    return qfnb.sweep(MODEL, Dataset(rows), grid, **options)


@pytest.fixture(scope="module")
def swept():
    """A sweep that has ended."""
    set_clock(ensure(), speed=50)
    try:
        return create(eval_dataset=QUESTIONS, base="ernie-4.5-turbo-128k", parallel=1).run()
    finally:
        set_clock(ensure(), speed=1)


def count_runs(sweep):
    jobs = {training.job_id for training in sweep.progress.trainings.values()}
    return sum(len(FineTune.V2.task_list(job)["result"]["taskList"]) for job in jobs)


def test_each_config_of_the_grid_is_trained_and_published(sandbox, swept):
    assert [*swept.trainers] == ["epoch=1", "epoch=2", "epoch=3"]
    assert [trainer.status for trainer in swept.trainers.values()] == ["ModelPublished"] * 3
    assert set(swept.curves()["training"]) == {*swept.trainers}
    assert swept.progress.lowest_loss in swept.trainers


def test_every_model_is_compared_with_the_base_and_the_best_is_corrected(sandbox, swept):
    assert swept.report.models == ("ernie-4.5-turbo-128k", "epoch=1", "epoch=2", "epoch=3")
    assert swept.report.from_sandbox
    choice = swept.progress.choose()
    assert (choice.candidates, swept.best) == (3, swept.trainers[choice.label])
    assert choice.corrected == pytest.approx(choice.gain, abs=0.1)


def test_the_same_sweep_again_trains_nothing(sandbox, swept):
    again = create([dict(row) for row in ROWS]).run()
    assert again.progress.reused == {*swept.trainers}
    assert [row.task_id for row in again.progress.trainings.values()] == [
        row.task_id for row in swept.progress.trainings.values()
    ]
    assert count_runs(swept) == 3


def test_rows_that_are_trained_on_and_evaluated_are_named_before_anything_starts():
    rows = [QUESTIONS[0], {"prompt": f" {ROWS[1]['prompt']} ", "response": "x"}, QUESTIONS[1]]
    reason = "1 of 3 evaluation rows nearly repeats a training row: .* For example"
    with pytest.warns(UserWarning, match=reason):
        create(eval_dataset=rows)


def test_a_larger_grid_trains_only_what_is_new(sandbox, swept):
    larger = create(
        grid=[*({"epoch": n} for n in (1, 2, 3)), TrainConfig(epoch=1, learning_rate=1e-4)]
    ).run()
    assert len(larger.progress.reused) == 3
    assert len(larger.progress.done) == 4


def test_stop_ends_those_that_run_and_starts_no_others(sandbox):
    sweep = qfnb.sweep(
        MODEL, Dataset.load(LONG), {"epoch": [48, 49, 50]}, parallel=2, again=True
    ).start()
    until(lambda: sum(bool(row.task_id) for row in sweep.progress.trainings.values()) == 2)
    sweep.stop().wait(180)
    progress = sweep.progress
    assert [row.stopped for row in progress.trainings.values()] == [True, True, False]
    assert (progress.waiting, progress.is_stopped, progress.is_finished) == (
        ("epoch=50",),
        True,
        True,
    )


def test_one_that_fails_does_not_end_the_others_and_all_that_fail_raise(sandbox, fault):
    fault("finetune.v2.create_job", "status", status=400, code="InvalidParameter")
    sweep = create(ROWS[:6], grid={"epoch": [1, 2]}, parallel=1).run()
    assert [row.failed for row in sweep.progress.trainings.values()] == [True, False]
    lost = qfnb.sweep("NoSuchModel", Dataset(ROWS), {"epoch": [1, 2]})
    with pytest.raises(errors.TrainingError, match="no training of the sweep has a result: "):
        lost.run()


def test_the_estimate_counts_the_tokens_of_all_trainings(sandbox, swept):
    estimate = swept.estimate()
    assert estimate.startswith("3 trainings · 1 at a time · ")
    assert estimate.endswith("tokens to train on · free in the sandbox")


@pytest.mark.parametrize(
    ("grid", "reason"),
    [
        ({"epoch": 3}, "a grid has a list of values"),
        ({"epoch": [3]}, "the grid has 1 trainings: a sweep has 2 to 100"),
        ([{"epoch": 1}, TrainConfig(epoch=1)], "epoch=1 twice|defaults twice"),
        ({"epoch": [1, 0]}, "TrainConfig.epoch=0"),
        ("epoch", "not a str"),
    ],
)
def test_a_wrong_grid_is_refused_before_anything_is_asked(scripted, grid, reason):
    server = scripted()
    with pytest.raises(errors.InvalidArgumentError, match=reason):
        create(grid=grid)
    assert not server.requests


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"parallel": 0}, "parallel=0"),
        ({"train_mode": "RL"}, "train_mode"),
        ({"eval_dataset": [{"prompt": "a"}]}, "needs rows with prompt and response"),
        ({"eval_dataset": QUESTIONS, "metrics": ["nonsense"]}, "nonsense"),
    ],
)
def test_a_wrong_option_is_refused_before_anything_is_asked(scripted, options, reason):
    server = scripted()
    with pytest.raises(errors.InvalidArgumentError, match=reason):
        create(**options)
    assert not server.requests


def test_labels_say_what_differs_and_extras_are_hyper_parameters():
    grid = expand_grid(
        {"learningRate": [1e-4, 3e-4], "warmup_ratio": [0, 0.1]}, TrainConfig(epoch=2)
    )
    assert next(iter(grid)) == "learning_rate=0.0001, warmup_ratio=0"
    assert {config.epoch for config in grid.values()} == {2}
    assert grid["learning_rate=0.0003, warmup_ratio=0.1"].hyper_parameters()["warmupRatio"] == 0.1


@pytest.mark.parametrize(
    ("grid", "name"),
    [
        ({"lora_rank": [8, 64]}, "lora_rank"),
        ([{"epoch": 1, "lora_all_linear": "False"}, {"epoch": 2}], "lora_all_linear"),
    ],
)
def test_a_hyper_parameter_that_the_sandbox_does_not_imitate_is_no_axis(sandbox, grid, name):
    with pytest.raises(
        errors.InvalidArgumentError,
        match=f"does not imitate {name}: .*compares a model with itself",
    ):
        create(grid=grid)

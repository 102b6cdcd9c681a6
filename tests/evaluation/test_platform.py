"""Evaluations of the platform: finished versions are fetched, the rows of the others are failed,
never lost.
"""

import io
import json
import zipfile

import pytest
from support.evaluation_sandbox import ANSWERS, PEOPLE, REFEREE, RULES, run_evaluation_sandbox
from support.scripted_server import http_answer

from qfnb import Dataset, EvaluationManager, Model, QianfanError, config
from qfnb.errors import DatasetError
from qfnb.evaluation import platform
from qfnb.evaluation.evaluator import (
    QianfanEvaluator,
    QianfanManualEvaluator,
    QianfanRefereeEvaluator,
    QianfanRuleEvaluator,
)
from qfnb.evaluation.local_evaluators import evaluators_by_name
from qfnb.wire import evaluation as wire

BOTH = QianfanRuleEvaluator(using_similarity=True, using_accuracy=True)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with run_evaluation_sandbox(tmp_path_factory.mktemp("lab")) as lab:
        yield lab


@pytest.fixture
def lab(shared):
    shared.connect()
    now = config.get_config()
    now.evaluation_online_polling_interval = now.batch_run_status_polling_interval = 0.02
    return shared


@pytest.fixture
def empty(lab):
    """A version whose model does not exist any more."""
    fields = {
        key: value
        for key, value in lab.trained_version.items()
        if key not in {"id", "number", "created"}
    }
    if (version := lab.world.store.get("version", "amv-empty")) is not None:
        return version
    return lab.world.store.add(
        "version", "amv-empty", **fields | {"task": "task-none", "version": "2"}
    )


def test_two_models_are_judged_and_compared(lab):
    models = [Model(id=version["id"]) for version in (lab.untrained_version, lab.trained_version)]
    report = EvaluationManager(qianfan_evaluators=[BOTH]).eval(models, questions(lab))
    assert report.metrics["knows_1"]["accuracy"] == 1
    assert [*report.samples.groupby("model")["rouge_l"].mean().round(2)][1] == 1
    assert (
        set(report.samples_of("knows_1"))
        == set(report.samples_of("ignorant_1"))
        == set(range(len(ANSWERS)))
    )


REQUIRED = {
    QianfanRuleEvaluator: {"using_accuracy": True},
    QianfanRefereeEvaluator: {"app_id": 7},
    QianfanManualEvaluator: {},
}
"""What each evaluator of the platform must be told; everything else has its default."""


@pytest.fixture
def strict(lab, monkeypatch):
    monkeypatch.setattr(lab.world, "modes", lab.world.modes.model_copy(update={"strict": True}))
    return lab


def test_a_strict_platform_takes_the_defaults_of_every_evaluator(strict):
    assert {*QianfanEvaluator.__subclasses__()} == {*REQUIRED}
    for evaluator, required in REQUIRED.items():
        assert strict.create(
            {"evalMode": evaluator.mode, **evaluator(**required).conf()}
        ).startswith("ame-")


def questions(lab):
    return Dataset.load(qianfan_dataset_id=lab.dataset)


def test_a_partly_done_evaluation_is_fetched_and_the_other_rows_failed(lab, empty):
    id_ = lab.create(RULES, lab.trained_version, empty)
    report = EvaluationManager.fetch(id_)
    done, failed = report.model_usage
    assert (done.answered, failed.answered, failed.total) == (len(ANSWERS), 0, len(ANSWERS))
    error = report.samples["error"].iloc[-1]
    assert error.startswith("NotAnswered: ")
    assert "task-none has no model" in error
    assert "PartlyDone" in report.notes[0]


def test_nothing_that_could_be_evaluated_is_an_error(lab, empty):
    with pytest.raises(QianfanError, match="Failed"):
        EvaluationManager.fetch(lab.create(RULES, empty))


def test_people_are_waited_for_elsewhere(lab):
    assert EvaluationManager.fetch(lab.create(PEOPLE, lab.trained_version)) is None


def test_the_referees_points_have_their_scale(lab):
    report = platform.fetch_report(lab.create(REFEREE, lab.trained_version), 5)
    assert report.scales == {"judge_score": (0, 5)}
    assert report.model_scores[0].best <= 5


def test_our_numbers_stand_beside_the_platforms(lab):
    report = EvaluationManager.fetch(lab.create(RULES, lab.trained_version, lab.untrained_version))
    ours = report.rescore(
        evaluators_by_name(["rouge_1", "rouge_2", "rouge_l", "bleu4"], recipe="qianfan")
    )
    names = [*ours.metric_names]
    assert len(ours.samples) == 2 * len(ANSWERS)
    assert (ours.samples[names] - report.samples[names]).abs().max().max() < 0.0001


def test_a_model_answers_here_without_a_service(lab):
    report = EvaluationManager(local_evaluators=evaluators_by_name(["exact_match"])).eval(
        [Model(id=lab.untrained_version["id"]), Model(id=lab.trained_version["id"])], questions(lab)
    )
    assert report.models == ("ignorant", "knows")
    assert [score.mean for score in report.model_scores] == [0, 1]


def test_a_question_has_one_index_for_all_models_though_one_missed_it():
    rows = [
        {
            "模型名称": name,
            "模型版本": "1",
            "Prompt问题": question,
            "模型结果": "x",
            "ROUGE-L": score,
        }
        for name, question, score in [
            ("a", "q1", "10%"),
            ("a", "q2", "--"),
            ("b", "q2", "7.84%"),
            ("b", "q2", "1"),
        ]
    ]
    report = platform._build_report(rows, {}, wire.TaskDetail(state="Done"))
    assert [(s.model, s.index, s.scores) for s in report.records] == [
        ("a_1", 0, {"rouge_l": 0.1}), ("a_1", 1, {}), ("b_1", 1, {"rouge_l": 0.0784}), ("b_1", 2, {"rouge_l": 1}),
    ]  # fmt: skip


def zipped(content, name="data.jsonl"):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


@pytest.mark.fault("F82")
@pytest.mark.parametrize(
    ("make_zip", "message"),
    [
        (lambda: b"no zip", "not a zip that can be read"),
        (lambda: zipped(b"[" * 100_000), "data.jsonl:1: not JSON"),
        (lambda: zipped(bytes(100 << 20)), "more than 200 times smaller"),
        (lambda: zipped(b"{}", "../data.jsonl"), "leads out of it"),
        (lambda: zipped(b""), "holds no"),
    ],
)
def test_results_that_are_no_rows_are_refused_in_words(lab, scripted, make_zip, message):
    here = scripted([b""])
    done = json.dumps(
        {"result": {"state": "Done", "downloadUrl": f"{here.url}/results.zip"}}
    ).encode()
    export = json.dumps({"result": {"exportID": 1, "exportIDStr": "x"}}).encode()
    here.answers[:] = [
        [http_answer(export)],
        [http_answer(done)],
        [http_answer(make_zip(), kind="application/zip")],
    ]
    with pytest.raises(DatasetError, match=message):
        list(platform._export_rows("ame-x"))


@pytest.mark.fault("F81")
def test_nothing_is_written_or_removed_in_the_working_directory(lab, tmp_path, monkeypatch):
    (tmp_path / "tmp_folder").mkdir()
    (tmp_path / "tmp.zip").write_bytes(b"mine")
    monkeypatch.chdir(tmp_path)
    assert EvaluationManager.fetch(lab.create(RULES, lab.trained_version)) is not None
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["tmp.zip", "tmp_folder"]
    assert (tmp_path / "tmp.zip").read_bytes() == b"mine"

"""What there is on the platform, as DataFrames."""

import pytest

import qfnb
from qfnb import Dataset, DeployConfig, LLMFinetune, TrainConfig, errors
from qfnb.resources.management import listings

ROWS = [
    {"prompt": f"几点开门{end}", "response": "早上九点。"}
    for end in ("", "？", "呀", "呢", "啊", "吗")
]


@pytest.fixture(scope="module")
def trained():
    deploy = DeployConfig(endpoint_suffix="seen")
    return LLMFinetune(
        "ERNIE-Speed-8K", Dataset(ROWS, name="seen"), TrainConfig(epoch=1), deploy, name="seen"
    ).run()


def test_jobs_have_a_row_per_run(sandbox, trained):
    frame = qfnb.jobs()
    row = frame[frame.task_id == trained.output["task_id"]].iloc[0]
    assert (row["name"], row["status"], row["model"]) == ("seen", "Done", "ERNIE-Speed-8K")
    assert row["finished"] >= row["created"]


def test_services_tell_what_can_be_asked(sandbox, trained):
    frame = qfnb.services()
    row = frame[frame.service_id == trained.output["service_id"]].iloc[0]
    assert (row["endpoint"], row["status"]) == (trained.output["service_endpoint"], "Serving")
    assert qfnb.ChatCompletion(endpoint=row["endpoint"]).do("几点开门").text == "早上九点。"


def test_datasets_count_their_rows(sandbox, trained):
    frame = qfnb.datasets()
    row = frame[frame.version_id == trained.output["datasets"][0]["id"]].iloc[0]
    assert (row["name"], row["rows"]) == ("seen", 6)


def test_more_than_a_page_is_fetched(sandbox, trained, monkeypatch):
    monkeypatch.setattr(listings, "PAGE_SIZE", 1)
    Dataset(ROWS[:3], name="second").release()
    assert len(qfnb.datasets(2)) == 2


@pytest.mark.parametrize("limit", [0, -1, "many", True])
def test_a_wrong_number_is_refused(limit):
    with pytest.raises(errors.InvalidArgumentError, match="limit="):
        qfnb.jobs(limit)

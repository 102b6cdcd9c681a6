"""Ten notebooks in the style of the SDK's documentation run under it, and as `qfnb migrate`
rewrites them under qfnb.
"""

import json
from pathlib import Path

import pytest
from support import finetune_runs
from support.both_packages import run_under_both

from qfnb.cli.migrate import migrate_file
from qfnb.dataset import Dataset
from qfnb.resources.management.storage import Storage
from qfnb.sandbox import ensure

pytestmark = pytest.mark.peer

FILES = sorted((Path(__file__).parent / "notebooks").glob("*.py"))
NAMES = [file.stem for file in FILES]


@pytest.fixture(scope="module")
def migrations():
    return {file.stem: migrate_file(file) for file in FILES}


@pytest.fixture(scope="module")
def results(migrations, tmp_path_factory):
    """What the notebooks result in, by package."""
    folder = tmp_path_factory.mktemp("notebooks")
    url = ensure().url
    for name, migration in migrations.items():
        (folder / f"{name}.py").write_bytes(migration.content)
    questions = "".join(json.dumps({"id": str(n), "query": "你是谁"}) + "\n" for n in range(3))
    Storage.upload("bos:/sandbox/notebook/in/a.jsonl", questions.encode())
    preferences = [{"prompt": f"问题{n}", "chosen": "好的。", "rejected": "不。"} for n in range(6)]
    variables = {
        "DATASET_ID": finetune_runs.create_dataset(),
        "PREFERENCES_ID": Dataset(preferences).release(),
        "INPUT_BOS_URI": "bos:/sandbox/notebook/in/",
        "OUTPUT_BOS_URI": "bos:/sandbox/notebook/out/",
        "ENDPOINT_URL": f"{url}/rpc/2.0/ai_custom/v1/wenxinworkshop/chat/eb-instant",
    }
    variables |= {
        f"QIANFAN_{stage}_STATUS_POLLING_INTERVAL": "0.1"
        for stage in ("TRAIN", "MODEL_PUBLISH", "EXPORT")
    }
    files = {"qianfan": FILES, "qfnb": sorted(folder.glob("*.py"))}
    return run_under_both(files, tmp_path_factory.mktemp("cache"), **variables)


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs_under_both_and_results_in_the_same(results, name):
    for package in results:
        assert "raised" not in results[package][name], (package, results[package][name]["trace"])
    assert results["qfnb"][name]["result"] == results["qianfan"][name]["result"]


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_left_to_do_by_hand(migrations, name):
    assert [message for *_, kind, message in migrations[name].findings if kind == "manual"] == []

"""A sandbox that is killed in the middle of an import finishes it when it comes back."""

import os
import signal

import pytest
from support.datasets import BUCKET, PAIR, jsonl
from support.raw_http import connect, signed_headers, storage_request

from qfnb.sandbox import ensure, stop

DATASET = "/wenxinworkshop/dataset"


@pytest.fixture
def home(tmp_path):
    yield tmp_path / "sandbox"
    stop(tmp_path / "sandbox")


def called(address, verb, **body):
    path = f"{DATASET}/{verb}"
    with connect(address) as http:
        return http.post(path, json=body, headers=signed_headers(address, "POST", path)).json()[
            "result"
        ]


def controlled(address, name, **body):
    headers = {"authorization": f"Bearer {address.control_token}"}
    with connect(address) as http:
        http.post(f"/_sandbox/{name}", json=body, headers=headers).raise_for_status()


def start_import(address, content):
    """Begin an import that takes an hour."""
    controlled(address, "durations", **{"import": 3600})
    with connect(address) as http:
        storage_request(address, http, "PUT", f"/bos/{BUCKET}/a.jsonl", content)
    dataset_id = called(address, "create", name="x", storageType="sysBos")["datasetId"]
    called(address, "import", datasetId=dataset_id, files=[f"bos:/{BUCKET}/a.jsonl"])
    return dataset_id


def state(address, dataset_id):
    version = called(address, "info", datasetId=dataset_id)["versionInfo"]
    return version["importStatus"], version["entityCount"], version["importErrorInfo"]


def killed(address, home):
    os.kill(address.pid, signal.SIGKILL)
    return ensure(home)


def test_an_import_is_finished_after_a_kill(home):
    address = ensure(home)
    dataset_id = start_import(address, jsonl(PAIR, PAIR))
    assert state(address, dataset_id) == (1, 0, "")
    address = killed(address, home)
    assert state(address, dataset_id) == (1, 0, "")
    controlled(address, "clock", advance=3601)
    assert state(address, dataset_id) == (2, 2, "")
    assert called(address, "release", datasetId=dataset_id) is True

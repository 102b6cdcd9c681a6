"""Datasets of the sandbox: made, filled and watched as a user of the library does it."""

import io
import json
import zipfile

import httpx
import pytest

from qfnb import connect, errors
from qfnb.resources import Data, Storage
from qfnb.transport import event_loop
from qfnb.wire import data as wire
from qfnb.wire.base import Record
from support.waiting import wait_for

BUCKET = "sandbox"
PAIR = {"prompt": "水在多少度沸腾？", "response": "一百度。"}
PROJECTS = {2000: 20, 2001: 20, 2002: 20, 40100: 401, 40200: 402, 70500: 705}


def upload(bucket, key, content):
    """Upload an object, and return its address."""
    return Storage.upload(f"bos:/{bucket}/{key}", content)


def jsonl(*rows):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def create_dataset(template=2000, name="测试集"):
    kind = wire.PICTURE_DATA if template == 70500 else wire.TEXT_DATA
    return Data.create_bare_dataset(
        name, kind, PROJECTS[template], template, None, BUCKET, "/data"
    ).data.dataset_id


def start_import(dataset_id, content, name="rows.jsonl", *, annotated=True):
    """Begin to import a file."""
    address = upload(BUCKET, f"{dataset_id}/{name}", content)
    assert Data.create_data_import_task(dataset_id, annotated, 1, address).data is True


def import_rows(content, name="rows.jsonl", template=2000, *, annotated=True):
    """Return a dataset and its state when a file has been imported."""
    dataset_id = create_dataset(template)
    start_import(dataset_id, content, name, annotated=annotated)
    return dataset_id, wait_until_idle(dataset_id)


def wait_until_idle(dataset_id):
    """Wait until nothing is under way any more."""
    return wait_for(
        lambda: Data.info(dataset_id).data.version_info,
        lambda row: wire.RUNNING not in version_states(row),
    )


def version_states(version):
    return version.import_status, version.release_status, version.export_status


def exported_rows(dataset_id):
    """Return the rows as they are exported."""
    Data.export(dataset_id)
    wait_until_idle(dataset_id)
    return unzip_rows(Data.export_records(dataset_id).data[0].download_url)


def unzip_rows(url):
    content = httpx.get(url, trust_env=False).content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        (name,) = archive.namelist()
        lines = archive.read(name).decode().splitlines()
    return [json.loads(line) for line in lines] if name.endswith(".jsonl") else lines


def refusal(endpoint, **body):
    """Return the refusal of a body that no operation would send."""

    async def send():
        return await (await connect.aclient()).send(endpoint, Record.model_validate(body))

    with pytest.raises(errors.APIError) as caught:
        event_loop.run(send())
    return caught.value

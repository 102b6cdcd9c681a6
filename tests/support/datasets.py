"""Datasets of the sandbox: made, filled and watched as a user of the library does it."""

import io
import json
import time
import zipfile

import httpx
import pytest

from qfnb import connect, errors
from qfnb.resources.data import Data, upload
from qfnb.transport import portal
from qfnb.wire import data as wire
from qfnb.wire.base import Record

BUCKET = "sandbox"
PAIR = {"prompt": "水在多少度沸腾？", "response": "一百度。"}
PROJECTS = {2000: 20, 2001: 20, 2002: 20, 40100: 401, 40200: 402, 70500: 705}


def jsonl(*rows):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def zipped(**files):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def made(template=2000, name="测试集"):
    kind = wire.PICTURE_DATA if template == 70500 else wire.TEXT_DATA
    return Data.create_bare_dataset(
        name, kind, PROJECTS[template], template, None, BUCKET, "/data"
    ).data.dataset_id


def begun(dataset_id, content, name="rows.jsonl", *, annotated=True):
    """Begin to import a file."""
    address = upload(BUCKET, f"{dataset_id}/{name}", content)
    assert Data.create_data_import_task(dataset_id, annotated, 1, address).data is True


def filled(content, name="rows.jsonl", template=2000, *, annotated=True):
    """Return a dataset and its state when a file has been imported."""
    dataset_id = made(template)
    begun(dataset_id, content, name, annotated=annotated)
    return dataset_id, settled(dataset_id)


def settled(dataset_id):
    """Wait until nothing is under way any more."""
    end = time.monotonic() + 20
    while wire.RUNNING in states(now := Data.info(dataset_id).data.version_info):
        assert time.monotonic() < end, now
        time.sleep(0.02)
    return now


def states(version):
    return version.import_status, version.release_status, version.export_status


def contents(dataset_id):
    """Return the rows as they are exported."""
    Data.export(dataset_id)
    settled(dataset_id)
    return unpacked(Data.export_records(dataset_id).data[0].download_url)


def unpacked(url):
    packed = httpx.get(url, trust_env=False).content
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        (name,) = archive.namelist()
        lines = archive.read(name).decode().splitlines()
    return [json.loads(line) for line in lines] if name.endswith(".jsonl") else lines


def refused(endpoint, **body):
    """Return the refusal of a body that no operation would send."""

    async def send():
        return await (await connect.aclient()).send(endpoint, Record.model_validate(body))

    with pytest.raises(errors.APIError) as caught:
        portal.run(send())
    return caught.value

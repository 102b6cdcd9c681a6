"""Datasets on the platform (the API group; the object with rows is `qfnb.dataset.Dataset`)."""

from __future__ import annotations

from collections.abc import Sequence

from ..transport.client import Client
from ..transport.files import put_object
from ..wire import data as wire
from ..wire import storage
from .operation import operation, transfer


class Data:
    """Create, import, release and look at datasets. Source: API pages of /wenxinworkshop/dataset."""

    @operation(wire.CREATE)
    def create(name: str, storage_id: str, storage_path: str) -> wire.CreateDataset:
        """Create a bare dataset of conversations in the user's own bucket; returns `dataset_id`."""
        path = storage_path if storage_path.endswith("/") else storage_path + "/"
        return wire.CreateDataset(name=name, storage_id=storage_id, raw_storage_path=path)

    @operation(wire.IMPORT)
    def import_files(dataset_id: str, files: Sequence[str]) -> wire.ImportDataset:
        """Import uploaded files, each as `bos:/bucket/path`; progress shows in `info`."""
        return wire.ImportDataset(dataset_id=dataset_id, files=list(files))

    @operation(wire.INFO)
    def info(dataset_id: str) -> wire.DatasetRef:
        """Return a dataset and how far its import and release are."""
        return wire.DatasetRef(dataset_id=dataset_id)

    @operation(wire.RELEASE)
    def release(dataset_id: str) -> wire.DatasetRef:
        """Release a dataset so that training may use it."""
        return wire.DatasetRef(dataset_id=dataset_id)


@transfer
async def upload(client: Client, bucket: str, key: str, content: bytes) -> str:
    """Upload one object to the platform's storage and return its `bos:/bucket/key` address."""
    await put_object(client, bucket, key, content)
    return storage.join(bucket, key)

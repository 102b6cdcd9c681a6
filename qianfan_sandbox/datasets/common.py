"""The datasets of the sandbox, as both versions of the interface use them.

A dataset of v1 is a version of v2: a document of the kind "dataset". A dataset of v2 is the group
of its versions, a document of the kind "dataset_group".
"""

from qfnb.wire import cleaning, data_v1 as wire

from ..http.call import Call
from ..state.store import Document, Store, random_id
from ..state.world import World
from . import rows

# states of a training run in which it no longer needs its datasets
FINAL_RUN_STATES = {"Done", "Failed", "Stopped"}


def create_dataset(
    store: Store,
    *,
    name: str,
    data_format: str,
    bucket: str = "",
    path: str = "",
    group: Document | None = None,
    description: str = "",
) -> Document:
    """Add a dataset without rows, by default as the first version of a new group."""
    if group is None:
        group = store.add(
            "dataset_group", random_id("dg-", 16), name=name, form=data_format, made=0
        )
    store.update(group["id"], made=group["made"] + 1)
    return store.add(
        "dataset",
        random_id("ds-", 16),
        name=name,
        group=group["id"],
        version=group["made"] + 1,
        description=description,
        form=data_format,
        bucket=bucket,
        path=path if not path or path.endswith("/") else f"{path}/",
        parts=[],
        released=None,
        modified=store.now(),
        **dict.fromkeys(("import", "export", "etl", "enhance")),
    )


def get_dataset(call: Call, key: int | str, field: str = "datasetId") -> Document:
    """Return a dataset by its id or number."""
    return call.find("dataset", key, field, "dataset")


def validate_name(call: Call, name: str, path: str) -> None:
    """Raise a refusal unless a dataset's name and folder are printable and the name is not
    empty.
    """
    if not (name.strip() and name.isprintable() and path.isprintable()):
        raise call.invalid("name", "a name has one line, and is not empty")


def validate_bucket(call: Call, field: str, bucket: str) -> None:
    """Raise a refusal unless a bucket is the sandbox's."""
    allowed = call.world.address.bucket
    if bucket != allowed:
        raise call.invalid(field, f"the bucket {bucket!r} does not exist; it is {allowed!r}")


def start_release(call: Call, dataset: Document) -> None:
    """Begin to release a dataset, unless it is released.

    Raises:
        Refusal: it is being imported, or has no rows.
    """
    world = call.world
    if task_status(world, dataset, "import") == wire.RUNNING:
        raise call.refusal(f"dataset {dataset['id']} is still being imported")
    if not rows.count(world.store, dataset):
        raise call.refusal(f"dataset {dataset['id']} has no rows to release")
    if dataset["released"] is None:
        plan = world.lifecycle.plan((wire.RUNNING, "release"), final=wire.FINISHED)
        world.store.update(dataset["id"], released=plan)


def delete_datasets(call: Call, deleted: list[Document]) -> None:
    """Delete datasets with their rows.

    Raises:
        Refusal: a training run still needs one of them.
    """
    store = call.world.store
    ids = {dataset["id"] for dataset in deleted}
    for task in store.all("task"):
        if task["status"] not in FINAL_RUN_STATES and ids & set(task["datasets"]):
            raise call.refusal(f"{', '.join(ids)} cannot be deleted: run {task['id']} needs it")
    for dataset in deleted:
        store.remove("dataset", dataset["id"])
        rows.delete_parts(store, dataset)


def delete_version(call: Call, dataset: Document) -> int:
    """Delete a dataset, and its group with the last version; return how many versions the group
    still has.
    """
    delete_datasets(call, [dataset])
    remaining = len(versions_of_group(call.world.store, dataset["group"]))
    if not remaining:
        call.world.store.remove("dataset_group", dataset["group"])
    return remaining


def versions_of_group(store: Store, group: str) -> list[Document]:
    """Return the datasets of a group, the newest first."""
    return [dataset for dataset in store.all("dataset")[::-1] if dataset["group"] == group]


def is_released(world: World, dataset: Document) -> bool:
    """Return whether a dataset is released by now."""
    return release_state(world, dataset) == wire.FINISHED


def release_state(world: World, dataset: Document) -> int:
    """Return v1's number for the state of the release; right after the call it is 1, never 0."""
    return (
        int(world.lifecycle.state(dataset["released"])) if dataset["released"] else wire.INITIALISED
    )


def task_status(world: World, dataset: Document, kind: str) -> int:
    """Return v1's number for the state of a dataset's last task of a kind."""
    task = world.store.get(kind, dataset[kind]) if dataset[kind] else None
    if task is None and kind == "import" and dataset["parts"]:
        return wire.FINISHED  # the sandbox wrote the rows itself
    if task is None:
        return wire.NOT_STARTED if kind in {"import", "export"} else cleaning.NO_TASK
    return int(world.lifecycle.state(task["plan"]))

"""What a user has done so far, as the state folder keeps it."""

import shutil

from qfnb import config

SHARED = {"sandbox", "rate-limits", "words"}
"""Folders that hold nothing of what a user did here; the sandbox is running."""


def forget_records() -> None:
    """Remove trainings, batches, evaluations and conversations: what a test did before is not found
    and gone on with.
    """
    for path in config.state_dir().iterdir():
        if path.is_dir() and path.name not in SHARED:
            shutil.rmtree(path)
        elif path.is_file():
            path.unlink()

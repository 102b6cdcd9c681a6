"""The sample rows: questions of the guests of a tea house, to train on and to compare models
with.
"""

from pathlib import Path
from typing import Final

from ..base.language import tr
from ..errors import InvalidArgumentError

TRAIN_FILE: Final = "teahouse_train.jsonl"
TRAIN_ROWS: Final = 800
HELD_OUT_FILE: Final = "teahouse_heldout.jsonl"
HELD_OUT_ROWS: Final = 144

_PACKAGED: Final = Path(__file__).parent / "samples"
_IN_CLONE: Final = Path(__file__).parents[2] / "notebooks" / "data"
"""A wheel has the files of the notebooks within the package; a clone has them once, beside the
notebooks.
"""


def write_samples(folder: Path) -> None:
    """Write the rows to train on and those held out into a folder; a file that is there stays as it
    is.

    Raises:
        InvalidArgumentError: the folder cannot be written to.
    """
    if _PACKAGED.is_dir():
        source = _PACKAGED
    else:
        source = _IN_CLONE
    for name in (TRAIN_FILE, HELD_OUT_FILE):
        if (folder / name).exists():
            continue
        try:
            (folder / name).write_bytes((source / name).read_bytes())
        except OSError as error:
            message = tr(
                "{path} cannot be written: {reason}", path=folder / name, reason=error.strerror
            )
            raise InvalidArgumentError(message) from None

"""DataFrames whose class has a name, by which a notebook shows them shortly; what is made of them
is plain.
"""

from functools import cache
from typing import Any


@cache
def frame_class(name: str) -> Any:
    """Return the class of this name: a `pandas.DataFrame`, pickled as one."""
    import pandas as pd  # noqa: PLC0415 - 0.3 s that only frames should pay

    members = {
        "__module__": __name__,
        "__reduce__": lambda self: (pd.DataFrame, (pd.DataFrame(self),)),
    }
    return type(name, (pd.DataFrame,), members)


def is_list(value: object) -> bool:
    """Return whether a value is one of these: a list of models, calls, trainings, ..., and no
    data.
    """
    return type(value).__module__ == __name__


def __getattr__(name: str) -> Any:
    """Return a class by its name, so that pandas is loaded for it only."""
    if not name.endswith("Table"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return frame_class(name)

"""The variables of the notebook, for layers that know no notebook."""

import sys
from collections.abc import Callable
from typing import Any


def find_variables(matches: Callable[[Any], bool]) -> dict[str, Any]:
    """Return the notebook's variables whose values match, the oldest first; none without a
    notebook.
    """
    package = sys.modules.get("IPython")  # without it there is no notebook
    if package is None:
        shell = None
    else:
        shell = package.get_ipython()
    variables = list(getattr(shell, "user_ns", {}).items())
    return {name: value for name, value in variables if name[:1] != "_" and matches(value)}

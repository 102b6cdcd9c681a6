"""Exit codes, the same for all commands; `qfnb --help` and the package's docstring explain them."""

from typing import Final

DONE: Final = 0
FAILED: Final = 1
WRONG_INPUT: Final = 2
NEGATIVE: Final = 3
INTERRUPTED: Final = 130

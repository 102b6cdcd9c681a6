"""The local sandbox seen from outside: start, find, reset and stop its process.

The server is `qianfan_sandbox`, a program of its own that is only ever run, not imported.
"""

from .process import (
    Address as Address,
    ensure as ensure,
    find as find,
    reset as reset,
    stop as stop,
)

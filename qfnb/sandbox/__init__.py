"""A QIANFAN ON THIS COMPUTER: an HTTP server with real state and a small model that really learns.

It speaks the platform's API at the platform's paths, verifies every signature and token, and marks
each answer as its own. Only the process functions are imported here: they need nothing but the
standard library.
"""

from .process import (
    Address as Address,
    ensure as ensure,
    find as find,
    reset as reset,
    stop as stop,
)

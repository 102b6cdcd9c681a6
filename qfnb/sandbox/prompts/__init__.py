"""Prompt templates, their optimization, and memories.

Importing it registers its handlers.
"""

from . import memories, optimize, v1, v2

ROUTES = ()

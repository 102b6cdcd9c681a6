"""Prompt templates, their optimization, and memories.

Importing it registers its handlers.
"""

from . import memories as memories
from . import optimize as optimize
from . import v1 as v1
from . import v2 as v2

ROUTES = ()

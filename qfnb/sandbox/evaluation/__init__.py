"""Evaluations of model versions.

Importing it registers its handlers.
"""

from . import results as results
from . import v1 as v1
from . import v2 as v2

ROUTES = (results.routes,)
"""The routes that are not in the endpoint table: each function returns those of a world."""

"""Evaluations of model versions.

Importing it registers its handlers.
"""

from . import results, v1, v2

ROUTES = (results.routes,)
"""The routes that are not in the endpoint table: each function returns those of a world."""

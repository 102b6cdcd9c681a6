"""Evaluations of model versions. Importing the package registers its handlers."""

from . import results, v1, v2  # noqa: F401 - they register handlers

ROUTES = (results.routes,)
"""The routes that are not in the endpoint table: each function returns those of a world."""

"""Evaluations of model versions. Importing the package registers its handlers."""

from . import results, v1, v2, worker

HANDLERS = (results, v1, v2, worker)  # the modules that answer operations of the endpoint table
ROUTES = (results.routes,)  # the routes that are not in the endpoint table: each function returns those of a world

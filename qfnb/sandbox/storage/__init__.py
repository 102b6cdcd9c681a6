"""Object storage, and the files of batches."""

from . import files, object_api

HANDLERS = (files, object_api)  # the modules that answer operations of the endpoint table

ROUTES = (files.routes, object_api.routes)
"""The routes that are not in the endpoint table: each function returns those of a world."""

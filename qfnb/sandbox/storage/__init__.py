"""Object storage, and the files of batches.

Importing it registers its handlers.
"""

from . import files, object_api

ROUTES = (files.routes, object_api.routes)
"""The routes that are not in the endpoint table: each function returns those of a world."""

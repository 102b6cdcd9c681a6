"""The model repository: models, versions, presets and compressions. Importing the package registers its handlers."""

from . import compression, v1, v2  # noqa: F401 - they register handlers

ROUTES = ()
"""The routes that are not in the endpoint table: each function returns those of a world."""

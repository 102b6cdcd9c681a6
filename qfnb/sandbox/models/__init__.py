"""The model repository: models, versions, presets and compressions. Importing the package registers its handlers."""

from . import compression, v1, v2

HANDLERS = (compression, v1, v2)  # the modules that answer operations of the endpoint table
ROUTES = ()

"""Fine-tuning jobs and their runs. Importing the package registers its handlers."""

from . import v1, v2

HANDLERS = (v1, v2)
"""The modules that answer operations of the endpoint table."""

ROUTES = ()

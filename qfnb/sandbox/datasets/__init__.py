"""Datasets: rows, versions, imports, exports, entities and cleaning.

Importing it registers its handlers.
"""

from . import cleaning as cleaning
from . import exports as exports
from . import imports as imports
from . import rows
from . import v1 as v1
from . import v2 as v2

ROUTES = (rows.routes, exports.routes, imports.routes)
"""The routes that are not in the endpoint table: each function returns those of a world."""

"""Datasets: versions, rows, imports, exports and cleaning. Importing the package registers its handlers."""

from . import cleaning, import_export, rows, v1, v2

HANDLERS = (cleaning, import_export, rows, v1, v2)  # the modules that answer operations of the endpoint table

ROUTES = (rows.routes, import_export.routes)
"""The routes that are not in the endpoint table: each function returns those of a world."""

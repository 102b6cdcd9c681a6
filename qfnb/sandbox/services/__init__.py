"""Services that answer at an endpoint, what they cost and how much they are used. Importing the package registers its handlers."""

from . import billing, v1, v2  # noqa: F401 - they register handlers

ROUTES = ()
"""The routes that are not in the endpoint table: each function returns those of a world."""

"""Deployed services, what they cost and how much they are used. Importing the package registers its handlers."""

from . import billing, v1, v2

HANDLERS = (billing, v1, v2)  # the modules that answer operations of the endpoint table
ROUTES = ()

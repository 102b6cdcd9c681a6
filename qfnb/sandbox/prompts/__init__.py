"""Prompt templates, prompt optimization and system memories. Importing the package registers its handlers."""

from . import memories, optimize, v1, v2

HANDLERS = (memories, optimize, v1, v2)  # the modules that answer operations of the endpoint table
ROUTES = ()

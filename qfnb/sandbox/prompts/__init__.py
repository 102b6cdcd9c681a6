"""Prompt templates, prompt optimization and system memories. Importing the package registers its handlers."""

from . import memories, optimize, v1, v2  # noqa: F401 - they register handlers

ROUTES = ()
"""The routes that are not in the endpoint table: each function returns those of a world."""

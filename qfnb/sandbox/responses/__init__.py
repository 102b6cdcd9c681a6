"""The Responses API: chat's answers as items and events, and conversations that are kept."""

from . import stored_responses

HANDLERS = (stored_responses,)
"""The modules that answer operations of the endpoint table."""

ROUTES = ()
"""The routes that are not in the endpoint table: none."""

"""Inference: chat, completion, embeddings, reranking, images and plugins."""

from . import chat, completion_embedding, images, plugins

HANDLERS = (chat, completion_embedding, images, plugins)
"""The modules that answer operations of the endpoint table."""

ROUTES = (images.routes,)
"""The routes that are not in the endpoint table: each function returns those of a world."""

"""Inference: chat, completion, embeddings, reranking, images and plugins.

Importing it registers its handlers.
"""

from . import chat, completion_embedding, images, plugins

ROUTES = (images.routes,)
"""The routes that are not in the endpoint table: each function returns those of a world."""

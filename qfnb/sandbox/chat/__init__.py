"""Inference: chat, completion, embeddings, reranking, images and plugins.

Importing it registers its handlers.
"""

from . import chat as chat
from . import completion_embedding as completion_embedding
from . import images as images
from . import plugins as plugins

ROUTES = (images.routes,)
"""The routes that are not in the endpoint table: each function returns those of a world."""

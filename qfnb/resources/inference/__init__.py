"""Calls to models: chat, completion, embeddings, images, plugins."""

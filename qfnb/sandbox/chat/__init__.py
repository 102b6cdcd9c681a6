"""Inference: chat, completion, embeddings, images, plugins."""

"""Inference: chat, completion, embeddings, reranking, images and plugins."""

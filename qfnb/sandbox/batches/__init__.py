"""Offline batch inference: OpenAI's batches and the platform's own."""

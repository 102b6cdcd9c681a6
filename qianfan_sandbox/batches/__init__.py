"""Batches: files of requests in OpenAI's form, and inference tasks over object storage."""

"""Batches: files of requests in OpenAI's form, and inference tasks over object storage."""

from . import bos, openai

HANDLERS = (bos, openai)
"""The modules that answer operations of the endpoint table."""

ROUTES = ()

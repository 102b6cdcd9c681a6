"""Batches: files of requests in OpenAI's form, and inference tasks over object storage.

Importing it registers its handlers.
"""

from . import bos as bos
from . import openai as openai

ROUTES = ()

"""Models, their versions and their compression.

Importing it registers its handlers.
"""

from . import compression, v1, v2

ROUTES = ()

"""Services that answer at an endpoint, what they cost and how much they are used.

Importing it registers its handlers.
"""

from . import billing, v1, v2

ROUTES = ()

"""Services that answer at an endpoint, what they cost and how much they are used.

Importing it registers its handlers.
"""

from . import billing as billing
from . import v1 as v1
from . import v2 as v2

ROUTES = ()

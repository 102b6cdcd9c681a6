"""Models, their versions and their compression.

Importing it registers its handlers.
"""

from . import compression as compression
from . import v1 as v1
from . import v2 as v2

ROUTES = ()

"""Fine-tuning: jobs, their runs, and the worker that trains them.

Importing it registers its handlers.
"""

from . import v1 as v1
from . import v2 as v2

ROUTES = ()

"""Fine-tuning: jobs, their runs, and the worker that trains them.

Importing it registers its handlers.
"""

from . import v1, v2

ROUTES = ()

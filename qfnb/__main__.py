"""`python -m qfnb`."""

import sys

from .cli import main

sys.exit(main())

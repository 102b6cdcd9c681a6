"""Training and evaluation data: rows of one schema, from files, frames, storage or the platform.

`qfnb.Dataset` is in `.typed_dataset`; `qfnb.dataset.Dataset` is the official SDK's, in
`qfnb.compat.tables`.
"""

from .platform import TransferStep as TransferStep
from .quality import Findings as Findings
from .row_formats import Problem as Problem
from .schema import SCHEMAS as SCHEMAS, Schema as Schema

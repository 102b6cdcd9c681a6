"""The modes of a sandbox: how closely it follows the platform of today, and in which documented
form it answers.
"""

import os
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from qfnb.base.language import tr
from qfnb.errors import InvalidArgumentError

ENVIRONMENT_STRICT = "QFNB_SANDBOX_STRICT"
"""`1` or `0`: the mode `strict` of a server that starts."""


class Modes(BaseModel):
    """The modes of a sandbox; they stay until they are changed."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    strict: bool = False  # retired models, v1's inference and unknown keys are refused
    # the form of `GET /v2/models`; that of 2025 has ids only
    model_list: Literal["2026", "2025"] = "2026"
    # limits of tokens together, or of input and output apart
    rate_headers: Literal["joint", "split"] = "joint"

    @classmethod
    def at_start(cls, stored: Mapping[str, Any]) -> "Modes":
        """Return the stored modes, with that of the environment.

        Raises:
            InvalidArgumentError: the variable is neither 1 nor 0.
        """
        strict = os.environ.get(ENVIRONMENT_STRICT, "")
        if strict not in {"", "0", "1"}:
            raise InvalidArgumentError(
                tr("{name}={value}: must be 1 or 0", name=ENVIRONMENT_STRICT, value=strict)
            )
        known_fields = {name: value for name, value in stored.items() if name in cls.model_fields}
        return cls.model_validate(known_fields | ({"strict": strict} if strict else {}))

"""Settings of a deployment, as a validated value."""

import re
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..base.language import tr
from ..base.text import describe_problem
from ..errors import InvalidArgumentError
from ..resources.console.consts import DeployPoolType
from .consts import ServiceType


class ValidatedModel(BaseModel):
    """A record whose construction raises InvalidArgumentError, with the field's name, for a wrong
    value.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            field = ".".join(map(str, first["loc"]))
            field_names = tr(", ").join(type(self).model_fields)
            setting = f"{type(self).__name__}.{field}={first['input']!r}"
            if first["type"] == "extra_forbidden":
                raise InvalidArgumentError(
                    tr(
                        "{setting}: there is no such field; the fields are {fields}",
                        setting=setting,
                        fields=field_names,
                    )
                ) from None
            raise InvalidArgumentError(f"{setting}: {describe_problem(first)}") from None


class DeployConfig(ValidatedModel):
    """Settings of a deployment.

    Attributes:
        name: the service's name; default svc_<model>.
        endpoint_prefix: the seeds' older name for `endpoint_suffix`.
        endpoint_suffix: the readable part of the endpoint: letters, digits, _ and -; the platform
            judges its length.
        replicas: from 1; the queries per second grow with it.
        hours: from 1, paid in advance.
        qps: queries per second of one replica; None for the platform's default.
        months: paid in advance in place of the hours.

    Source: seed 004 (DeployConfig), seed 000 (endpoint_suffix, hours).
    """

    name: str = ""
    endpoint_prefix: str = ""
    endpoint_suffix: str = ""
    description: str = ""
    replicas: int = Field(default=1, ge=1)
    pool_type: DeployPoolType = DeployPoolType.PrivateResource
    service_type: ServiceType = ServiceType.Chat
    hours: int = Field(default=1, ge=1)
    qps: float | None = Field(default=None, gt=0)
    months: int | None = Field(default=None, ge=1)
    resource_type: str = "GPU-I-2"
    extras: Any = None

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        if self.suffix and not re.fullmatch(r"[A-Za-z0-9_-]+", self.suffix):
            if self.endpoint_suffix:
                name = "endpoint_suffix"
            else:
                name = "endpoint_prefix"
            raise InvalidArgumentError(
                tr(
                    "DeployConfig.{name}={value!r}: use letters, digits, _ and -",
                    name=name,
                    value=self.suffix,
                )
            )

    @property
    def resources(self) -> dict[str, Any]:
        """What the service runs on, as the platform takes it."""
        return {"type": self.resource_type, "replicasCount": self.replicas, "qps": self.qps}

    @property
    def billing(self) -> dict[str, Any]:
        """The time that is paid in advance, as the platform takes it."""
        unit, length = ("Month", self.months) if self.months else ("Hour", self.hours)
        return {"reservation": {"reservationTimeUnit": unit, "reservationLength": length}}

    @property
    def suffix(self) -> str:
        """The readable part of the endpoint, under either name."""
        return self.endpoint_suffix or self.endpoint_prefix

"""Paid resources: the tokens per minute of preset models, and the compute units of your own
services.

On the platform these calls cost money; those that create are never repeated automatically.
"""

import logging
from collections.abc import Mapping
from typing import Any

from ...base.language import tr
from ...errors import InvalidArgumentError
from ...wire import service as wire
from ..validation import validate_choice, validate_positive
from .operation import Fields, Id, operation

log = logging.getLogger("qfnb")


class Charge:
    """Buy, resize and release quotas and compute units. Source: API pages of /v2/charge."""

    @operation(wire.BUY_TPM)
    def charge_tpm_credit(model: str, purchase_count: int, billing: Mapping[str, Any]) -> Fields:
        """Buy tokens per minute for a preset model; returns `instanceId`.

        Args:
            model: its v2 name, such as ernie-4.5-turbo-128k.
            purchase_count: number of units.
            billing: {"paymentTiming": "Postpaid"}.

        Raises:
            InvalidArgumentError: the count is not positive, or `billing` is wrong.
        """
        return {"purchase_count": validate_positive("purchase_count", purchase_count)}

    @operation(wire.FIND_TPM)
    def tpm_credit_info(
        model: str,
        payment_type: str | None = None,
        instance_id: str | None = None,
        status: str | None = None,
    ) -> Fields:
        """Return the quotas of a model; `status` is Creating, Running or Stopped.

        Args:
            model: its v2 name.
            payment_type: Prepaid or Postpaid; another one is not sent, which a warning says.
            instance_id: only this quota.
            status: Creating, Running or Stopped.
        """
        if payment_type not in {None, wire.PREPAID, wire.POSTPAID}:
            log.warning(
                tr(
                    "payment_type={value!r} is not sent: it is Prepaid or Postpaid, or None for "
                    "both",
                    value=payment_type,
                )
            )
            payment_type = None
        return {"payment_timing": payment_type}

    @operation(wire.RELEASE_TPM)
    def stop_tpm_credit_charging(model: str, instance_id: str) -> None:
        """Release a quota."""

    @operation(wire.RESIZE_TPM)
    def resize_tpm_resource(instance_id: str, count: int | None) -> Fields:
        """Change the number of units of a quota."""
        return {"count": None if count is None else validate_positive("count", count)}

    @operation(wire.AUTO_RELEASE_TPM)
    def auto_release_tpm_resource(instance_id: str, release_time: str | None = None) -> None:
        """Set the time when a quota is released automatically (UTC, 2025-03-30T16:00:00Z); None
        unsets it.
        """

    @operation(wire.BUY_UNIT)
    def purchase_service_resource(
        service_id: Id, billing: Mapping[str, Any], replicas: int
    ) -> Fields:
        """Buy replicas for a service, as a compute unit; returns its `instanceId`.

        Args:
            service_id: the service, `svco-...`.
            billing: {"paymentTiming", "reservation"}.
            replicas: 1 or more.

        Raises:
            InvalidArgumentError: the number is not positive, or `billing` is wrong.
        """
        return {"replicas_count": validate_positive("replicas", replicas)}

    @operation(wire.FIND_UNITS)
    def get_service_resource_list(service_id: Id, payment_timing: str | None = None) -> None:
        """Return the compute units that a service runs on; `payment_timing` is Prepaid or
        Postpaid.
        """

    @operation(wire.DESCRIBE_UNIT)
    def get_service_resource_instance_info(service_id: Id, instance_id: str) -> None:
        """Return one compute unit of a service."""

    @operation(wire.RELEASE_UNIT)
    def release_service_resource_instance_info(service_id: Id, instance_id: str) -> None:
        """Release a compute unit; a service without any stops."""

    @operation(wire.AUTO_RENEW)
    def create_auto_renew_rules(
        instance_id: str,
        instance_type: str,
        auto_renew_time_unit: str | None = None,
        auto_renew_time: int | None = None,
    ) -> None:
        """Set how long an instance is renewed each time it ends.

        Args:
            instance_id: which instance.
            instance_type: ComputingUnit or TPM.
            auto_renew_time_unit: Month.
            auto_renew_time: the number of months; both or neither.

        Raises:
            InvalidArgumentError: there is no such type, or one of the last two is missing.
        """
        validate_choice("instance_type", instance_type, wire.UNIT_TYPES)
        if (auto_renew_time_unit is None) != (auto_renew_time is None):
            raise InvalidArgumentError(
                tr("auto_renew_time_unit and auto_renew_time: set both or neither")
            )

    @operation(wire.RESIZE_UNIT)
    def resize_service_resource_count(instance_id: str, count: int) -> Fields:
        """Change the number of replicas of a compute unit."""
        return {"count": validate_positive("count", count)}

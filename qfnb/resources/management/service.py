"""Deployed services on the platform (the group of calls; the object with a life cycle is
`qfnb.model.Service`), and what they and the preset models are paid by: compute units, and tokens
per minute.

On the platform the calls of `Charge` cost money; those that create are never repeated
automatically.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ...base.language import tr
from ...errors import InvalidArgumentError
from ...wire import service as wire
from ..console.consts import DeployPoolType, ServiceType
from ..validation import validate_choice, validate_member, validate_positive
from .operation import Fields, Id, operation, record_operation


class Service:
    """Deploy models and list services. Source: seed 002; API pages of /v2/service for `V2`."""

    @operation(wire.CREATE_V1)
    def create(
        model_id: Id,
        model_version_id: Id,
        name: str,
        uri: str,
        replicas: int = 1,
        pool_type: int | DeployPoolType = DeployPoolType.PrivateResource,
        description: str | None = None,
    ) -> Fields:
        """Deploy a model version; returns `serviceId`, an int.

        Args:
            model_id: the model, an int or `am-...`.
            model_version_id: the version, an int or `amv-...`.
            name: the service's name.
            uri: the readable part of the address.
            replicas: 1 or more.
            pool_type: 1 public, 2 private (the first releases of the official SDK swapped them).
            description: a note for people.

        Raises:
            InvalidArgumentError: `replicas` or `pool_type` is invalid.
        """
        return {
            "replicas": validate_positive("replicas", replicas),
            "pool_type": validate_member("pool_type", pool_type, DeployPoolType),
        }

    @operation(wire.GET_V1)
    def get(id: Id) -> Fields:  # noqa: A002 - the seeds' word
        """Return a service; `serviceStatus` is New, Deploying, Done, Failed or Stopped."""
        return {"service_id": id}

    @operation(wire.LIST_V1)
    def list(api_type_filter: Sequence[str | ServiceType] | None = None) -> Fields:
        """Return preset services (`common`) and the user's own (`custom`).

        Args:
            api_type_filter: chat, completions, embeddings, text2image, image2text; default: all.

        Raises:
            InvalidArgumentError: there is no such type.
        """
        for kind in api_type_filter or ():
            validate_choice("api_type_filter", kind, wire.TYPES)
        return {"api_typefilter": api_type_filter}

    app_list = record_operation(
        wire.APPS, "Return the user's applications; the repr of `.data` hides their secrets."
    )

    class V2:
        """Deploy, describe and change services. Source: API pages of /v2/service."""

        @operation(wire.CREATE)
        def create_service(
            model_set_id: Id,
            model_id: Id,
            name: str,
            url_suffix: str,
            resource_config: Mapping[str, Any] | None = None,
            billing: Mapping[str, Any] | None = None,
            description: str | None = None,
            *,
            replicas: int = 1,
            resource_type: str = "GPU-I-2",
            qps: float | None = None,
            hours: int = 1,
        ) -> Fields:
            """Deploy a model version; returns `service_id`.

            Args:
                model_set_id: the model, `am-...`.
                model_id: the version, `amv-...`.
                name: the service's name.
                url_suffix: the readable part of the address.
                resource_config: {"type", "replicasCount", "qps"}; default: from the three options
                    below.
                billing: {"paymentTiming", "reservation"}; default: prepaid for `hours`.
                description: a note for people.
                replicas: 1 or more.
                resource_type: GPU-I-2, GPU-I-4 or CPU-I-2.
                qps: queries per second of one replica.
                hours: hours paid in advance.

            Raises:
                InvalidArgumentError: `replicas` or `hours` is less than 1, or a field of the two
                    mappings is wrong.
            """
            default_resources = {
                "type": resource_type,
                "replicasCount": validate_positive("replicas", replicas),
                "qps": qps,
            }
            default_billing = {
                "reservation": {"reservationLength": validate_positive("hours", hours)}
            }
            return {
                "resource_config": resource_config or default_resources,
                "billing": billing or default_billing,
            }

        service_list = record_operation(
            wire.FIND,
            """Return a page of your own services, those that match every filter, newest first.

            Args:
                marker: the last id of the page before.
                max_keys: rows of a page.
                page_reverse: return the page before the marker instead.
                name: a part of the name.
                service_type: types; default: all.
                run_status: New, Deploying, Serving, Failed or Stopped; default: all.
                creator: creators; default: all.
                charge_type: ComputingUnit or Tokens.
                pay_type: Prepay or Postpay.
            """,
        )

        service_detail = record_operation(
            wire.DESCRIBE,
            """Return a service's state and address; `run_status` ends as Serving, Failed or
            Stopped.
            """,
        )

        @operation(wire.METRIC)
        def service_metric(
            start_time: str | datetime,
            end_time: str | datetime,
            service_id: str | Sequence[str] | None = None,
            app_id: str | Sequence[str] | None = None,
        ) -> Fields:
            """Return calls and tokens by service and application, in a span of time.

            Args:
                start_time: a datetime, or UTC as 2025-03-30T16:00:00Z; rounded down to the minute.
                end_time: the same, rounded up to the end of its minute.
                service_id: one or several services; default: all.
                app_id: one or several applications; default: all.

            Raises:
                InvalidArgumentError: a time has a different format, or the end is before the start.
            """
            start = _format_time(start_time, "start_time")
            end = _format_time(end_time, "end_time")
            if end < start:
                raise InvalidArgumentError(
                    tr("end_time={end!r} is before start_time={start!r}", end=end, start=start)
                )
            return {
                "start_time": start,
                "end_time": end,
                "service_id": _to_list(service_id),
                "app_id": _to_list(app_id),
            }

        modify_service = record_operation(
            wire.MODIFY,
            """Change the model version of a service; the old one answers until the new one runs.

            Args:
                service_id: `svco-...`.
                model_set_id: the model, `am-...`.
                model_id: the version, `amv-...`.
            """,
        )

        describe_preset_services = record_operation(
            wire.PRESETS,
            """Return the platform's own services, those that match every filter.

            Args:
                service_ids: ids; default: all.
                service_type: types; default: all.
                charge_type: some of TPM, Tokens, Calls and Free; default: all.
                charge_status: some of NotOpen, Opened, Stopped and Free; default: all.
            """,
        )

        preset_services = describe_preset_services


def _to_list(value: str | Sequence[str] | None) -> list[str] | None:
    if isinstance(value, str):
        return [value]
    return None if value is None else [*map(str, value)]


def _format_time(value: str | datetime, name: str) -> str:
    if isinstance(value, datetime):
        return (value.astimezone(UTC) if value.tzinfo else value).strftime(wire.TIME)
    try:
        return datetime.strptime(value, wire.TIME).strftime(wire.TIME)  # noqa: DTZ007 - the Z says UTC
    except ValueError:
        raise InvalidArgumentError(
            tr("{name}={value!r}: must be a time like 2025-03-30T16:00:00Z", name=name, value=value)
        ) from None


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
            payment_type: Prepaid or Postpaid; default: both.
            instance_id: only this quota.
            status: Creating, Running or Stopped.
        """
        if payment_type is not None:
            validate_choice("payment_type", payment_type, (wire.PREPAID, wire.POSTPAID))
        return {"payment_timing": payment_type}

    stop_tpm_credit_charging = record_operation(wire.RELEASE_TPM, "Release a quota.")

    @operation(wire.RESIZE_TPM)
    def resize_tpm_resource(instance_id: str, count: int | None) -> Fields:
        """Change the number of units of a quota."""
        return {"count": None if count is None else validate_positive("count", count)}

    auto_release_tpm_resource = record_operation(
        wire.AUTO_RELEASE_TPM,
        """Set the time when a quota is released automatically (UTC, 2025-03-30T16:00:00Z); None
        unsets it.
        """,
    )

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

    get_service_resource_list = record_operation(
        wire.FIND_UNITS,
        """Return the compute units that a service runs on; `payment_timing` is Prepaid or
        Postpaid.
        """,
    )

    get_service_resource_instance_info = record_operation(
        wire.DESCRIBE_UNIT, "Return one compute unit of a service."
    )

    release_service_resource_instance_info = record_operation(
        wire.RELEASE_UNIT, "Release a compute unit; a service without any stops."
    )

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

"""A service that answers: a deployed model behind an endpoint, or a preset model by name."""

from __future__ import annotations

import json
import logging
import threading
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from ..base.language import tr, tr_noop
from ..config import settings
from ..errors import APIError, InternalError, InvalidArgumentError
from ..resources.inference.chat import ChatCompletion
from ..resources.management.service import Service as Services
from ..wire import service_v2 as wire
from .configs import DeployConfig
from .consts import ServiceStatus, ServiceType
from .executable import ExecuteSerializable
from .polling import wait_for_state

_STATUS = {
    wire.NEW: ServiceStatus.Created,
    wire.DEPLOYING: ServiceStatus.Deploying,
    wire.SERVING: ServiceStatus.Deployed,
    wire.FAILED: ServiceStatus.DeployFailed,
    wire.STOPPED: ServiceStatus.DeployStopped,
}


V1_ENDED = tr_noop("service {name} is of the v1 kind, which ended on 2026-08-31: deploy it again")

log = logging.getLogger("qfnb.model")


@runtime_checkable
class PublishedModel(Protocol):
    """The model behind a service, as far as the service knows it; `qfnb.model.Model` implements
    it.
    """

    @property
    def version_id(self) -> int | str | None:
        """The published version, `amv-...`."""

    def deploy(self, deploy_config: DeployConfig) -> Service:
        """Deploy it and return the service."""


class Service(ExecuteSerializable[dict[str, Any], Any]):
    """A model that answers.

    Args:
        id: `svco-...` of a deployed service.
        endpoint: the last part of the address of a deployed service.
        model: the model behind the service, or the name of a preset model.
        deploy_config: settings that the service was deployed with.
        service_type: kind of API, default Chat.
        name: the label in charts and tables.

    Attributes:
        is_v1: whether it is known to be of the v1 kind, which ended; it is known after a look at
            the platform.

    Source: seed 000, seed 004 (Service).
    """

    def __init__(
        self,
        id: int | str | None = None,  # noqa: A002 - the seeds' word
        endpoint: str | None = None,
        model: PublishedModel | str | None = None,
        deploy_config: DeployConfig | None = None,
        service_type: ServiceType | None = None,
        *,
        name: str = "",
    ) -> None:
        self.id = id
        self.endpoint = endpoint
        self.model = model
        self.deploy_config = deploy_config
        self.service_type = service_type or ServiceType.Chat
        self.name = name
        self.is_v1 = False

    def wait_until_serving(self, *, stop_event: threading.Event | None = None) -> Service:
        """Wait until the service is ready, and look up its endpoint.

        Raises:
            QianfanError: the deployment failed, or `stop_event` was set.
        """
        answer = wait_for_state(
            lambda: Services.V2.service_detail(str(self.id)),
            lambda answer: answer.data.run_status,
            done_states={wire.SERVING},
            failed_states={wire.FAILED, wire.STOPPED},
            interval=settings().deploy_status_polling_interval,
            label=tr("deploying {service}", service=self.label),
            stop_event=stop_event,
        )
        self._read_detail(answer.data)
        return self

    def _read_detail(self, detail: wire.ServiceDetail) -> None:
        """Take over the endpoint and the kind; a service of the v1 kind is warned of once."""
        self.endpoint = detail.endpoint or self.endpoint
        if detail.is_v1 and not self.is_v1:
            log.warning(tr(V1_ENDED, name=self.label))
        self.is_v1 = detail.is_v1

    @property
    def label(self) -> str:
        """The name in tables and charts."""
        if isinstance(self.model, str):
            preset = self.model
        else:
            preset = ""
        return self.name or preset or self.endpoint or str(self.id)

    @property
    def status(self) -> ServiceStatus:
        """The service's state on the platform.

        Raises:
            InternalError: the service has no id.
        """
        if self.id is None:
            raise InternalError(tr("this service has no id: only deployed services have a status"))
        detail = Services.V2.service_detail(str(self.id)).data
        self._read_detail(detail)
        return _STATUS.get(detail.run_status, ServiceStatus.Unknown)

    def get_res(self) -> ChatCompletion:
        """Return the client of this service.

        Raises:
            InternalError: its type is not supported.
            InvalidArgumentError: it has no id, no endpoint and no preset model.
        """
        if self.service_type is not ServiceType.Chat:
            raise InternalError(
                tr(
                    "a service of the type {kind} cannot be called by this version",
                    kind=self.service_type,
                )
            )
        if self.endpoint is None and self.id is not None:
            self._read_detail(Services.V2.service_detail(str(self.id)).data)
        if self.endpoint:
            return ChatCompletion(endpoint=self.endpoint)
        if not isinstance(self.model, str):
            raise InvalidArgumentError(
                tr("Service needs an id, an endpoint, or the name of a preset model")
            )
        return ChatCompletion(model=self.model)

    def deploy(self) -> Service:
        """Deploy the model with `deploy_config`, wait until it is ready, and become that service.

        Raises:
            InvalidArgumentError: it has no model of its own, or no deploy_config.
        """
        if self.deploy_config is None or not isinstance(self.model, PublishedModel):
            raise InvalidArgumentError(tr("deploy() needs a model of your own and a deploy_config"))
        deployed = self.model.deploy(self.deploy_config)
        self.id = deployed.id
        self.endpoint = deployed.endpoint
        return self

    def batch_inference(
        self, dataset: Any, prompt_template: Any = None, system_prompt: str | None = None
    ) -> Any:
        """Return a dataset of questions, answers and right answers: each row is asked of the
        service.

        Args:
            dataset: a `qfnb.dataset.Dataset`, with its input columns.
            prompt_template: a `Prompt` with these columns as variables.
            system_prompt: what the model is told of its role.

        Raises:
            InvalidArgumentError: the dataset is of another kind.
        """
        if not hasattr(dataset, "test_using_llm"):
            raise InvalidArgumentError(
                tr(
                    "batch_inference takes a qfnb.dataset.Dataset; qfnb.batch answers a {kind}",
                    kind=type(dataset).__name__,
                )
            )
        client = self.get_res()
        return dataset.test_using_llm(
            service_model=client.model,
            service_endpoint=client.endpoint,
            system_prompt=system_prompt or "",
            **({"prompt_template": prompt_template} if prompt_template is not None else {}),
        )

    def metrics(self, start_time: str | datetime, end_time: str | datetime) -> dict[str, Any]:
        """Return the calls and tokens of the service in a span of time, as the platform counts
        them.

        Raises:
            InternalError: the service has no id.
            InvalidArgumentError: the end is before the start.
        """
        if self.id is None:
            raise InternalError(tr("this service has no id: only deployed services have a status"))
        reply = Services.V2.service_metric(start_time, end_time, str(self.id))
        return dict(next(iter(reply["result"]["serviceList"]), {}))

    def exec(self, input: dict[str, Any] | None = None, **options: Any) -> Any:  # noqa: A002
        """Call the service: `service.exec({"messages": [{"role": "user", "content": "Hello"}]})`.

        Raises:
            APIError: the platform refuses; of a service of the v1 kind it says that it must be
                deployed again.
        """
        client = self.get_res()
        try:
            return client.do(**{**(input or {}), **options})
        except APIError as error:
            if self.is_v1:
                error.add_note(tr(V1_ENDED, name=self.label))
            raise

    def dumps(self) -> bytes:
        """Return the service as UTF-8 JSON."""
        if not isinstance(self.model, str):
            preset = None
        else:
            preset = self.model
        fields = {
            "id": self.id,
            "endpoint": self.endpoint,
            "service_type": self.service_type,
            "name": self.name,
        }
        return json.dumps({"qfnb": 1, "type": "Service", "model": preset} | fields).encode()

    @classmethod
    def loads(cls, data: bytes) -> Service:
        """Return the service that `dumps` wrote.

        Raises:
            InvalidArgumentError: the bytes are not its JSON; a pickle is never opened.
        """
        try:
            value = json.loads(data)
            assert value["type"] == "Service"
            kind = ServiceType(value["service_type"])
            return cls(
                value["id"], value["endpoint"], value["model"], None, kind, name=value["name"]
            )
        except (ValueError, KeyError, TypeError, AssertionError, RecursionError):
            raise InvalidArgumentError(
                tr("these bytes are not a service written by Service.dumps()")
            ) from None

    def __repr__(self) -> str:
        return f"<Service {tr(V1_ENDED, name=self.label) if self.is_v1 else self.label}>"

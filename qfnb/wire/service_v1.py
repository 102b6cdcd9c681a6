"""Deployed services and applications, console v1 (`/wenxinworkshop/service/...`); see seed 002."""

from ..credentials import Secret
from .base import ConsoleRecord, EmptyBody, Id, JsonObject
from .endpoints import EndpointGroup

NEW = "New"
DEPLOYING = "Deploying"
DONE = "Done"
FAILED = "Failed"
STOPPED = "Stopped"
"""Values of serviceStatus; New waits for payment and resources."""

PUBLIC = 1  # values of poolType; the first releases of the official SDK had them swapped
PRIVATE = 2
TYPES = ("chat", "completions", "embeddings", "text2image", "image2text")  # values of apiType


class ApplyService(ConsoleRecord):
    """Deploys a model version; the platform puts a prefix before `uri`."""

    model_id: Id
    model_version_id: Id
    name: str
    uri: str
    replicas: int = 1
    pool_type: int = PRIVATE
    description: str | None = None


class ServiceApplied(ConsoleRecord):
    """`service_id` is an int here."""

    result: bool = True
    service_id: int


class ServiceRefV1(ConsoleRecord):
    """The id of a service, an int or `svco-...`."""

    service_id: Id


class ServiceDetailV1(ConsoleRecord):
    """A service; `uri` is the value for `endpoint=`."""

    id: int
    name: str = ""
    model_id: int | None = None
    model_name: str = ""
    uri: str = ""
    full_uri: str = ""
    service_status: str = ""
    description: str | None = None


class ListServices(ConsoleRecord):
    """Lists services of some kinds, or all (`apiTypefilter`, with a small f)."""

    api_typefilter: list[str] | None = None


class ServiceList(ConsoleRecord):
    """Preset services and the user's."""

    common: list[JsonObject] = []
    custom: list[JsonObject] = []


class App(ConsoleRecord):
    """An application; `ak` and `sk` are its keys for v1 inference and secret."""

    id: int
    name: str = ""
    ak: Secret | None = None
    sk: Secret | None = None
    api_ids: str = ""


class Apps(ConsoleRecord):
    """The user's applications."""

    app_list: list[App] = []


_SERVICES = EndpointGroup("service", "/wenxinworkshop/service")

CREATE = _SERVICES.route("create", "apply", ApplyService, ServiceApplied, repeatable=False)
GET = _SERVICES.route("get", "detail", ServiceRefV1, ServiceDetailV1)
LIST = _SERVICES.route("list", "list", ListServices, ServiceList)
APPS = _SERVICES.route("apps", "appList", EmptyBody, Apps, method="GET")

"""The sandbox's description in OpenAPI 3.1, built from the endpoint table.

OpenAPI allows one operation for a method on a path; the platform's v2 routes have one for each
`?Action=`. Such a path is written with the action as its fragment, `/v2/service#CreateService`, as
in AWS's descriptions: the fragment makes it a path of its own and is never sent; the query
parameter `Action` is required and has one value.
"""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from qfnb.wire.batches import CONTENT, UPLOAD
from qfnb.wire.chat import CHAT_V1, CHAT_V2
from qfnb.wire.endpoints import ENDPOINTS, Endpoint

Schema = dict[str, Any]

DESCRIPTION = (
    "A Baidu Qianfan on this computer; its models are not ERNIE. A path with a fragment stands "
    "for one "
    "Action of that path: the fragment is not sent. v1 and the management paths of v1 answer "
    "errors in "
    "HTTP 200, with error_code (or success false); v2 answers 4xx."
)
_REF = "#/components/schemas/{model}"
_JSON = "application/json"
_STREAMS = {CHAT_V1.name, CHAT_V2.name}
_FORM = {
    "type": "object",
    "properties": {"purpose": {"type": "string"}, "file": {"type": "string", "format": "binary"}},
    "required": ["purpose", "file"],
}

_SECURITY: dict[str, list[dict[str, list[str]]]] = {
    "v2": [{"bearer": []}],
    "v1": [{"access_token": []}, {"signature": []}],
    "console": [{"signature": []}],
    "iam": [{"signature": []}],
    "oauth": [],
}
_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "an API key, bce-v3/ALTAK-..."},
    "access_token": {"type": "apiKey", "in": "query", "name": "access_token"},
    "signature": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "bce-auth-v1/...: an IAM signature of this very request",
    },
}

_ENVELOPES: dict[str, dict[str, Any]] = {
    "code": {"log_id": {"type": "string"}},
    "status": {
        "log_id": {"type": "string"},
        "status": {"type": "integer"},
        "success": {"type": "boolean"},
    },
    "action": {"requestId": {"type": "string"}},
}
_ERRORS: dict[str, dict[str, Any]] = {
    "v1": {"error_code": {"type": "integer"}, "error_msg": {"type": "string"}},
    "v2": {"error": {"type": "object"}, "id": {"type": "string"}},
    "code": {"error_code": {"type": "integer"}, "error_msg": {"type": "string"}},
    "status": {
        "code": {"type": "string"},
        "message": {"type": "string"},
        "success": {"const": False},
    },
    "action": {
        "requestId": {"type": "string"},
        "code": {"type": "string"},
        "message": {"type": "string"},
    },
    "gateway": {
        "error": {"type": "string"},
        "code": {"type": "string"},
        "message": {"type": "string"},
    },
}


def build_document(url: str) -> dict[str, Any]:
    """Return the description of all operations of a sandbox."""
    schemas_by_use, schemas = _build_schemas()
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in ENDPOINTS.values():
        path = endpoint.path + (f"#{endpoint.action}" if endpoint.action else "")
        body_schema = schemas_by_use[endpoint.name, "validation"]
        result_schema = schemas_by_use[endpoint.name, "serialization"]
        operation = {
            "operationId": endpoint.name,
            "tags": [endpoint.name.partition(".")[0]],
            "security": _SECURITY[endpoint.plane],
            **_describe_request(endpoint, body_schema, _resolve_reference(body_schema, schemas)),
            "responses": _describe_responses(endpoint, result_schema),
        }
        paths.setdefault(path, {})[endpoint.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "qfnb sandbox", "version": "1", "description": DESCRIPTION},
        "servers": [{"url": url}],
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": _SCHEMES},
    }


def _build_schemas() -> tuple[Mapping[tuple[Any, JsonSchemaMode], Schema], Schema]:
    """Return the schemas of each operation, by its name and use (validation, serialization), and
    all records.
    """
    rows: list[tuple[Any, JsonSchemaMode, TypeAdapter[Any]]] = []
    for endpoint in ENDPOINTS.values():
        rows.append((endpoint.name, "validation", TypeAdapter(endpoint.body)))
        rows.append((endpoint.name, "serialization", TypeAdapter(endpoint.result)))
    schemas_by_use, definitions = TypeAdapter.json_schemas(rows, ref_template=_REF)
    return schemas_by_use, definitions["$defs"]


def _describe_request(endpoint: Endpoint[Any, Any], body: Schema, record: Schema) -> Schema:
    """Return the parameters and the body of an operation."""
    in_path = re.findall(r"{(\w+)}", endpoint.path)
    parameters = [_parameter(name, "path", {"type": "string", "minLength": 1}) for name in in_path]
    if endpoint.action:
        parameters.append(_parameter("Action", "query", {"const": endpoint.action}))
    if endpoint.method == "POST":
        kind, schema = ("multipart/form-data", _FORM) if endpoint is UPLOAD else (_JSON, body)
        request = {"requestBody": {"required": True, "content": {kind: {"schema": schema}}}}
        return {"parameters": parameters, **request}
    required = record.get("required", ())
    for name, schema in record.get("properties", {}).items():
        if name not in in_path:
            parameters.append(_parameter(name, "query", schema, required=name in required))
    return {"parameters": parameters}


def _resolve_reference(schema: Schema, schemas: Schema) -> Schema:
    resolved: Schema = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    return resolved


def _parameter(name: str, location: str, schema: Schema, *, required: bool = True) -> Schema:
    return {"name": name, "in": location, "required": required, "schema": schema}


def _describe_responses(endpoint: Endpoint[Any, Any], result: Schema) -> Schema:
    """Return the possible answers; on v1 an error is one of those with HTTP 200."""
    family = endpoint.envelope if endpoint.plane == "console" else endpoint.plane
    error = {"type": "object", "properties": _ERRORS.get(family, _ERRORS["gateway"])}
    if endpoint.plane == "console":
        result = {
            "type": "object",
            "properties": _ENVELOPES[endpoint.envelope] | {"result": result},
        }
    if family in {"v1", "code", "status"}:
        result = {"anyOf": [result, error]}
    content: Schema = {_JSON: {"schema": result}}
    if endpoint is CONTENT:
        content = {"application/octet-stream": {}}
    if endpoint.name in _STREAMS:
        content["text/event-stream"] = {}
    refused = {"description": "a refusal", "content": {_JSON: {"schema": error}}}
    denied = {"description": "no valid credentials", "content": {_JSON: {}}}
    return {
        "200": {"description": "the result", "content": content},
        "4XX": denied if endpoint.plane == "console" and endpoint.envelope != "action" else refused,
    }

"""Tools of agents as objects; `qfnb.tool` makes one of any Python function."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel

from ..resources.inference.chat import ChatCompletion


class ToolParameter(BaseModel):
    """A parameter of a tool: its name, JSON Schema type and meaning; those of an object are in
    `properties`.
    """

    name: str
    type: str
    description: str | None = None
    properties: list[ToolParameter] | None = None
    required: bool | None = False

    def to_json_schema(self) -> dict[str, Any]:
        """Return the parameter as JSON Schema."""
        schema: dict[str, Any] = {"type": self.type}
        if self.description:
            schema["description"] = self.description
        if self.properties:
            schema["properties"] = {part.name: part.to_json_schema() for part in self.properties}
            if required := [part.name for part in self.properties if part.required]:
                schema["required"] = required
        return schema

    @classmethod
    def from_json_schema(
        cls, schema: Mapping[str, Any], name: str = "root", *, required: bool = False
    ) -> ToolParameter:
        """Return the parameter that a JSON Schema describes.

        Args:
            schema: the schema.
            name: the parameter's name.
            required: whether it has to be passed.
        """
        parts = [
            cls.from_json_schema(part, key, required=key in schema.get("required", ()))
            for key, part in schema.get("properties", {}).items()
        ]
        description = schema.get("description")
        return cls(
            name=name,
            type=schema["type"],
            description=description,
            properties=parts or None,
            required=required,
        )


class BaseTool:
    """The base of tools; a subclass sets name, description and parameters, and defines `run`."""

    name: str
    description: str
    parameters: ClassVar[list[ToolParameter]]

    def run(self, **parameters: Any) -> Any:
        """Return the result of a call of the tool."""
        raise NotImplementedError

    def to_function_call_schema(self) -> dict[str, Any]:
        """Return the tool as an item of `functions=`."""
        root = ToolParameter(name="root", type="object", properties=list(self.parameters))
        return {
            "name": self.name,
            "description": self.description,
            "parameters": root.to_json_schema(),
        }


class BaiduSearchTool(BaseTool):
    """A search of the internet by Baidu, summarized by a model.

    Args:
        top_n: the number of pages.
        channel: not used; v2 has one channel.
        client: the chat model; default: `ChatCompletion()`.
        with_reference: return {"summary", "reference"} with the pages, in place of the summary.
    """

    name = "baidu_search"
    description = "Search the internet by Baidu for anything recent."
    parameters: ClassVar[list[ToolParameter]] = [
        ToolParameter(
            name="search_query", type="string", description="the words to search for", required=True
        )
    ]

    def __init__(
        self,
        top_n: int = 2,
        channel: str = "normal",
        client: ChatCompletion | None = None,
        with_reference: bool = False,
    ) -> None:
        self.top_n = top_n
        self.channel = channel
        self.with_reference = with_reference
        self.client = client or ChatCompletion()

    def run(self, **parameters: Any) -> Any:
        """Return a summary of what is found for `search_query`."""
        search = {"enable": True, "enable_citation": True, "search_number": self.top_n}
        messages = [{"role": "user", "content": parameters["search_query"]}]
        reply = self.client.do(messages, web_search=search)
        if not self.with_reference:
            return reply.text
        return {"summary": reply.text, "reference": reply.body.get("search_results") or []}

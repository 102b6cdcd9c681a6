"""Tools of agents, over HTTP."""

import pytest
from qfnb.common.tool.baidu_search_tool import BaiduSearchTool
from qfnb.common.tool.base_tool import BaseTool, ToolParameter


class Add(BaseTool):
    """Adds."""

    name = "add"
    description = "Add two numbers."
    parameters = [  # noqa: RUF012
        ToolParameter(name="first", type="number", required=True),
        ToolParameter(name="second", type="number", description="the second"),
    ]

    def run(self, first, second=0):
        return first + second


def test_a_tool_is_a_function_of_a_call():
    schema = Add().to_function_call_schema()
    assert schema["parameters"]["required"] == ["first"]
    assert schema["parameters"]["properties"]["second"] == {
        "type": "number",
        "description": "the second",
    }
    root = ToolParameter.from_json_schema(schema["parameters"])
    assert root.to_json_schema() == schema["parameters"]
    assert Add().run(first=1, second=2) == 3


@pytest.mark.usefixtures("sandbox")
def test_a_search_is_summarized():
    assert BaiduSearchTool().run(search_query="北京天气")
    assert set(BaiduSearchTool(with_reference=True).run(search_query="北京天气")) == {
        "summary",
        "reference",
    }

"""The worked example, with a model that prefers a search tool where it has one."""

import re
import sys
from pathlib import Path

import pytest
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import FunctionModel

from strop.sandbox import backends

sys.path.append(str(Path(__file__).resolve().parents[1]))
from examples.search_tool.__main__ import walk

from strop.permission import Level


def prefers_the_search_tool(messages, info):
    """Calls a tool with a `text` for the topic; without one it writes code that does not work."""
    last = messages[-1].parts[-1]
    if isinstance(last, ToolReturnPart):
        return ModelResponse(parts=[TextPart(str(last.content))])
    asked = " ".join(str(part.content) for part in messages[-1].parts)
    topic = re.search(r"(?:about|article on) (\w+)", asked)[1]
    for tool in info.function_tools:
        if "text" in tool.parameters_json_schema["properties"]:
            return ModelResponse(parts=[ToolCallPart(tool.name, {"text": topic})])
    return ModelResponse(parts=[ToolCallPart("run_python", {"code": f"print({topic!r}, find)"})])


def test_requests_written_inline_become_a_tool_confined_to_one_host(tmp_path):
    if not any(each.available and Level.FULL in each.levels for each in backends()):
        pytest.skip("no sandbox here can hold code to a list of hosts")
    seen = walk(tmp_path, model=FunctionModel(prefers_the_search_tool))
    assert seen["before"] == 0.0
    assert seen["first"][-1] == "inconclusive"  # inert at the lowest level: it waits
    assert "accept" in seen["second"]
    assert seen["after"] == 1.0
    assert seen["tool_calls"] == seen["requests"] == 12
    assert seen["code_calls"] == 0
    assert seen["reached_elsewhere"] is False

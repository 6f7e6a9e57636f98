"""Runs a page's program with the real framework and a model that follows a script; prints what came of it."""

import asyncio
import json
import sys
from importlib import import_module

CALL = {"title": sys.argv[2], "body": "b"}
KEY = f"call-{sys.argv[2]}"


def openai_agents():
    # By their names: modules of ours are called so too, elsewhere.
    agents = import_module("agents")
    from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

    agents.set_tracing_disabled(True)

    class Scripted(agents.Model):
        async def get_response(self, *given, **named):
            heard = named["input"] if "input" in named else given[1]
            items = heard if isinstance(heard, list) else []
            told = [item["output"] for item in items if item.get("type") == "function_call_output"]
            if not told:
                said = ResponseFunctionToolCall(
                    type="function_call", name="ticket", call_id=KEY, arguments=json.dumps(CALL)
                )
            else:
                text = ResponseOutputText(type="output_text", text=f"told: {told[-1]}", annotations=[])
                said = ResponseOutputMessage(
                    id="m", type="message", role="assistant", status="completed", content=[text]
                )
            return agents.ModelResponse(output=[said], usage=agents.Usage(), response_id=None)

        def stream_response(self, *given, **named):
            raise AssertionError("nobody streams here")

    return Scripted()


def pydantic_ai():
    from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart, ToolReturnPart
    from pydantic_ai.models.function import FunctionModel

    def follow(messages, info):
        told = [part for part in messages[-1].parts if isinstance(part, ToolReturnPart)]
        if told:
            return ModelResponse(parts=[TextPart(f"told: {told[-1].content}")])
        return ModelResponse(parts=[ToolCallPart("ticket", CALL, tool_call_id=KEY)])

    return FunctionModel(follow)


def langchain():
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage, ToolMessage
    from langchain_core.outputs import ChatGeneration, ChatResult

    class Scripted(BaseChatModel):
        @property
        def _llm_type(self):
            return "scripted"

        def bind_tools(self, tools, **named):
            return self

        def _generate(self, messages, stop=None, run_manager=None, **named):
            told = messages[-1]
            if isinstance(told, ToolMessage):
                said = AIMessage(f"told: {told.content}")
            else:
                said = AIMessage("", tool_calls=[{"name": "ticket", "args": CALL, "id": KEY}])
            return ChatResult(generations=[ChatGeneration(message=said)])

    return Scripted()


async def main():
    model = {"openai-agents": openai_agents, "pydantic-ai": pydantic_ai, "langchain": langchain}[
        sys.argv[1]
    ]()
    sys.path.insert(0, ".")
    desk = import_module("desk")

    async with desk.client:
        said = await desk.run(model, "open a ticket")
    print(json.dumps({"said": said, "tickets": desk.TICKETS}))


asyncio.run(main())

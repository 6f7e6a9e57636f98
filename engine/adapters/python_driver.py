"""Runs within a sandbox: calls one Python function with JSON arguments and prints its answer as JSON.

It is handed to `python -c`, so it depends on nothing but Python 3.8. It reads from its input an object with
`entry_point`, `path`, `args` and `preview`, and answers with one of `{"answer": …}`, `{"error": text}` and
`{"preview": text or null, "call": text}`. What the function itself prints goes where errors go.
"""

import asyncio
import importlib
import inspect
import json
import os
import sys
import traceback
from typing import Any


def answer(request: "dict[str, Any]") -> "dict[str, Any]":
    """Do what is asked. Whatever the function raises is an answer too."""
    module_name, _, name = request["entry_point"].partition(":")
    sys.path[:0] = request["path"]
    try:
        module = importlib.import_module(module_name)
        function: Any = module
        for part in name.split("."):
            function = getattr(function, part)
        arguments = request["args"]
        if not request["preview"]:
            return {"answer": settled(function(**arguments))}
        inspect.signature(function).bind(**arguments)
        preview = getattr(module, name.replace(".", "_") + "_preview", None)
        said = settled(preview(**arguments)) if preview is not None else None
        shown = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
        return {"preview": said, "call": f"{request['entry_point']}({shown})"}
    except Exception as error:  # noqa: BLE001 - whatever somebody else's function raises is its answer
        traceback.print_exc()
        return {"error": "".join(traceback.format_exception_only(type(error), error)).strip()}


def settled(value: object) -> object:
    """Wait for an answer that is a coroutine."""
    return asyncio.run(value) if inspect.iscoroutine(value) else value


def main() -> None:
    """Read the request, and keep the function's own prints out of the answer."""
    request = json.load(sys.stdin)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    said = answer(request)
    try:
        text = json.dumps(said, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        said = {"error": f"the function's answer is not JSON: {error}"}
        text = json.dumps(said)
    sys.stdout.flush()
    answers.write(text)
    answers.close()
    sys.exit("error" in said)


main()

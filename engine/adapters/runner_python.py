"""The runner of Python functions: each call in a fresh interpreter in a sandbox, JSON in and JSON out."""

import json
import re
from pathlib import Path
from typing import Any, Final

import msgspec

from engine.adapters.runner_program import ProgramRunner, ProgramSettings, wrong_setting
from engine.core.vocabulary.actions import Action
from engine.ports import Ended, Job, Sandbox

_ENTRY_POINT: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_DRIVER: Final = Path(__file__).with_name("python_driver.py")


class PythonSettings(ProgramSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an action's `run.settings` may say."""

    entry_point: str
    """The function to call, `package.module:function`, with the action's arguments by name."""
    path: tuple[str, ...] = ()
    """Folders to import from, full paths; the function sees them read-only. The workspace is none of them."""


class PythonRunner(ProgramRunner[PythonSettings]):
    """Calls a function in a sandboxed interpreter of its own.

    What it returns is the output, as JSON; what it prints is kept beside it. Its dry run calls the function
    `<name>_preview` with the same arguments, if the module has one, and otherwise says what would be called.
    """

    settings_type = PythonSettings

    def _check(self, action: Action, settings: PythonSettings) -> None:
        if not _ENTRY_POINT.fullmatch(settings.entry_point):
            raise wrong_setting(
                action, "entry_point", f"{settings.entry_point!r} is not package.module:function"
            )
        for folder in settings.path:
            if not Path(folder).is_absolute():
                raise wrong_setting(action, "path", f"{folder!r} is not a full path")

    def _command(
        self, job: Job, settings: PythonSettings, sandbox: Sandbox, *, preview: bool
    ) -> tuple[tuple[str, ...], bytes, tuple[str, ...]]:
        request = {
            "entry_point": settings.entry_point,
            "path": settings.path,
            "args": job.args,
            "preview": preview,
        }
        # `-I`: neither the workspace nor the environment has a say in what is imported.
        argv = (sandbox.python, "-I", "-X", "utf8", "-c", _DRIVER.read_text())
        return argv, msgspec.json.encode(request), settings.path

    def _outcome(self, ended: Ended) -> tuple[bool, str, str]:
        said = _said(ended)
        if said is None:
            why = (
                "its answer is longer than what is kept" if ended.cut_bytes else "it ended without an answer"
            )
            return False, "", _with(why, ended.errors) if ended.why == "exited" else ended.errors
        if "answer" not in said:
            return False, "", _with(str(said.get("error", "")), ended.errors)
        success = ended.why == "exited" and ended.status == 0
        return success, json.dumps(said["answer"], ensure_ascii=False), ended.errors

    def _preview(self, job: Job, ended: Ended) -> tuple[list[str], str]:
        said = _said(ended)
        if said is None or "call" not in said:
            error = str(said["error"]) if said and "error" in said else ended.errors.strip() or ended.why
            return [f"would call: {self._settings(job.action).entry_point}"], error
        preview = said["preview"]
        text = preview if isinstance(preview, str) else json.dumps(preview, ensure_ascii=False)
        return [f"would call: {said['call']}", *([f"would do: {text}"] if preview is not None else [])], ""


def _said(ended: Ended) -> dict[str, Any] | None:
    """Return the driver's answer, or `None` when it gave none that is whole."""
    try:
        said = json.loads(ended.output)
    except ValueError:
        return None
    return said if isinstance(said, dict) else None


def _with(error: str, printed: str) -> str:
    return f"{error}\n{printed}" if printed else error

"""The runner of commands: one the agent names, or the registry's with the agent's arguments in it."""

import re
import shlex
from typing import Any, Final

from engine.adapters.runner_program import ProgramRunner, ProgramSettings, wrong_setting
from engine.core.vocabulary.actions import Action
from engine.errors import EffectRefused
from engine.ports import Ended, Job, Sandbox

_PLACE: Final = re.compile(r"\{([a-zA-Z_][a-zA-Z0-9_]*)\}")
_ARGUMENT: Final = "command"
_TIMEOUT: Final = "timeout_s"


class ShellSettings(ProgramSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an action's `run.settings` may say."""

    argv: tuple[str, ...] = ()
    """The command, a word each, with `{name}` where an argument goes. No shell takes part, so an argument
    stays the one word it is in, whatever it holds. Empty: the agent names the command."""


class ShellRunner(ProgramRunner[ShellSettings]):
    """Runs a command in a sandbox.

    Without `argv` in its settings the action takes the argument `command`: a text for `/bin/sh -c`, or a list
    of words that no shell sees. The argument `timeout_s`, if there is one, shortens the action's timeout.
    """

    settings_type = ShellSettings

    def _check(self, action: Action, settings: ShellSettings) -> None:
        if not settings.argv and _ARGUMENT not in action.parameters:
            raise wrong_setting(action, "argv", f"is missing, and the action takes no `{_ARGUMENT}` either")
        for word in settings.argv:
            for name in _PLACE.findall(word):
                if name not in action.parameters:
                    raise wrong_setting(action, "argv", f"names {{{name}}}, and the action takes no `{name}`")

    def _command(
        self,
        job: Job,
        settings: ShellSettings,
        sandbox: Sandbox,  # noqa: ARG002 - a command is the same in every sandbox
        *,
        preview: bool,
    ) -> tuple[tuple[str, ...], bytes, tuple[str, ...]]:
        words, text = _wanted(job, settings)
        if preview:
            # A shell reads it and runs nothing; a list of words has no syntax to be wrong.
            return ("/bin/sh", "-n", "-c", text if text is not None else ":"), b"", ()
        return words, b"", ()

    def _preview(self, job: Job, ended: Ended) -> tuple[list[str], str]:
        words, text = _wanted(job, self._settings(job.action))
        wrong = "" if ended.why == "exited" and ended.status == 0 else ended.errors.strip() or ended.why
        return [f"would run: {text if text is not None else shlex.join(words)}"], wrong

    def _wall_us(self, job: Job) -> int:
        wanted_s = job.args.get(_TIMEOUT)
        most_us = super()._wall_us(job)
        if isinstance(wanted_s, int | float) and not isinstance(wanted_s, bool) and wanted_s > 0:
            return min(most_us, max(1, int(wanted_s * 1e6)))
        return most_us


def _wanted(job: Job, settings: ShellSettings) -> tuple[tuple[str, ...], str | None]:
    """Return the words to run, and the shell's text when there is one. Raises `EffectRefused`."""
    if settings.argv:
        return tuple(_filled(word, job.args) for word in settings.argv), None
    command = job.args.get(_ARGUMENT)
    if isinstance(command, str) and command.strip() and "\0" not in command:
        return ("/bin/sh", "-c", command), command
    if isinstance(command, list) and command and all(map(_is_word, command)):
        return tuple(command), None
    raise EffectRefused(
        "the command is neither text nor a list of words", place=job.action.name, cure="name a command"
    )


def _is_word(word: object) -> bool:
    return isinstance(word, str) and "\0" not in word


def _filled(word: str, args: dict[str, Any]) -> str:
    """Put arguments in their places. Raises `EffectRefused` when one is missing or is no single word."""

    def value(found: re.Match[str]) -> str:
        given = args.get(found[1])
        if isinstance(given, bool) or not isinstance(given, str | int | float) or "\0" in str(given):
            raise EffectRefused(
                f"the argument {found[1]!r} cannot stand in a command",
                place=found[1],
                cure="give a text or a number",
            )
        return str(given)

    return _PLACE.sub(value, word)

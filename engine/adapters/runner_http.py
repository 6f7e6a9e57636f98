"""The HTTP runner: one request from a template, and the request that takes it back."""

import asyncio
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

import httpx
import msgspec
from msgspec import Struct

from engine.adapters.http_requests import (
    METHODS,
    SAFE_METHODS,
    Body,
    Request,
    Secret,
    Template,
    at_pointer,
    entry_for,
    filled,
    origin_of,
)
from engine.adapters.http_sending import (
    Answer,
    LedAstray,
    Limits,
    NotSent,
    Sent,
    pieces_of,
    redirect_of,
    send,
)
from engine.adapters.performing import (
    MOST_OUTPUT,
    Stopwatch,
    earlier,
    keep,
    kept,
    out_of_time,
    running,
    settings_of,
    timeout_s,
    unknown,
    wrong_settings,
)
from engine.core.vocabulary.actions import Action
from engine.core.vocabulary.effects import Result
from engine.core.vocabulary.ids import EffectId
from engine.errors import EffectRefused, StorageError
from engine.ports import Job

_MOST_REDIRECTS: Final = 5
_CONNECT_S: Final = 10.0
_SECRET_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,99}")
_WHOLE_URL: Final = re.compile(r"\{[^{}]+\}")
_FIELD_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# Ours to set: with another value the request would be another one, or for another host.
_OURS: Final = {"host", "content-length", "transfer-encoding", "connection", "accept-encoding", "expect"}


class Inverse(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The request that takes another one back, made of its arguments and of fields of its answer."""

    method: str
    url: str
    headers: dict[str, str | Secret] = {}
    body: Body | None = None
    success: tuple[int | str, ...] = ("2xx",)


class HttpSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`run.settings` of an action that the HTTP runner performs."""

    url: str
    """`{name}` is an argument. `{name}` alone: the whole URL is one, and run.network says where it may go."""
    method: str = "GET"
    headers: dict[str, str | Secret] = {}
    body: Body | None = None
    success: tuple[int | str, ...] = ("2xx",)
    most_bytes: int = MOST_OUTPUT
    """How much of an answer is read, bytes."""
    idempotency_header: str | None = "Idempotency-Key"
    """Carries the effect's id, unless the method is safe; `None` sends none."""
    keep: dict[str, str] = {}
    """Fields of the answer that the inverse needs: name → JSON pointer."""
    inverse: Inverse | None = None


class HttpRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the undo log keeps of one request."""

    kind: Literal["http"] = "http"
    way: Literal["there", "back"]
    """Whether it was the action's own request, or its inverse."""
    stage: Literal["begun", "done"]
    settings: dict[str, Any]
    """As they were then, with the names of secrets and not their values."""
    values: dict[str, Any]
    """Arguments, and the fields kept of the answer."""
    missing: tuple[str, ...] = ()
    """Fields that the answer did not have."""


class HttpRunner:
    """Performs actions that are one HTTP request. No proxies, cookies or passwords of the environment."""

    def __init__(
        self,
        *,
        secrets: Path | None = None,
        environment: Mapping[str, str] | None = None,
        authorities: Path | None = None,
    ) -> None:
        """Take secrets from `WATCHKEEPER_SECRET_<NAME>` in the environment, else from a file in `secrets`.

        `authorities` is a file of certificates, for hosts that the usual authorities do not know.
        """
        self._folder, self._authorities = secrets, authorities
        self._environment = os.environ if environment is None else environment

    def check(self, action: Action) -> None:
        """Check an action's settings: templates, hosts, header names, statuses. Raises `PolicyError`."""
        settings = settings_of(action, HttpSettings)
        names = set(action.parameters)
        self._check_template(action, _template(settings), names)
        if settings.inverse is not None:
            self._check_template(action, _template(settings.inverse), names | settings.keep.keys())
        header = settings.idempotency_header
        if header is not None and not _FIELD_NAME.fullmatch(header):
            raise wrong_settings(action, f"idempotency_header: {header!r} is no name for a header")
        for pointer in settings.keep.values():
            if not pointer.startswith("/"):
                raise wrong_settings(action, f"keep: {pointer!r} is no JSON pointer; it begins with /")
        if clash := names & settings.keep.keys():
            raise wrong_settings(action, f"keep: {min(clash)!r} is a parameter already")
        if settings.most_bytes < 1:
            raise wrong_settings(action, "most_bytes must be at least 1")
        try:
            for statuses in (settings.success, settings.inverse.success if settings.inverse else ()):
                list(pieces_of(statuses))
        except ValueError as error:
            raise wrong_settings(action, f"success: {error}") from error

    def _check_template(self, action: Action, template: Template, names: set[str]) -> None:
        if template.method not in METHODS:
            raise wrong_settings(
                action, f"method: {template.method!r} is none of {', '.join(sorted(METHODS))}"
            )
        if unknown_names := template.names - names:
            raise wrong_settings(action, f"{{{min(unknown_names)}}} is not a parameter of the action")
        body = template.body
        if body is not None and sum(part is not None for part in (body.json, body.form, body.text)) != 1:
            raise wrong_settings(action, "body: give exactly one of json, form and text")
        _check_headers(action, template)
        if _WHOLE_URL.fullmatch(template.url):
            hides = any(isinstance(value, Secret) for value in template.headers.values())
            if hides and any(entry.startswith("*") for entry in running(action).network):
                raise wrong_settings(
                    action, "whoever chooses the URL would choose who gets the secret; list exact hosts only"
                )
            return
        base = re.split(r"[/?#]", template.url.partition("://")[2], maxsplit=1)[0]
        if "{" in base or "#" in template.url:
            raise wrong_settings(
                action, f"url: {template.url!r}: the host is fixed, and there is no fragment"
            )
        try:
            origin = origin_of(template.url.replace("{", "").replace("}", ""))
        except EffectRefused as error:
            raise wrong_settings(action, f"url: {error}") from error
        if entry_for(origin, running(action).network) is None:
            raise wrong_settings(
                action,
                f"url: {origin.host}:{origin.port} is not in run.network",
                cure=f"add {origin.host}:{origin.port} to run.network",
            )

    async def preview(self, job: Job) -> Result:
        """Show the exact request with its secrets masked. Nothing is sent."""
        watch = Stopwatch()
        settings = settings_of(job.action, HttpSettings)
        try:
            request = self._request(job, settings, settings, job.args)
            origin = origin_of(request.url)
        except EffectRefused as refusal:
            return watch.failed(f"it would be refused: {refusal}")
        if entry_for(origin, running(job.action).network) is None:
            return watch.failed(f"it would be refused: {origin.host}:{origin.port} is not in run.network")
        back = settings.inverse
        undo = f"to undo it: {back.method} {back.url}" if back else "it could not be undone"
        return watch.done(f"{request.text}\n[nothing was sent; {undo}]", secrets=request.secrets)

    async def perform(self, job: Job) -> Result:
        """Send the request; the output is the answer.

        Raises `EffectRefused` when nothing was sent and nothing could be, and `OutcomeUnknown` when an unsafe
        request was sent and no whole answer came.
        """
        settings = settings_of(job.action, HttpSettings)
        request = self._request(job, settings, settings, job.args)
        record = HttpRecord(
            way="there", stage="begun", settings=msgspec.to_builtins(settings), values=job.args
        )
        return await self._exchange(job, request, record, settings)

    async def undo(self, job: Job, of: EffectId, *, force: bool) -> Result:
        """Send the request that takes the effect `of` back, or the action's own one again to undo an undo.

        Nobody can say beforehand whether the other side has moved on; it answers itself, so `force` changes
        nothing. Raises `EffectRefused` when there is no inverse, or it is not known whether there is anything
        to take back, and `OutcomeUnknown` as `perform` does.
        """
        record = kept(job, of, HttpRecord)
        settings = msgspec.convert(record.settings, HttpSettings)
        if record.stage == "begun" and not force:
            raise EffectRefused(
                "it did not end well, so nobody knows whether there is anything to take back",
                place=job.action.name,
                cure="look at the other side; force it if there is",
            )
        if settings.inverse is None:
            raise EffectRefused("it has no inverse", place=job.action.name, cure="take it back by hand")
        if record.way == "there" and record.missing:
            raise EffectRefused(
                f"the answer had no {', '.join(record.missing)}, which the inverse needs",
                place=job.action.name,
                cure="take it back by hand",
            )
        ask = settings.inverse if record.way == "there" else settings
        request = self._request(job, settings, ask, record.values)
        begun = HttpRecord(
            way="back" if record.way == "there" else "there",
            stage="begun",
            settings=record.settings,
            values=record.values,
        )
        return await self._exchange(job, request, begun, settings)

    async def _exchange(
        self, job: Job, request: Request, record: HttpRecord, settings: HttpSettings
    ) -> Result:
        watch, sent = Stopwatch(), Sent(job.watch)
        # An answer that came already stays in the record: with the key, the other side does nothing twice.
        before = earlier(job, job.effect_id, HttpRecord)
        if request.method not in SAFE_METHODS and (before is None or before.stage != "done"):
            keep(job, msgspec.to_builtins(record))
        safe = request.method in SAFE_METHODS
        limits = Limits(
            network=running(job.action).network,
            most_bytes=settings.most_bytes,
            connect_s=_CONNECT_S,
            authorities=self._authorities,
        )
        try:
            async with asyncio.timeout(timeout_s(job)):
                answer = await _ask(request, limits, sent)
        except LedAstray as error:
            return watch.failed(str(error), secrets=request.secrets)
        except NotSent as error:
            return watch.failed(f"{error}; nothing was sent", secrets=request.secrets)
        except TimeoutError:
            if sent.begun and not safe:
                raise unknown(f"it was sent, and no answer came within {timeout_s(job):g} s", job) from None
            said = out_of_time(job) if not sent.begun else f"no answer came within {timeout_s(job):g} s"
            return watch.failed(said)
        except httpx.TransportError as error:
            if sent.begun and not safe:
                raise unknown(f"it was sent, and the answer broke off: {_said(error)}", job) from error
            return watch.failed(f"the answer broke off: {_said(error)}", secrets=request.secrets)
        return _judged(job, answer, request, record=record, settings=settings, watch=watch)

    def _request(
        self, job: Job, settings: HttpSettings, ask: HttpSettings | Inverse, values: Mapping[str, Any]
    ) -> Request:
        template = _template(ask)
        names = [value.secret for value in template.headers.values() if isinstance(value, Secret)]
        request = filled(template, values, {name: self._secret(name) for name in names})
        if template.method in SAFE_METHODS or settings.idempotency_header is None:
            return request
        headers = {settings.idempotency_header: str(job.effect_id), **request.headers}
        return msgspec.structs.replace(request, headers=headers)

    def _secret(self, name: str) -> str:
        """Find a secret. Raises `EffectRefused` when there is none, or it cannot stand in a header."""
        variable = f"WATCHKEEPER_SECRET_{name.upper().replace('-', '_')}"
        value = self._environment.get(variable)
        if value is None and self._folder is not None and _SECRET_NAME.fullmatch(name):
            try:
                value = (self._folder / name).read_text().rstrip("\r\n")
            except FileNotFoundError:
                value = None
            except (OSError, UnicodeDecodeError) as error:
                raise EffectRefused(f"the secret {name} cannot be read", place=str(self._folder)) from error
        if not value:
            raise EffectRefused(
                f"there is no secret {name}", cure=f"set {variable} for the workers, or its file"
            )
        if not value.isprintable() or not value.isascii():
            raise EffectRefused(f"the secret {name} has signs in it that no header has")
        return value


def _check_headers(action: Action, template: Template) -> None:
    for name, value in template.headers.items():
        text = value.before if isinstance(value, Secret) else value
        if not _FIELD_NAME.fullmatch(name) or name.lower() in _OURS:
            raise wrong_settings(action, f"headers: {name!r} cannot be set")
        if not text.isprintable() or not text.isascii():
            raise wrong_settings(action, f"headers: {name}: its value has signs that no header has")
        if isinstance(value, Secret) and not _SECRET_NAME.fullmatch(value.secret):
            raise wrong_settings(action, f"headers: {name}: {value.secret!r} is no name for a secret")


def _template(ask: HttpSettings | Inverse) -> Template:
    """Take the part of the settings that makes a request."""
    return Template(url=ask.url, method=ask.method, headers=ask.headers, body=ask.body)


async def _ask(request: Request, limits: Limits, sent: Sent) -> Answer:
    """Send a request, and follow redirects as far as the list allows if it is safe to."""
    for _ in range(_MOST_REDIRECTS):
        answer = await send(request, limits, sent)
        onward = redirect_of(answer, request) if request.method in SAFE_METHODS else None
        if onward is None:
            return answer
        if entry_for(origin_of(onward.url), limits.network) is None:
            raise LedAstray(f"the answer leads on to {onward.url}, which is not in run.network")
        request = onward
    raise LedAstray(f"the answers lead on more than {_MOST_REDIRECTS} times")


def _judged(
    job: Job,
    answer: Answer,
    request: Request,
    *,
    record: HttpRecord,
    settings: HttpSettings,
    watch: Stopwatch,
) -> Result:
    """Say what an answer means, and keep what undo needs of it."""
    safe = request.method in SAFE_METHODS
    if answer.broke_off and not safe:
        raise unknown(f"the answer broke off after its status {answer.status}: {answer.broke_off}", job)
    if answer.broke_off:
        return watch.failed(f"the answer broke off: {answer.broke_off}", answer.text, secrets=request.secrets)
    success = settings.success
    if record.way == "back" and settings.inverse is not None:
        success = settings.inverse.success
    if not any(answer.status in piece for piece in pieces_of(success)):
        return watch.failed(
            f"it was answered with {answer.status} {answer.reason}", answer.text, secrets=request.secrets
        )
    note = "" if safe else _keep_answer(job, answer, record, settings)
    return watch.done(answer.text + note, secrets=request.secrets)


def _keep_answer(job: Job, answer: Answer, record: HttpRecord, settings: HttpSettings) -> str:
    """Put the fields that the inverse needs into the record; say what will be missing."""
    values, missing = dict(record.values), []
    if record.way == "there":
        try:
            document = json.loads(answer.body) if settings.keep else None
        except ValueError:
            document = None
        for name, pointer in settings.keep.items():
            try:
                values[name] = at_pointer(document, pointer)
            except LookupError:
                values.pop(name, None)
                missing.append(name)
    done = msgspec.structs.replace(record, stage="done", values=values, missing=tuple(missing))
    try:
        job.undo.save(job.effect_id, msgspec.to_builtins(done), {})
    except StorageError as error:
        return f"\n[done, but it cannot be undone: what that needs could not be saved: {error}]"
    return f"\n[it cannot be undone: the answer had no {', '.join(missing)}]" if missing else ""


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__

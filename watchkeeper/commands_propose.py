"""`watchkeeper propose`: what an agent does over HTTP, from a terminal or a script."""

import json
import os
from typing import Any, Final

import click

from engine.errors import Forbidden, InputError, Unreachable
from watchkeeper.home import home
from watchkeeper.people import VARIABLE

_MARGIN_S: Final = 10.0


@click.command()
@click.argument("action")
@click.argument("arguments", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--capability", required=True, help="Under which piece of logic, NAME@VERSION.")
@click.option("--confidence", type=float, help="How sure it is, 0 to 1. None counts as 0.")
@click.option("--cost-usd", default="0", help="Estimated cost, US dollars.", show_default=True)
@click.option("--files", default=0, help="Files it changes.", show_default=True)
@click.option("--api-calls", default=0, help="Calls to other systems.", show_default=True)
@click.option("--episode", default="", help="The incident or task it belongs to.")
@click.option("--environment", default="", help="Where it acts, such as production.")
@click.option("--rationale", default="", help="Why.")
@click.option("--key", help="Idempotency key: the same again gets the same answer. [default: a new one]")
@click.option("--wait", "wait_s", default=10.0, help="Seconds to wait for the end.", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the whole answer.")
def propose(  # noqa: PLR0917 - click passes every option by name
    action: str,
    arguments: tuple[str, ...],
    capability: str,
    confidence: float | None,
    cost_usd: str,
    files: int,
    api_calls: int,
    episode: str,
    environment: str,
    rationale: str,
    key: str | None,
    wait_s: float,
    as_json: bool,
) -> None:
    """Propose one action with exact arguments, as the agent whose token is in $WATCHKEEPER_TOKEN.

    A VALUE that is JSON is taken as such, anything else as text. Ends with status 0 when it was allowed, 3
    when it is held, 4 when it was denied, and 1 when it was allowed and did not work.
    """
    body = {
        "action": action,
        "args": dict(map(_argument, arguments)),
        "capability": capability,
        "confidence": confidence,
        "impact": {"cost_usd": cost_usd, "files": files, "api_calls": api_calls},
        "episode": episode,
        "environment": environment,
        "rationale": rationale,
    }
    said = _send(body, key, wait_s)
    if as_json:
        click.echo(json.dumps(said, indent=2))
    else:
        for line in _lines(said):
            click.echo(line)
    raise SystemExit(_status(said))


def _argument(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise InputError("an argument is NAME=VALUE", place=text, cure="such as path=notes.txt")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _send(body: dict[str, Any], key: str | None, wait_s: float) -> dict[str, Any]:
    import httpx

    from bot.http_api.address import read_address
    from engine.runtime.layout import Layout

    token = os.environ.get(VARIABLE, "").strip()
    if not token:
        raise Forbidden(
            "an agent's token is needed", cure=f"set {VARIABLE}; `watchkeeper token create --agent NAME`"
        )
    address = read_address(Layout(home().resolve()).address)
    if address is None:
        raise Unreachable("the HTTP API does not listen", cure="start it with `watchkeeper up`")
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    headers |= {"Idempotency-Key": key} if key else {}
    try:
        given = {name: value for name, value in body.items() if value is not None}
        content = json.dumps(given, ensure_ascii=False, allow_nan=False).encode()
        (token + (key or "")).encode("ascii")
    except ValueError as error:
        raise InputError(
            f"cannot be sent: {error}",
            cure="give finite numbers and UTF-8; keys and tokens are ASCII",
        ) from error
    try:
        answer = httpx.post(
            f"{address.here}/v1/proposals",
            content=content,
            params={"wait_s": wait_s},
            headers=headers,
            timeout=wait_s + _MARGIN_S,
            trust_env=False,
            verify=address.trust(),
        )
    except httpx.HTTPError as error:
        raise Unreachable(
            f"no answer: {error}", place=address.url, cure="see `watchkeeper status`"
        ) from error
    try:
        said: dict[str, Any] = answer.json()
    except ValueError as error:
        raise Unreachable(
            f"answered {answer.status_code}, and nothing that we know", place=address.url, cure="is it ours?"
        ) from error
    if answer.is_error:
        raise InputError(_wrong(said), place=str(answer.status_code), cure=said.get("cure"))
    return said


def _wrong(said: dict[str, Any]) -> str:
    """Say what is wrong with a proposal, each fault with its place."""
    faults = [f"{fault['place']}{fault['pointer']}: {fault['detail']}" for fault in said.get("faults", ())]
    return ": ".join([str(said.get("detail", said)), *filter(None, ["; ".join(faults)])])


def _lines(said: dict[str, Any]) -> list[str]:
    lines = [f"{said['decision_id']}  {said['word']}, {said['status']}"]
    lines += [f"  {reason['gate']}: {reason['reason']} ({reason['rule']})" for reason in said["reasons"]]
    result = said.get("result")
    if result is not None:
        text = result["output"].rstrip() if result["success"] else f"error: {result['error']}"
        lines += [f"  {line}" for line in text.splitlines()]
    return lines


def _status(said: dict[str, Any]) -> int:
    refused = {"held": 3, "denied": 4, "vetoed": 4, "expired": 4}
    if said["status"] in refused:
        return refused[said["status"]]
    return 1 if said["status"] in {"failed", "unknown", "stopped", "refused"} else 0

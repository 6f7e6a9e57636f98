"""Pictures of a fake Slack's messages and modals as web pages of their own, for the docs.

The look is ours: it says what kind of thing one sees and borrows no file from anybody. A page runs no code
and loads nothing.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from markupsafe import Markup, escape

from simulator.fakes.fake_slack.screens import plain
from simulator.fakes.fake_slack.workspace import Json, Message, View, Workspace

_STYLE: Final = Path(__file__).with_suffix(".css")


def page(body: Iterable[Markup], *, title: str) -> str:
    """Put pieces into a page that stands alone."""
    style = Markup(_STYLE.read_text())  # noqa: S704 - our own file
    head = Markup(
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        "<title>{}</title><style>\n{}</style>"
    ).format(title, style)
    document = Markup('<!doctype html>\n<html lang="en"><head>{}</head>\n<body>\n{}\n</body></html>\n')
    return str(document.format(head, Markup("\n").join(body)))


def channel_page(workspace: Workspace, channel: str, messages: Sequence[Message]) -> str:
    """Show messages of a channel, each with its thread below it."""
    name = workspace.channel_name(channel)
    body = [Markup('<div class="where"># {}</div>').format(name)]
    for message in messages:
        body.append(message_picture(message, workspace))
        replies = workspace.replies(message.ts)
        body += [message_picture(reply, workspace, is_reply=True) for reply in replies]
    return page(body, title=f"#{name}")


def message_picture(message: Message, workspace: Workspace, *, is_reply: bool = False) -> Markup:
    """Show one message: who, when, what, and what can be pressed."""
    who = message.username or workspace.name_of(message.author)
    person = workspace.people.get(message.author)
    is_bot = person is not None and person.is_bot
    parts = [_block(block, workspace) for block in message.blocks] or [_mrkdwn_lines(message.text, workspace)]
    parts += [_attachment(attachment, workspace) for attachment in message.attachments]
    parts += [
        Markup('<div class="file">{} <span class="at">{} bytes</span></div>').format(f.name, f.size)
        for f in message.files
    ]
    if message.edits and not message.blocks:  # Slack does not say it of blocks
        parts.append(Markup('<span class="edited">(edited)</span>'))
    classes = " ".join(["message", *(["bot"] if is_bot else []), *(["reply"] if is_reply else [])])
    return Markup(
        '<div class="{}">{}<div class="face">{}</div><div><div>{}{}{}</div>\n{}</div></div>'
    ).format(
        classes,
        Markup('<div class="only">Only visible to you</div>') if message.to else "",
        who[:1].upper(),
        Markup('<span class="who">{}</span>').format(who),
        Markup('<span class="app">APP</span>') if is_bot else "",
        Markup('<span class="at">{}</span>').format(_time(message.ts)),
        Markup("\n").join(parts),
    )


def modal_page(view: View, workspace: Workspace) -> str:
    """Show a modal, what it asks and what it complains of."""
    content = view.content
    parts = [Markup("<h2>{}</h2>").format(content["title"]["text"])]
    parts += [
        _input(block, view) if block.get("type") == "input" else _block(block, workspace)
        for block in content["blocks"]
    ]
    close = (content.get("close") or {}).get("text", "Cancel")
    submit = (content.get("submit") or {}).get("text")
    buttons = [Markup('<span class="button">{}</span>').format(close)]
    if submit:
        buttons.append(Markup('<span class="button primary">{}</span>').format(submit))
    parts.append(Markup('<div class="foot">{}</div>').format(Markup("").join(buttons)))
    body = Markup('<div class="modal">{}</div>').format(Markup("\n").join(parts))
    return page([body], title=str(content["title"]["text"]))


def _time(ts: str) -> str:
    return datetime.fromtimestamp(float(ts), tz=UTC).strftime("%H:%M")


def _input(block: Json, view: View) -> Markup:
    element = block["element"]
    hint = (block.get("hint") or {}).get("text", "")
    shown = element.get("initial_value") or (element.get("placeholder") or {}).get("text", "")
    problem = view.errors.get(block["block_id"], "")
    return Markup('<label>{}{}</label><div class="box">{}</div>{}{}').format(
        block["label"]["text"],
        Markup(' <span class="hint">(optional)</span>') if block.get("optional") else "",
        shown,
        Markup('<div class="hint">{}</div>').format(hint) if hint else "",
        Markup('<div class="problem">{}</div>').format(problem) if problem else "",
    )


# ---------------------------------------------------------------- blocks


def _block(block: Json, workspace: Workspace) -> Markup:  # noqa: PLR0911 - one picture for each kind of block
    match block.get("type"):
        case "header":
            return Markup("<h3>{}</h3>").format(block["text"]["text"])
        case "section":
            return _section(block, workspace)
        case "context":
            parts = [
                e.get("alt_text", "") if e["type"] == "image" else _text(e, workspace)
                for e in block["elements"]
            ]
            return Markup('<div class="context">{}</div>').format(Markup(" &nbsp; ").join(parts))
        case "actions":
            return Markup('<div class="buttons">{}</div>').format(_buttons(block["elements"]))
        case "divider":
            return Markup("<hr>")
        case "image":
            return Markup('<div class="image">{}</div>').format(block.get("alt_text", ""))
        case "input":
            return Markup('<label>{}</label><div class="box"></div>').format(block["label"]["text"])
        case _:
            return Markup("")


def _section(block: Json, workspace: Workspace) -> Markup:
    parts = [Markup("<p>{}</p>").format(_text(block["text"], workspace))] if block.get("text") else []
    if block.get("fields"):
        fields = [Markup("<p>{}</p>").format(_text(field, workspace)) for field in block["fields"]]
        parts.append(Markup('<div class="fields">{}</div>').format(Markup("").join(fields)))
    accessory = block.get("accessory")
    if accessory and accessory.get("type") != "image":
        parts.append(Markup('<div class="buttons">{}</div>').format(_buttons([accessory])))
    return Markup("").join(parts)


def _buttons(elements: list[Json]) -> Markup:
    shown = []
    for element in elements:
        words = element.get("text") or element.get("placeholder") or {"text": "…"}
        shown.append(
            Markup('<span class="button {}">{}</span>').format(element.get("style", "plain"), words["text"])
        )
    return Markup("").join(shown)


def _attachment(attachment: Json, workspace: Workspace) -> Markup:
    parts = [_block(block, workspace) for block in attachment.get("blocks", [])]
    if not parts:
        words = [str(attachment.get(key, "")) for key in ("pretext", "title", "text", "footer")]
        parts = [_mrkdwn_lines(word, workspace) for word in words if word]
    colour = str(attachment.get("color", ""))
    safe = colour if re.fullmatch(r"#[0-9a-fA-F]{6}", colour) else "var(--line)"
    return Markup('<div class="attachment" style="border-color: {}">{}</div>').format(
        safe, Markup("").join(parts)
    )


# ---------------------------------------------------------------- mrkdwn

_TOKEN: Final = re.compile(r"```(?P<pre>.*?)```|`(?P<code>[^`\n]+)`|<(?P<angle>[^<>\n]+)>", re.DOTALL)
_PAIRS: Final = (("*", "b"), ("_", "i"), ("~", "s"))


def _text(part: Json, workspace: Workspace) -> Markup:
    return _mrkdwn(part["text"], workspace) if part.get("type") == "mrkdwn" else escape(part["text"])


def _mrkdwn_lines(text: str, workspace: Workspace) -> Markup:
    return Markup("<p>{}</p>").format(_mrkdwn(text, workspace)) if text else Markup("")


def _mrkdwn(text: str, workspace: Workspace) -> Markup:
    """Turn mrkdwn into markup; every word of it is escaped.

    >>> print(_mrkdwn("*Hold* `rm -rf` <b>", Workspace()))
    <b>Hold</b> <code>rm -rf</code> <span class="link">b</span>
    """
    parts: list[Any] = []
    end = 0
    for token in _TOKEN.finditer(text):
        parts.append(_prose(text[end : token.start()]))
        found = token.groupdict()
        if found["pre"] is not None:
            parts.append(Markup("<pre>{}</pre>").format(_unescaped(found["pre"].strip("\n"))))
        elif found["code"] is not None:
            parts.append(Markup("<code>{}</code>").format(_unescaped(found["code"])))
        else:
            kind = "mention" if found["angle"][0] in "@#!" else "link"
            parts.append(Markup('<span class="{}">{}</span>').format(kind, plain(token.group(), workspace)))
        end = token.end()
    parts.append(_prose(text[end:]))
    return Markup("").join(parts)


def _prose(text: str) -> Markup:
    safe = str(escape(_unescaped(text)))
    for mark, tag in _PAIRS:
        sign = re.escape(mark)
        safe = re.sub(
            rf"(?<![\w{sign}]){sign}(?=\S)([^\n]*?\S){sign}(?![\w{sign}])", rf"<{tag}>\1</{tag}>", safe
        )
    safe = re.sub(r"^&gt; ?(.*)$", r"<blockquote>\1</blockquote>", safe, flags=re.MULTILINE)
    return Markup(safe)  # noqa: S704 - escaped above; only the tags just put in are markup


def _unescaped(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")

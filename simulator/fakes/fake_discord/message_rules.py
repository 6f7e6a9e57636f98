"""What Discord lets stand in a message: its reference, "Message", "Embed limits" and "Allowed mentions"."""

import re
from typing import Any, Final

from simulator.fakes.fake_discord.component_rules import check_components
from simulator.fakes.fake_discord.refusals import Form, Json, Refused
from simulator.fakes.fake_discord.world import COMPONENTS_V2

LONGEST_CONTENT: Final = 2000
MOST_EMBEDS: Final = 10
LONGEST_EMBEDS: Final = 6000
MOST_FILES: Final = 10
LARGEST_FILE_BYTES: Final = 10 * 1024 * 1024
_URL: Final = re.compile(r"(https?|attachment)://\S+")


def check_message(body: Json, *, files: int, kept: Json | None = None) -> None:
    """Check a message that is posted, or with `kept` one that is edited and keeps what `body` leaves out.

    Raises `Refused` with every fault in it.
    """
    form = Form()
    form.text(body.get("content"), ["content"], LONGEST_CONTENT)
    _check_embeds(form, body.get("embeds"))
    _check_mentions(form, body.get("allowed_mentions"))
    for at, one in enumerate(form.items(body.get("attachments"), ["attachments"], MOST_FILES)):
        attachment = form.table(one, ["attachments", at])
        form.text(attachment.get("filename"), ["attachments", at, "filename"], 1024, shortest=1)
        form.text(attachment.get("description"), ["attachments", at, "description"], 1024)
    if body.get("message_reference") is not None:
        form.table(body["message_reference"], ["message_reference"])
    if files > MOST_FILES:
        form.fault(["files"], "BASE_TYPE_MAX_LENGTH", f"Must be {MOST_FILES} or fewer in length.")
    form.text(body.get("nonce") if isinstance(body.get("nonce"), str) else None, ["nonce"], 25)
    flags = form.integer(body.get("flags"), ["flags"], 0, (1 << 31) - 1) or 0
    is_v2 = bool((flags | (kept or {}).get("flags", 0)) & COMPONENTS_V2)
    if body.get("components"):
        check_components(form, body["components"], is_v2=is_v2)
    if is_v2:
        for name in ("content", "embeds", "poll", "sticker_ids"):
            if body.get(name):
                message = "The 'content', 'embeds', 'sticker_ids' and 'poll' fields cannot be used when using"
                form.fault([name], "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2",
                           f"{message} MessageFlags.IS_COMPONENTS_V2")  # fmt: skip
    form.check()
    whole = {**(kept or {}), **body}
    is_empty = not any(whole.get(name) for name in ("content", "embeds", "components", "poll", "sticker_ids"))
    if is_empty and not files and not whole.get("attachments"):
        raise Refused(400, 50006, "Cannot send an empty message")


def _check_embeds(form: Form, embeds: object) -> None:
    total = 0
    for at, one in enumerate(form.items(embeds, ["embeds"], MOST_EMBEDS)):
        embed = form.table(one, ["embeds", at])
        total += _check_embed(form, embed, ["embeds", at])
    if total > LONGEST_EMBEDS:
        form.fault(
            ["embeds"], "MAX_EMBED_SIZE_EXCEEDED", f"Embed size exceeds maximum size of {LONGEST_EMBEDS}"
        )


def _check_embed(form: Form, embed: Json, at: list[str | int]) -> int:
    """Check one embed and return how many characters it counts."""
    total = form.text(embed.get("title"), [*at, "title"], 256)
    total += form.text(embed.get("description"), [*at, "description"], 4096)
    footer, author = embed.get("footer"), embed.get("author")
    if footer is not None:
        footer = form.table(footer, [*at, "footer"])
        total += form.text(footer.get("text"), [*at, "footer", "text"], 2048, required=True)
    if author is not None:
        author = form.table(author, [*at, "author"])
        total += form.text(author.get("name"), [*at, "author", "name"], 256, required=True)
        _check_url(form, author.get("url"), [*at, "author", "url"])
    for index, one in enumerate(form.items(embed.get("fields"), [*at, "fields"], 25)):
        field = form.table(one, [*at, "fields", index])
        total += form.text(field.get("name"), [*at, "fields", index, "name"], 256, required=True)
        total += form.text(field.get("value"), [*at, "fields", index, "value"], 1024, required=True)
    _check_url(form, embed.get("url"), [*at, "url"])
    for picture in ("image", "thumbnail"):
        if embed.get(picture) is not None:
            shown = form.table(embed[picture], [*at, picture])
            _check_url(form, shown.get("url"), [*at, picture, "url"])
    form.integer(embed.get("color"), [*at, "color"], 0, 0xFFFFFF)
    seen = ("title", "description", "footer", "author", "fields", "image", "thumbnail", "video")
    if not any(embed.get(name) for name in seen):
        form.required([*at, "description"])
    return total


def _check_url(form: Form, url: object, at: list[str | int]) -> None:
    if url is not None and not (isinstance(url, str) and _URL.fullmatch(url)):
        scheme = str(url).partition(":")[0]
        message = f"Scheme \"{scheme}\" is not supported. Scheme must be one of ('http', 'https')."
        form.fault(at, "URL_TYPE_INVALID_SCHEME", message)


def _check_mentions(form: Form, allowed: Any) -> None:
    if allowed is None:
        return
    allowed = form.table(allowed, ["allowed_mentions"])
    parse = form.items(allowed.get("parse"), ["allowed_mentions", "parse"], 3)
    for at, kind in enumerate(parse):
        form.one_of(kind, ["allowed_mentions", "parse", at], ("users", "roles", "everyone"))
    for kind in ("users", "roles"):
        listed = form.items(allowed.get(kind), ["allowed_mentions", kind], 100)
        if listed and kind in parse:
            message = f'parse:["{kind}"] and {kind}: [ids...] are mutually exclusive.'
            form.fault(["allowed_mentions"], "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE", message)


def check_file(size_bytes: int) -> None:
    """Check the size of an uploaded file. Raises `Refused`."""
    if size_bytes > LARGEST_FILE_BYTES:
        raise Refused(413, 40005, "Request entity too large")

"""TwiML, the XML by which Twilio is told what to say in a call and which keys to wait for."""

from collections.abc import Iterable
from typing import Final
from xml.etree import ElementTree as ET

from msgspec import Struct

MEDIA_TYPE: Final = "application/xml"
EMPTY: Final = '<?xml version="1.0" encoding="UTF-8"?><Response />'
"""Nothing is to be done."""


class Voice(Struct, frozen=True, kw_only=True):
    """Who speaks."""

    voice: str = ""
    """Empty: the account's own."""
    language: str = "en-US"


class Asked(Struct, frozen=True, kw_only=True):
    """Something said while a key is waited for."""

    say: tuple[str, ...]
    wait_s: int


def spoken_once(voice: Voice, say: Iterable[str], *, loop: int = 1) -> str:
    """Say something, so many times, and hang up."""
    response = ET.Element("Response")
    for _ in range(loop):
        _say(response, voice, say)
    ET.SubElement(response, "Hangup")
    return _written(response)


def asking(voice: Voice, asked: Iterable[Asked], *, action: str, closing: Iterable[str]) -> str:
    """Ask for one key; when none comes, ask again with the next of `asked`, then close and hang up.

    `action` is the address that a key is sent to. Every key counts, also `#`, which else would end input.
    """
    response = ET.Element("Response")
    for each in asked:
        gather = ET.SubElement(
            response,
            "Gather",
            {
                "input": "dtmf",
                "numDigits": "1",
                "finishOnKey": "",
                "timeout": str(each.wait_s),
                "action": action,
                "method": "POST",
            },
        )
        _say(gather, voice, each.say)
    _say(response, voice, closing)
    ET.SubElement(response, "Hangup")
    return _written(response)


def come_back(voice: Voice, say: Iterable[str], *, after_s: int, to: str) -> str:
    """Say something, wait, and ask us anew at an address."""
    response = ET.Element("Response")
    _say(response, voice, say)
    ET.SubElement(response, "Pause", {"length": str(after_s)})
    ET.SubElement(response, "Redirect", {"method": "POST"}).text = to
    return _written(response)


def texted(text: str) -> str:
    """Answer an SMS with another."""
    response = ET.Element("Response")
    ET.SubElement(response, "Message").text = text
    return _written(response)


def _say(parent: ET.Element, voice: Voice, say: Iterable[str]) -> None:
    text = " ".join(say)
    if text:
        how = {"language": voice.language} | ({"voice": voice.voice} if voice.voice else {})
        ET.SubElement(parent, "Say", how).text = text


def _written(response: ET.Element) -> str:
    return '<?xml version="1.0" encoding="UTF-8"?>' + ET.tostring(response, encoding="unicode")

"""The gateway: websockets over which the bot hears what happens, with sessions that outlive them.

Op codes, close codes and intents: Discord's reference, "Opcodes and status codes" and "Gateway".
"""

import asyncio
import json
import secrets
import zlib
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import zstandard
from aiohttp import WSMsgType, web

from simulator.fakes.fake_discord.refusals import Json

DISPATCH, HEARTBEAT, IDENTIFY, PRESENCE, VOICE, RESUME, RECONNECT, MEMBERS, INVALID, HELLO, ACK = (
    0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11,
)  # fmt: skip
# Intents: bits of what a bot wants to hear.
GUILDS, GUILD_MEMBERS, PRESENCES, GUILD_MESSAGES, DIRECT_MESSAGES, MESSAGE_CONTENT = (
    1 << bit for bit in (0, 1, 8, 9, 12, 15)
)
PRIVILEGED: Final = GUILD_MEMBERS | PRESENCES | MESSAGE_CONTENT
_KNOWN_INTENTS: Final = sum(1 << bit for bit in (*range(17), 20, 21, 24, 25))
_LARGEST_BYTES: Final = 4096
_MOST_SENT, _SENT_WITHIN_S = 120, 60.0
# Two heartbeats may be lost on the way before the platform gives a connection up.
_PATIENCE: Final = 2.5

Told = Callable[[int], Json | None]
"""What a session with some intents hears of something; `None` for nothing."""


class Closing(Exception):
    """The platform closes a connection, with its code and reason."""

    def __init__(self, code: int, reason: str) -> None:
        """Take both."""
        super().__init__(reason)
        self.code, self.reason = code, reason


class Session:
    """What a bot identified for: it goes on while its connection is broken."""

    def __init__(self, *, intents: int, kept: int) -> None:
        """Start at sequence 0, keeping some events for those who resume."""
        self.id = secrets.token_hex(16)
        self.intents = intents
        self.seq = 0
        self.sent: deque[Json] = deque(maxlen=kept)
        self.link: Link | None = None

    def dispatch(self, kind: str, data: Json) -> None:
        """Tell of something now, or once resumed."""
        self.seq += 1
        frame = {"op": DISPATCH, "t": kind, "s": self.seq, "d": data}
        self.sent.append(frame)
        if self.link is not None:
            self.link.send(frame)

    def missed(self, seq: int) -> list[Json] | None:
        """Return all frames after a sequence number; `None` when some of them are gone."""
        first = self.sent[0]["s"] if self.sent else self.seq + 1
        return None if seq + 1 < first else [frame for frame in self.sent if frame["s"] > seq]


class Link:
    """One websocket."""

    def __init__(self, socket: web.WebSocketResponse, request: web.Request) -> None:
        """Speak in the compression asked for."""
        self.socket, self.request = socket, request
        self.session: Session | None = None
        self.heard: deque[float] = deque(maxlen=_MOST_SENT)
        self.beat_at = asyncio.get_running_loop().time()
        self.speaking = asyncio.Event()
        self.speaking.set()
        self._queue: asyncio.Queue[Json] = asyncio.Queue()
        self._packed = _packing(request.query.get("compress", ""))

    def send(self, frame: Json) -> None:
        """Queue a frame; order is kept."""
        self._queue.put_nowait(frame)

    async def write(self) -> None:
        """Send what is queued, until the connection is gone."""
        while True:
            frame = await self._queue.get()
            await self.speaking.wait()
            text = json.dumps(frame)
            try:
                if self._packed is None:
                    await self.socket.send_str(text)
                else:
                    await self.socket.send_bytes(self._packed(text.encode()))
            except ConnectionError:
                return

    def abort(self) -> None:
        """Break the connection off without a word."""
        if self.request.transport is not None:
            self.request.transport.abort()


def _packing(name: str) -> Callable[[bytes], bytes] | None:
    """Return how frames of one connection are packed; `None`: as text."""
    if name == "zlib-stream":
        deflating = zlib.compressobj()
        return lambda data: deflating.compress(data) + deflating.flush(zlib.Z_SYNC_FLUSH)
    if name == "zstd-stream":
        packing = zstandard.ZstdCompressor().compressobj()
        return lambda data: packing.compress(data) + packing.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    return None


class Gateway:
    """All sessions and connections."""

    def __init__(
        self, *, token: str, privileged: int, heartbeat_s: float, kept: int,
        ready: Callable[[Session], list[tuple[str, Json]]], members: Callable[[], list[Json]],
    ) -> None:  # fmt: skip
        """Take what a session hears first, and who the members are."""
        self.token, self.privileged, self.heartbeat_s, self.kept = token, privileged, heartbeat_s, kept
        self._ready, self._members = ready, members
        self.sessions: dict[str, Session] = {}
        self.links: set[Link] = set()
        self.connected = asyncio.Event()
        self.identifies = self.resumes = self.heartbeats = 0

    # ------------------------------------------------------------ telling

    def tell(self, kind: str, told: Told, *, times: int = 1) -> None:
        """Dispatch something to every session that hears of it."""
        for session in self.sessions.values():
            data = told(session.intents)
            for _ in range(times if data is not None else 0):
                session.dispatch(kind, data or {})

    def is_connected(self) -> bool:
        """Tell whether some session has a connection."""
        return any(session.link is not None for session in self.sessions.values())

    def drop(self) -> None:
        """Break every connection off."""
        for link in list(self.links):
            link.abort()
            self._left(link)

    def silence(self, *, silent: bool) -> None:
        """Have the connections that are open say nothing, or speak again; later ones speak."""
        for link in self.links:
            if silent:
                link.speaking.clear()
            else:
                link.speaking.set()

    def ask_to_reconnect(self) -> None:
        """Ask every bot to come back and resume, as the platform does when it moves them."""
        for link in self.links:
            link.send({"op": RECONNECT, "d": None, "s": None, "t": None})

    # ------------------------------------------------------------ one connection

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        """Serve one websocket until it ends."""
        socket = web.WebSocketResponse(max_msg_size=1 << 20)
        await socket.prepare(request)
        link = Link(socket, request)
        self.links.add(link)
        link.send(
            {"op": HELLO, "d": {"heartbeat_interval": round(self.heartbeat_s * 1000)}, "s": None, "t": None}
        )
        tasks = [asyncio.create_task(link.write()), asyncio.create_task(self._watch(link))]
        try:
            await self._serve(link)
        except Closing as closing:
            if closing.code in (4004, 4007, 4009):
                self._forget(link)
            await socket.close(code=closing.code, message=closing.reason.encode())
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._left(link)
        return socket

    async def _serve(self, link: Link) -> None:
        if link.request.query.get("v", "10") != "10":
            raise Closing(4012, "Invalid API version")
        if link.request.query.get("encoding", "json") != "json":
            raise Closing(4002, "Only JSON is spoken here")
        async for message in link.socket:
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                continue
            now = asyncio.get_running_loop().time()
            link.heard.append(now)
            if len(link.heard) == _MOST_SENT and now - link.heard[0] < _SENT_WITHIN_S:
                raise Closing(4008, "You are being rate limited")
            self._hear(link, message.data)

    def _hear(self, link: Link, data: str | bytes) -> None:
        try:
            frame = json.loads(data)
            code, body = frame["op"], frame.get("d")
        except (ValueError, KeyError, TypeError, AttributeError):
            raise Closing(4002, "Error while decoding payload") from None
        if len(data) > _LARGEST_BYTES:
            raise Closing(4002, "Payload too large")
        if code == HEARTBEAT:
            self.heartbeats += 1
            link.beat_at = asyncio.get_running_loop().time()
            link.send({"op": ACK, "d": None, "s": None, "t": None})
        elif code in (IDENTIFY, RESUME):
            if link.session is not None:
                raise Closing(4005, "Already authenticated")
            if not isinstance(body, dict):
                raise Closing(4002, "Error while decoding payload")
            (self._identify if code == IDENTIFY else self._resume)(link, body)
        elif link.session is None:
            raise Closing(4003, "Not authenticated")
        elif code == MEMBERS:
            self._send_members(link.session, body if isinstance(body, dict) else {})
        elif code not in (PRESENCE, VOICE):
            raise Closing(4001, "Unknown opcode")

    def _identify(self, link: Link, body: Json) -> None:
        self.identifies += 1
        if str(body.get("token", "")).removeprefix("Bot ") != self.token:
            raise Closing(4004, "Authentication failed")
        intents = body.get("intents")
        if not isinstance(intents, int) or intents & ~_KNOWN_INTENTS:
            raise Closing(4013, "Invalid intent(s)")
        if intents & PRIVILEGED & ~self.privileged:
            raise Closing(4014, "Disallowed intent(s)")
        if not isinstance(body.get("properties"), dict):
            raise Closing(4002, "Error while decoding payload")
        shard = body.get("shard") or [0, 1]
        if shard != [0, 1]:
            raise Closing(4010, "Invalid shard")
        session = Session(intents=intents, kept=self.kept)
        self.sessions[session.id] = session
        link.session, session.link = session, link
        for kind, data in self._ready(session):
            session.dispatch(kind, data)
        self.connected.set()

    def _resume(self, link: Link, body: Json) -> None:
        if str(body.get("token", "")).removeprefix("Bot ") != self.token:
            raise Closing(4004, "Authentication failed")
        session = self.sessions.get(str(body.get("session_id")))
        seq = body.get("seq")
        missed = session.missed(seq) if session and isinstance(seq, int) else None
        if session is None or missed is None:
            self.sessions.pop(str(body.get("session_id")), None)
            link.send({"op": INVALID, "d": False, "s": None, "t": None})
            return
        if isinstance(seq, int) and seq > session.seq:
            raise Closing(4007, "Invalid seq")
        if session.link is not None:
            session.link.abort()
        self.resumes += 1
        link.session, session.link = session, link
        for frame in missed:
            link.send(frame)
        session.dispatch("RESUMED", {"_trace": []})
        self.connected.set()

    def _send_members(self, session: Session, body: Json) -> None:
        shape: dict[str, Any] = {
            "guild_id": body.get("guild_id"),
            "members": self._members(),
            "chunk_index": 0,
        }
        if body.get("nonce") is not None:
            shape["nonce"] = body["nonce"]
        session.dispatch("GUILD_MEMBERS_CHUNK", shape | {"chunk_count": 1, "not_found": []})

    async def _watch(self, link: Link) -> None:
        """Give a connection up that sends no heartbeats; a silent one hears none, and cannot say so."""
        patience_s = self.heartbeat_s * _PATIENCE
        while True:
            since_s = asyncio.get_running_loop().time() - link.beat_at
            if since_s >= patience_s and link.speaking.is_set():
                self._forget(link)
                await link.socket.close(code=4009, message=b"Session timed out")
                return
            await asyncio.sleep(max(patience_s - since_s, 0.01))

    # ------------------------------------------------------------ endings

    def _left(self, link: Link) -> None:
        self.links.discard(link)
        session = link.session
        if session is None or session.link is not link:
            return
        session.link = None
        # A bot that says goodbye ends its session. On a silent connection the platform does not hear it.
        if link.socket.close_code in (1000, 1001) and link.speaking.is_set():
            self.sessions.pop(session.id, None)
        if not self.is_connected():
            self.connected.clear()

    def _forget(self, link: Link) -> None:
        if link.session is not None:
            self.sessions.pop(link.session.id, None)

"""A real HTTP server on the loopback that notes what it is asked, and one that misbehaves as told."""

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class Server:
    """Where it listens, and what it was asked."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        self.items: dict[str, Any] = {}

    @property
    def entry(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.entry}"


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with contextlib.suppress(ConnectionError):
                self.wfile.write(body)

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            server.asked.append((self.command, self.path, dict(self.headers), body))
            what, _, rest = self.path[1:].replace("?", "/", 1).partition("/")
            answers = {
                "big": lambda: self.answer(200, b"x" * 10_000_000),
                "status": lambda: self.answer(int(rest), b"the body"),
                "to": lambda: self.answer(302, Location=rest),
                "echo": lambda: self.answer(200, json.dumps(dict(self.headers)).encode()),
            }
            answers.get(what, lambda: self.handle_item(body))()

        def handle_item(self, body: bytes) -> None:
            key = self.headers.get("Idempotency-Key")
            if self.command == "POST":
                item = server.items.setdefault(key or str(len(server.items)), json.loads(body))
                number = [*server.items].index(key) if key else len(server.items) - 1
                return self.answer(201, json.dumps({"item": {"id": f"n/{number}"}} | {"sent": item}).encode())
            if self.command == "DELETE":
                server.items.popitem()
                return self.answer(204)
            return self.answer(200, b'{"ok": true}', Content_Type="application/json")

    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"):
        setattr(Handler, f"do_{method}", Handler.handle_any)
    return Handler


@contextlib.contextmanager
def http_server(certificate: Path | None = None) -> Iterator[Server]:
    """Start it on a port that the system chooses; with a certificate and its key in one file, under TLS."""
    server = Server(0)
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(server)) as listening:
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            listening.socket = context.wrap_socket(listening.socket, server_side=True)
            # Refused handshakes are what some tests are about.
            listening.handle_error = lambda *_: None
        server.port = listening.server_address[1]
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            listening.shutdown()
            thread.join()


@contextlib.contextmanager
def rude_server(behave: Callable[[socket.socket], None]) -> Iterator[int]:
    """Accept connections and do with each what is told, reading nothing by itself; yields the port."""
    held: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    held.append(connection)
                    with contextlib.suppress(OSError):
                        behave(connection)

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in held:
                connection.close()

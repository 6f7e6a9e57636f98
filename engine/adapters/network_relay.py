"""Runs within a sandbox: passes what reaches its loopback on to a socket file, and becomes the program.

Arguments: the socket file, the port, and the program with its arguments. It needs nothing but Python 3.6.
"""

import os
import socket
import sys
import threading


def carry(source: socket.socket, target: socket.socket) -> None:
    """Copy one direction to its end."""
    try:
        while True:
            data = source.recv(65536)
            if not data:
                break
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


def relay(listener: socket.socket, path: str) -> None:
    """Accept connections for as long as the sandbox stands."""
    while True:
        inner, _ = listener.accept()
        outer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            outer.connect(path)
        except OSError:
            inner.close()
            continue
        for ends in ((inner, outer), (outer, inner)):
            threading.Thread(target=carry, args=ends, daemon=True).start()


def main() -> None:
    """Leave a child behind that relays, and become the program once it listens."""
    path, port, program = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(64)
    if os.fork() == 0:
        # It must not hold the program's output open, or nobody would learn that the program has finished.
        empty = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(empty, stream)
        relay(listener, path)
    listener.close()
    os.execvp(program[0], program)  # noqa: S606 - to become the program is the point; no shell is wanted


main()

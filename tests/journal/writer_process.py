"""A writing process for other tests to kill: appends for ever and says after each append that it is done.

    python writer_process.py JOURNAL THREADS

Each line on its output is the key of a record whose synced append has returned.
"""

import os
import sys
import threading

from engine.adapters.journal_sqlite import SqliteJournal
from engine.ports import Durability, Entry, Journal


def write(journal: Journal, name: str) -> None:
    """Append in turn: one synced, one relaxed that nobody is promised, now and then several at once."""
    for turn in range(1_000_000):
        keys = [f"{name}/{turn}/{part}" for part in range(1 + turn % 3)]
        journal.append([Entry(key, b'{"n":%d}' % turn) for key in keys])
        os.write(1, "".join(f"{key}\n" for key in keys).encode())
        journal.append([Entry(f"{name}/{turn}/relaxed", b"{}")], durability=Durability.RELAXED)
        journal.maintain()


if __name__ == "__main__":
    shared = SqliteJournal(sys.argv[1])
    for number in range(int(sys.argv[2])):
        threading.Thread(target=write, args=(shared, f"{os.getpid()}-{number}")).start()

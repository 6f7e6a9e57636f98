"""The console as people meet it: the real front over a real engine, and real browsers that look at it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

import httpx
from fastapi import FastAPI
from playwright.async_api import Browser, BrowserContext, Locator, Page, expect

from bot.front_process import front_app
from bot.web_console.sessions import Sessions, login_link
from engine.adapters.fence_files import FileFence
from engine.adapters.journal_sqlite import SqliteJournal
from engine.adapters.machine_time import now_us
from engine.adapters.snapshot_store import SnapshotStore
from engine.adapters.token_file import TokenFile
from engine.core.vocabulary import facts as f
from engine.ports import Entry
from engine.runtime.layout import Layout
from engine.runtime.parts import SavedSnapshot
from engine.wiring.service import make_folders, open_service
from tests.courses import Course
from tests.http.placing import Place
from tests.patience import PATIENCE_S

CHROMIUM: Final = Path("/usr/bin/chromium")
ARGUMENTS: Final = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
PEOPLE: Final = {"vic": "viewer", "ray": "responder", "cat": "captain"}


class Bridge(Place):
    """A state folder with engine and front, as `watchkeeper up` has them, and people who log in."""

    def __init__(self, home: Path) -> None:
        super().__init__(home, TokenFile(home / "tokens.json"))
        self.service = open_service(home)
        make_folders(self.service)
        self.fence = FileFence(self.layout.stops)
        self.sessions = Sessions(self.tokens)
        for agent in ("coder-1", "coder-2"):
            self.token[agent] = self.tokens.create(kind="agent", name=agent)[1]
        self.url = ""

    def app(self, **values: Any) -> FastAPI:
        """The application of the front process."""
        assert not values
        return front_app(self.service, version="1.2.3")()

    @contextlib.contextmanager
    def up(self, **values: Any) -> Iterator[Bridge]:
        """Everything runs; without `engine` the front alone."""
        with self.served(**values) as self.url:
            yield self

    def link(self, person: str) -> str:
        """Return a link that lets somebody in."""
        return login_link(self.url, self.sessions.invite(person, PEOPLE[person]))

    def session(self, person: str) -> str:
        """Log somebody in without a browser; return the value of the cookie."""
        session = self.sessions.log_in(self.sessions.invite(person, PEOPLE[person]))
        assert session is not None
        return session

    def client(self, person: str | None = None, **headers: str) -> httpx.Client:
        """A client that is logged in and says that it comes from a page of ours, as a browser would."""
        given = {"Sec-Fetch-Site": "same-origin", "Accept": "text/html"} | headers
        cookies = {"watchkeeper": self.session(person)} if person is not None else {}
        return httpx.Client(base_url=self.url, headers=given, cookies=cookies, timeout=PATIENCE_S)

    @contextlib.contextmanager
    def powered(self, **values: Any) -> Iterator[None]:
        """The engine runs beside a front that runs already, in a thread of its own."""
        began, stopping = threading.Event(), list[tuple[asyncio.AbstractEventLoop, asyncio.Event]]()

        async def run() -> None:
            stop = asyncio.Event()
            async with self.engine(**values):
                stopping.append((asyncio.get_running_loop(), stop))
                began.set()
                await stop.wait()

        thread = threading.Thread(target=lambda: asyncio.run(run()))
        thread.start()
        try:
            assert began.wait(PATIENCE_S)
            yield
        finally:
            for loop, stop in stopping:
                loop.call_soon_threadsafe(stop.set)
            thread.join(PATIENCE_S)
        assert not thread.is_alive()

    def save_snapshot(self) -> SavedSnapshot:
        """Take a real snapshot of the workspace."""
        self.service.workspace.mkdir(parents=True, exist_ok=True)
        made = SnapshotStore(self.layout.snapshots).create(
            {"workspace": self.service.workspace},
            journal=None,
            exclude=(),
            apart=(self.layout.home,),
            now_us=now_us(),
        )
        return SavedSnapshot(
            snapshot_id=made.snapshot_id, journal_seq=0, files=made.files, size_bytes=made.size_bytes
        )

    def facts(self, tag: str) -> list[Any]:
        """Return what was journaled of one kind, the oldest first."""
        return [fact for record in self.looking().read() if f.tag_of(fact := f.decode(record.body)) == tag]

    def propose(self, agent: str = "coder-1", **wanted: Any) -> dict[str, Any]:
        """Have an agent propose something; return the API's answer."""
        answer = httpx.post(
            f"{self.url}/v1/proposals", json=wanted, headers=self.bearer(agent), timeout=PATIENCE_S
        )
        answer.raise_for_status()
        return answer.json()


def remembered(home: Path, course: Course) -> None:
    """Give a state folder the journal of a course."""
    journal = SqliteJournal(Layout(home).journal)
    journal.append([Entry(record.key, record.body) for record in course.journal.read()])
    journal.close()


class Watcher:
    """Somebody at a browser. Whatever its console complains about is in `complaints`."""

    def __init__(self, bridge: Bridge, page: Page) -> None:
        self.bridge, self.page = bridge, page
        self.complaints: list[str] = []
        self._accepts = False
        page.set_default_timeout(PATIENCE_S * 1000)
        expect.set_options(timeout=PATIENCE_S * 1000)
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))

    def _heard(self, message: Any) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(f"{message.type}: {message.text}")

    async def enter(self, person: str) -> None:
        """Log in by the link, as people do."""
        await self.page.goto(self.bridge.link(person))
        await self.page.click("button.good")
        await self.page.wait_for_selector("main h1")

    async def go(self, path: str) -> None:
        """Open a page."""
        await self.page.goto(self.bridge.url + path)
        await self.page.wait_for_selector("main h1")

    def form(self, label: str, within: str = "main") -> Locator:
        """Return the form that a button of this name sends."""
        button = self.page.get_by_role("button", name=label, exact=True)
        return self.page.locator(f"{within} form", has=button).first

    async def press(self, label: str, *, within: str = "main", **given: str) -> str:
        """Fill a form in by the names of its fields, press its button, and return the answer's text."""
        form = self.form(label, within)
        for name, value in given.items():
            field = form.locator(f"[name='{name.replace('_', '-')}']")
            if await field.evaluate("field => field.matches('select')"):
                await field.select_option(value)
            else:
                await field.fill(value)
        await self._forget()
        await form.get_by_role("button", name=label, exact=True).click()
        return await self._answer()

    async def confirm(self) -> str:
        """Press what the last answer asks to be pressed by who is sure; return the answer's text."""
        sure = self.page.locator("#said form:has(input[value^='yes ']) button")
        label = await sure.inner_text()
        return await self.press(label, within="#said")

    def accept_dialogs(self) -> None:
        """Say yes to whatever the browser itself asks from now on."""
        if not self._accepts:
            self._accepts = True
            self.page.on("dialog", lambda dialog: dialog.accept())

    async def shows(self, place: str, text: str) -> None:
        """Wait until a part of the page has a text."""
        await expect(self.page.locator(place).first).to_contain_text(text)

    async def say(self, line: str) -> str:
        """Say something in the command box; return the answer's text."""
        await self._forget()
        await self.page.fill("#line", line)
        await self.page.press("#line", "Enter")
        return await self._answer()

    async def _forget(self) -> None:
        """Mark what was answered so far."""
        await self.page.evaluate(
            "document.querySelectorAll('#said > *').forEach(old => old.dataset.old = '1')"
        )

    async def _answer(self) -> str:
        await self.page.wait_for_selector("#said > .reply:not([data-old])")
        return await self.page.inner_text("#said")


@contextlib.asynccontextmanager
async def watching(
    browser: Browser, bridge: Bridge, person: str | None = None, **options: Any
) -> AsyncIterator[Watcher]:
    """A browser of its own for somebody, logged in if a name is given."""
    context: BrowserContext = await browser.new_context(**options)
    try:
        watcher = Watcher(bridge, await context.new_page())
        if person is not None:
            await watcher.enter(person)
        yield watcher
    finally:
        await context.close()
        await asyncio.sleep(0)

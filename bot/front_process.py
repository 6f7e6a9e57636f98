"""The front as a process: the HTTP API and the web console over one state folder."""

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

from fastapi import FastAPI

from bot.desk import open_desk
from bot.http_api.app import make_app
from bot.http_api.events import Events
from bot.http_api.links import Links
from bot.http_api.phone_desk import phones_of
from bot.http_api.serving import Encryption, log_requests, run
from bot.web_console.routes import WebConsole
from bot.web_console.sessions import Sessions
from engine.adapters.counts_view import CountsView
from engine.adapters.decision_index import DecisionIndex
from engine.adapters.decisions_view import Current, DecisionsView
from engine.adapters.events_seen import EventsSeen
from engine.adapters.fence_files import FileFence
from engine.adapters.kpi_view import KpiView
from engine.adapters.link_tokens import LinkTokens
from engine.adapters.outage_notes import OutageNotes
from engine.adapters.sweep import end_all
from engine.adapters.token_file import TokenFile
from engine.adapters.totp_file import TotpFile
from engine.commands.stopping import Stopping
from engine.runtime.client import EngineClient
from engine.runtime.layout import Layout
from engine.wiring.events import read_events, secrets_of
from engine.wiring.kpis import read_kpis
from engine.wiring.service import Service, make_folders, read_channels
from notifiers.book import read_roster
from notifiers.reach import unreached

# A little less than the supervisor gives the front in a clean stop.
_DRAIN_S = 4.0


def run_front(service: Service, *, version: str) -> None:
    """Serve until SIGTERM. Raises `StorageError` when it cannot listen, `InputError` for a wrong file.

    Reads the journal by itself and hands everything else to the engine, so that it answers, and stops, with
    the engine dead or spinning.
    """
    layout = service.layout
    make_folders(service)
    log_requests(logging.StreamHandler())
    section = service.settings.http
    run(
        front_app(service, version=version),
        host=section.host,
        port=section.port,
        address_file=layout.address,
        drain_s=_DRAIN_S,
        encryption=Encryption(
            certificate=_placed(layout, section.tls_certificate),
            key=_placed(layout, section.tls_key),
            name=next(iter(section.names), ""),
            behind_proxy=section.behind_proxy,
        ),
    )


def _placed(layout: Layout, path: Path | None) -> Path | None:
    return layout.home / path if path is not None else None


def front_app(service: Service, *, version: str) -> Callable[[], FastAPI]:
    """Return what makes the application: the API and the console. It is to be called inside an event loop."""
    layout, section = service.layout, service.settings.http
    fence = FileFence(layout.stops)
    # One reader for quick look-ups on the event loop, another for long walks in threads.
    journal, looking = Current(layout.journal, DecisionsView), Current(layout.journal, DecisionsView)
    engine = EngineClient(layout.socket)

    def sweep() -> object:
        return end_all(layout.home, fence.stops())

    tokens = TokenFile(layout.tokens)
    phones = phones_of(service, engine, Stopping(engine, fence, sweep))
    return partial(
        make_app,
        engine=engine,
        journal=journal,
        looking=looking,
        tokens=tokens,
        step_up=TotpFile(layout.totp),
        fence=fence,
        sweep=sweep,
        phones=phones,
        counting=KpiView(read_kpis(service.config), looking, layout.kpis).look,
        tallying=CountsView(looking, layout.journal, layout.counts).look,
        version=version,
        most_body_bytes=section.most_body_bytes,
        requests_per_s=section.requests_per_s,
        names=(section.host, *section.names),
        roster=read_roster(service, read_channels(service.config)),
        answering=answering(service),
        incoming=incoming(service, engine),
        pages=lambda front: WebConsole(
            front,
            sessions=Sessions(tokens),
            open_desk=lambda: open_desk(service, version=version, lasting=True),
            requests_per_s=section.requests_per_s,
            index=DecisionIndex(layout.decisions),
            unreached=lambda: unreached(service),
        ),
    )


def incoming(service: Service, engine: EngineClient) -> Events | None:
    """Return what takes events from outside; `None` where nothing comes in and nothing is asked."""
    file = read_events(service.config)
    if not file.sources and not file.queries:
        return None
    seen = EventsSeen(service.layout.events)
    return Events(file, lambda source: secrets_of(service.layout, source), engine, seen)


def answering(service: Service) -> Links | None:
    """Return what links that answer need; `None` where nobody reaches us from outside."""
    layout, public_url = service.layout, read_channels(service.config).public_url
    if public_url is None:
        return None
    return Links(
        tokens=LinkTokens(layout.link_secret, public_url),
        outages=OutageNotes(layout.outage, layout.outage_answer),
        public_url=public_url,
    )

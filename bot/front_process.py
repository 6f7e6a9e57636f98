"""The front as a process: the HTTP API over one state folder."""

import logging
from functools import partial

from bot.http_api.app import make_app
from bot.http_api.serving import log_requests, run
from engine.adapters.decisions_view import Current, DecisionsView
from engine.adapters.fence_files import FileFence
from engine.adapters.kpi_view import KpiView
from engine.adapters.sweep import end_all
from engine.adapters.token_file import TokenFile
from engine.adapters.totp_file import TotpFile
from engine.runtime.client import EngineClient
from engine.wiring.kpis import read_kpis
from engine.wiring.service import Service, make_folders

# A little less than the supervisor gives the front in a clean stop.
_DRAIN_S = 4.0


def run_front(service: Service, *, version: str) -> None:
    """Serve until SIGTERM. Raises `StorageError` when it cannot listen.

    Reads the journal by itself and hands everything else to the engine, so that it answers, and stops, with
    the engine dead or spinning.
    """
    make_folders(service)
    layout, section = service.layout, service.settings.http
    fence = FileFence(layout.stops)
    log_requests(logging.StreamHandler())
    # One reader for quick look-ups on the event loop, another for long walks in threads.
    journal, looking = Current(layout.journal, DecisionsView), Current(layout.journal, DecisionsView)
    run(
        partial(
            make_app,
            engine=EngineClient(layout.socket),
            journal=journal,
            looking=looking,
            tokens=TokenFile(layout.tokens),
            step_up=TotpFile(layout.totp),
            fence=fence,
            sweep=lambda: end_all(layout.home, fence.stops()),
            counting=KpiView(read_kpis(service.config), looking, layout.kpis).look,
            version=version,
            most_body_bytes=section.most_body_bytes,
            requests_per_s=section.requests_per_s,
            names=(section.host, *section.names),
        ),
        host=section.host,
        port=section.port,
        address_file=layout.address,
        drain_s=_DRAIN_S,
    )

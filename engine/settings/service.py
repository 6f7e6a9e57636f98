"""The service file, `watchkeeper.yaml`: where it listens, how many hands it has, what it keeps."""

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from engine.settings.base import Settings

_Few = Annotated[int, Field(strict=True, ge=1, le=1000)]
_Mib = Annotated[int, Field(strict=True, ge=1, le=1 << 20)]
_Wait = Annotated[float, Field(strict=True, ge=0.1, le=366 * 86_400)]


class HttpSection(Settings):
    """The HTTP API and the web console."""

    host: Annotated[str, Field(strict=True, min_length=1)]
    port: Annotated[int, Field(strict=True, ge=0, le=65_535)]
    names: tuple[str, ...]
    """Hosts it answers to besides the loopback ones."""
    most_body_bytes: Annotated[int, Field(strict=True, ge=1024, le=64 << 20)]
    requests_per_s: Annotated[int, Field(strict=True, ge=1, le=100_000)]
    tls_certificate: Path | None = None
    """PEM file with the certificate and what leads to its authority; `None` means that we do not encrypt."""
    tls_key: Path | None = None
    """PEM file with its key, without a passphrase."""
    behind_proxy: bool = False
    """Whether all requests come through something that encrypts, and says so in `X-Forwarded-Proto`."""

    @model_validator(mode="after")
    def _encrypted(self) -> Self:
        """Refuse to be reached by others in clear: tokens and sessions would be anybody's on the way."""
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key belong together: give both files, or null for both")
        if self.tls_certificate is None and not self.behind_proxy and not is_loopback(self.host):
            raise ValueError(
                f"others can reach {self.host}, and nothing encrypts what they send: give tls_certificate "
                "and tls_key, or say behind_proxy: true where something in front encrypts, or listen on "
                "127.0.0.1"
            )
        return self


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens there. A name that may be anything is not.

    >>> [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "::", "bridge", "")]
    [True, True, True, False, False, False, False]
    """
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class WorkersSection(Settings):
    """The hands that perform effects."""

    processes: Annotated[int, Field(strict=True, ge=0, le=256)]
    slots: _Few
    lease_s: Annotated[float, Field(strict=True, ge=1, le=3600)]
    drain_s: _Wait
    start_within_s: _Wait


class WorkspaceSection(Settings):
    """Where effects work."""

    path: Path | None
    """`None` means the state folder's own."""
    protected_branches: tuple[str, ...]


class SandboxSection(Settings):
    """What runs programs."""

    image: str
    memory_mib: Annotated[int, Field(strict=True, ge=16, le=1 << 20)]
    pids: Annotated[int, Field(strict=True, ge=8, le=1 << 16)]
    cpus: Annotated[float, Field(strict=True, ge=0.05, le=256)]
    output_kib: Annotated[int, Field(strict=True, ge=1, le=1 << 16)]
    disk_mib: _Mib


class UndoSection(Settings):
    """What is kept so that effects can be taken back."""

    keep: Annotated[int, Field(strict=True, ge=1, le=1_000_000)]
    most_mib: _Mib


class SnapshotsSection(Settings):
    """Copies of journal, configuration and workspace."""

    every_s: Annotated[float, Field(strict=True, ge=0, le=366 * 86_400)]
    """0 means only by hand."""
    keep: _Few
    most_mib: Annotated[int, Field(strict=True, ge=1, le=1 << 30)]


_Id = Annotated[str, Field(strict=True, pattern=r"^[A-Z0-9]{1,32}$")]
_Address = Annotated[str, Field(strict=True, pattern=r"^(https?|wss?)://[^\s/]+(/\S*)?$")]


class DiscordSection(Settings):
    """Discord."""

    server: _Id | None = None
    """`None` means that Discord is not used."""
    channel: _Id | None = None
    api: _Address = "https://discord.com/api/v10"
    gateway: _Address = "wss://gateway.discord.gg"

    @model_validator(mode="after")
    def _both(self) -> Self:
        """Refuse half of it: messages need a channel."""
        if (self.server is None) != (self.channel is None):
            raise ValueError("server and channel belong together: give both ids, or null for both")
        return self


class SlackSection(Settings):
    """Slack."""

    channel: _Id | None = None
    """`None` means that Slack is not used."""
    mode: Literal["socket", "http"] = "socket"
    listen: Annotated[str, Field(strict=True, pattern=r"^\S+:\d{1,5}$")] = "127.0.0.1:8766"
    api: _Address = "https://slack.com/api/"


class ChatSection(Settings):
    """Where people talk to us besides the terminal: nowhere, where the file is older than this section."""

    discord: DiscordSection = DiscordSection()
    slack: SlackSection = SlackSection()


class ServiceFile(Settings):
    """`watchkeeper.yaml`."""

    http: HttpSection
    workers: WorkersSection
    workspace: WorkspaceSection
    sandbox: SandboxSection
    undo: UndoSection
    snapshots: SnapshotsSection
    clock_slack_s: _Wait
    chat: ChatSection = ChatSection()

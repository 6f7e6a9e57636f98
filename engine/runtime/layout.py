"""Layout: where a running Watchkeeper keeps what, within its state folder."""

from pathlib import Path

from msgspec import Struct


class Layout(Struct, frozen=True):
    """The places within one state folder. Nothing is made by naming it."""

    home: Path

    @property
    def journal(self) -> Path:
        """The journal, and the task table in the same file. Only the engine writes it."""
        return self.home / "journal.db"

    @property
    def socket(self) -> Path:
        """Where the engine listens."""
        return self.home / "engine.sock"

    @property
    def stops(self) -> Path:
        """The fence: one file for each stop. A file put there by hand, `touch stops/all`, is a stop too."""
        return self.home / "stops"

    @property
    def inflight(self) -> Path:
        """One file for each effect under way: what to end when a stop covers it."""
        return self.home / "inflight"

    @property
    def undo(self) -> Path:
        """What is kept so that effects can be taken back."""
        return self.home / "undo"

    @property
    def snapshots(self) -> Path:
        """Copies of journal, configuration and workspace."""
        return self.home / "snapshots"

    @property
    def workspace(self) -> Path:
        """The folder effects work in, unless the configuration names another."""
        return self.home / "workspace"

    @property
    def tokens(self) -> Path:
        """The hashed tokens of agents and people."""
        return self.home / "tokens.json"

    @property
    def own_token(self) -> Path:
        """The token of the person who made this folder, for the command line on this machine; mode 0600."""
        return self.home / "token"

    @property
    def links(self) -> Path:
        """Which accounts of chat platforms belong to whom."""
        return self.home / "links.json"

    @property
    def totp(self) -> Path:
        """The seeds of people's one-time codes; mode 0600."""
        return self.home / "totp.json"

    @property
    def chat(self) -> Path:
        """The tokens of chat platforms, a file each. Nothing an agent may name lies in it."""
        return self.home / "chat"

    @property
    def channels(self) -> Path:
        """The secrets of channels, a file each. Nothing an agent may name lies in it."""
        return self.home / "channels"

    @property
    def link_secret(self) -> Path:
        """What links that answer are signed with; mode 0600. Delete it, and no link answers any more."""
        return self.home / "link-secret"

    @property
    def outage(self) -> Path:
        """How far people were woken for an engine that does not answer; there only while it does not."""
        return self.home / "outage.json"

    @property
    def outage_answer(self) -> Path:
        """Who said that they have such an outage."""
        return self.home / "outage-answer.json"

    @property
    def messages(self) -> Path:
        """What was posted where in chat; it can be thrown away."""
        return self.home / "messages.db"

    @property
    def announcements(self) -> Path:
        """What people were told, a line of JSON each."""
        return self.home / "announcements.jsonl"

    @property
    def processes(self) -> Path:
        """What the supervisor knows of its processes; see `watchkeeper status`."""
        return self.home / "processes.json"

    @property
    def secrets(self) -> Path:
        """Values that HTTP actions may name and never show, a file each."""
        return self.home / "secrets"

    @property
    def events(self) -> Path:
        """Which events of systems outside were taken; it can be thrown away."""
        return self.home / "events.db"

    @property
    def address(self) -> Path:
        """Where the HTTP API listens."""
        return self.home / "http.json"

    @property
    def kpis(self) -> Path:
        """What was counted of KPIs so far; made anew from the journal where it is missing or old."""
        return self.home / "kpis.bin"

    @property
    def counts(self) -> Path:
        """What was counted for those who watch from outside; made anew from the journal like the KPIs."""
        return self.home / "counts.bin"

    @property
    def decisions(self) -> Path:
        """What decisions are searched by; made anew from the journal where it is missing or old."""
        return self.home / "decisions.db"

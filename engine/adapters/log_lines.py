"""Log lines, tracebacks with them, as they may be kept: secrets taken out."""

import logging

from engine.adapters.redaction import redact

_FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"


class CleanFormatter(logging.Formatter):
    """Writes a record as another formatter would, without its secrets."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and what came with it."""
        try:
            return redact(super().format(record))
        except Exception as failure:  # noqa: BLE001 - a line that nobody could look through is not written
            return (
                f"{record.name}: a line is withheld, for looking for secrets failed: {type(failure).__name__}"
            )


def clean_logs() -> None:
    """Have every line of this process come out clean, where nobody set up anything else."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(CleanFormatter("%(message)s"))
    for handler in logging.getLogger().handlers:
        handler.setFormatter(CleanFormatter(_FORMAT))

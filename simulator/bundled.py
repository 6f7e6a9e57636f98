"""The recordings that ship."""

from pathlib import Path
from typing import Final

BUNDLED: Final = {"demo": Path(__file__).resolve().parent / "demo.wkr"}
"""Where each lies, by name."""

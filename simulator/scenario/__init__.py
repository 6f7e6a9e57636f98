"""Scenarios: scripts in the command language, played by several people on any platform, on real parts."""

"""The web console: pages for people, served by the front process beside the HTTP API."""

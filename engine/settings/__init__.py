"""Configuration files as frozen models: `policy` is what the core decides by, `service` is how it is run."""

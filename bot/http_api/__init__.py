"""The HTTP API: agents propose and report, people look, stop and resume. `app.make_app`, `serving.serve`."""

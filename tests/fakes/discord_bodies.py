"""Parts of what a bot sends, each one that Discord takes."""


def button(**more):
    return {"type": 2, "style": 1, "label": "Go", "custom_id": "go"} | more


def row(*inside):
    return {"type": 1, "components": list(inside)}


def select(**more):
    option = {"label": "One", "value": "1"}
    return {"type": 3, "custom_id": "pick", "options": [option]} | more


def text(content):
    return {"type": 10, "content": content}


def embed(**more):
    return {"title": "t"} | more


def option(**more):
    return {"type": 3, "name": "scope", "description": "what"} | more


def command(*options, **more):
    return {"name": "stop", "description": "Stop", "type": 1, "options": list(options)} | more

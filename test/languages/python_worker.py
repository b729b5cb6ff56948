"""A backend in Python that connects as a worker."""

import sys

import socketio

URL, KEY = sys.argv[1:3]
backend = socketio.Client()


def handle(e):
    if e["type"] == "connect":
        return {"user": "ann", "rooms": ["board"]} if e["auth"].get("name") == "ann" else {"refuse": {"message": "who?"}}
    if e["type"] == "event" and e["event"] == "move":
        return {"ack": [{"ok": True}], "emit": [{"to": ["board"], "event": "moved", "args": [e["user"], *e["args"]]}]}
    return {}


@backend.on("events", namespace="/backend")
def events(told):
    return {"results": [handle(e) for e in told["events"]]}


@backend.on("connect", namespace="/backend")
def connect():
    backend.emit("handle", {"events": ["/game:*"]}, namespace="/backend", callback=lambda answer: print("handle", answer, flush=True))


backend.connect(URL, auth={"key": KEY}, namespaces=["/backend"])
backend.wait()

"""A backend that connects to signalbox: python3 worker.py, with WORKER_KEY as signalbox has it. It takes `pip install "python-socketio[client]"`."""

import os

import socketio

backend = socketio.Client()


def handle(e):
    if e["type"] == "connect":
        name = e["auth"].get("name")
        return {"user": name, "rooms": ["board"]} if name else {"refuse": {"message": "say who you are"}}
    if e["type"] == "event":
        if e["event"] != "move":
            return {"error": "there are only moves"}
        return {"ack": [{"ok": True}], "emit": [{"to": ["board"], "event": "moved", "args": [e["user"], *e["args"]]}]}
    print(e["type"], e.get("user"), e.get("reason", ""), flush=True)  # disconnect, offline, ...
    return {}


@backend.on("events", namespace="/backend")
def events(told):
    return {"results": [handle(e) for e in told["events"]]}


@backend.on("connect", namespace="/backend")
def connect():
    backend.emit("handle", {"events": ["/game:*"]}, namespace="/backend", callback=lambda answer: print("handle", answer, flush=True))


backend.connect(os.environ.get("SIGNALBOX", "http://localhost:3000"), auth={"key": os.environ["WORKER_KEY"]}, namespaces=["/backend"])
backend.wait()

"""A backend that signalbox posts to, with nothing but Python: python3 hook.py, with HOOKS_SECRET as signalbox has it."""

import base64
import hashlib
import hmac
import json
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = base64.b64decode(os.environ["HOOKS_SECRET"].removeprefix("whsec_"))


def is_signed(headers, body):
    """Whether a request comes from who has the secret, and is not an old one."""
    stamp = headers.get("webhook-timestamp", "0")
    signed = f"{headers.get('webhook-id')}.{stamp}.".encode() + body
    want = "v1," + base64.b64encode(hmac.digest(KEY, signed, hashlib.sha256)).decode()
    right = any(hmac.compare_digest(s, want) for s in headers.get("webhook-signature", "").split())
    return right and abs(time.time() - int(stamp)) < 300


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


class Hook(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections are used again

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        good = is_signed(self.headers, body)
        answer = json.dumps({"results": [handle(e) for e in json.loads(body)["events"]]}).encode() if good else b""
        self.send_response(200 if good else 401)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args):
        pass


server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "4000"))), Hook)
print(f"backend at http://127.0.0.1:{server.server_port}/", flush=True)
server.serve_forever()

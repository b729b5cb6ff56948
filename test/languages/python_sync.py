"""The steps of languages.test.mjs with python-socketio's Client, which uses requests and websocket-client."""

import sys
import threading

import socketio

URL, WAY, A, B = sys.argv[1:5]
TRANSPORTS = {"polling": ["polling"], "websocket": ["websocket"], "upgrade": None}[WAY]
BYTES = bytes(range(256))


class Peer:
    def __init__(self, user):
        self.user = user
        self.got = []
        self.some = threading.Condition()
        self.sio = socketio.Client(reconnection_delay=0.1, reconnection_delay_max=0.2)
        for event in ("connect", "greeting", "photo", "users", "roomMessage"):
            self.sio.on(event, self.note(event))
        self.sio.connect(URL, transports=TRANSPORTS)

    def note(self, event):
        def handler(*args):
            with self.some:
                self.got.append((event, args))
                self.some.notify_all()

        return handler

    def wait(self, event, suits=lambda *args: True):
        def found():
            return next((e for e in self.got if e[0] == event and suits(*e[1])), None)

        with self.some:
            if not self.some.wait_for(found, 15):
                raise AssertionError(f"{self.user} waited for {event}, got {self.got}")
            entry = found()
            self.got.remove(entry)
            return entry[1]

    def ask(self, event, data):
        return self.sio.call(event, data, timeout=15)

    def join(self):
        answer = self.ask("join", {"senderUserId": self.user, "recipientUserId": -1})
        assert answer == {"ok": True}, answer


def ok(step):
    print("ok", step, flush=True)


a, b = Peer(A), Peer(B)
a.wait("connect")
b.wait("connect")
want = "polling" if WAY == "polling" else "websocket"
assert a.sio.transport() == want, a.sio.transport()
ok("connect")

a.join()
b.join()
answer = a.ask("greeting", {"recipientUserId": B, "text": "grüß dich"})
assert answer == {"ok": True, "delivered": 1}, answer
assert b.wait("greeting")[0]["text"] == "grüß dich"
ok("ack")

answer = a.ask("photo", {"recipientUserId": B, "bytes": BYTES})
assert answer == {"ok": True, "delivered": 1}, answer
assert b.wait("photo")[0]["bytes"] == BYTES
answer = b.ask("photo", {"recipientUserId": A, "bytes": BYTES[::-1]})
assert answer == {"ok": True, "delivered": 1}, answer
assert a.wait("photo")[0]["bytes"] == BYTES[::-1]
ok("binary")

for peer in (a, b):
    answer = peer.ask("login", {"name": "n" + peer.user, "room": "r" + A})
    assert answer["user"]["name"] == "n" + peer.user, answer
a.wait("users", lambda users: len(users) == 2)
a.sio.emit("roomMessage", "hello, all")
assert b.wait("roomMessage")[0]["message"] == "hello, all"
ok("rooms")

print("restart", flush=True)
a.wait("connect")
b.wait("connect")
a.join()
b.join()
answer = a.ask("greeting", {"recipientUserId": B, "text": "again"})
assert answer == {"ok": True, "delivered": 1}, answer
assert b.wait("greeting")[0]["text"] == "again"
ok("reconnect")
a.sio.disconnect()
b.sio.disconnect()

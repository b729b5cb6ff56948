"""The steps of languages.test.mjs with python-socketio's AsyncClient, which uses aiohttp."""

import asyncio
import sys

import socketio

URL, WAY, A, B = sys.argv[1:5]
TRANSPORTS = {"polling": ["polling"], "websocket": ["websocket"], "upgrade": None}[WAY]
BYTES = bytes(range(256))


class Peer:
    def __init__(self, user):
        self.user = user
        self.got = []
        self.some = asyncio.Condition()
        self.sio = socketio.AsyncClient(reconnection_delay=0.1, reconnection_delay_max=0.2)
        for event in ("connect", "greeting", "photo", "users", "roomMessage"):
            self.sio.on(event, self.note(event))

    def note(self, event):
        async def handler(*args):
            async with self.some:
                self.got.append((event, args))
                self.some.notify_all()

        return handler

    async def wait(self, event, suits=lambda *args: True):
        def found():
            return next((e for e in self.got if e[0] == event and suits(*e[1])), None)

        async with self.some:
            try:
                entry = await asyncio.wait_for(self.some.wait_for(found), 15)
            except asyncio.TimeoutError:
                raise AssertionError(f"{self.user} waited for {event}, got {self.got}") from None
            self.got.remove(entry)
            return entry[1]

    async def ask(self, event, data):
        return await self.sio.call(event, data, timeout=15)

    async def join(self):
        answer = await self.ask("join", {"senderUserId": self.user, "recipientUserId": -1})
        assert answer == {"ok": True}, answer


def ok(step):
    print("ok", step, flush=True)


async def main():
    a, b = Peer(A), Peer(B)
    for peer in (a, b):
        await peer.sio.connect(URL, transports=TRANSPORTS)
        await peer.wait("connect")
    want = "polling" if WAY == "polling" else "websocket"
    assert a.sio.transport() == want, a.sio.transport()
    ok("connect")

    await a.join()
    await b.join()
    answer = await a.ask("greeting", {"recipientUserId": B, "text": "grüß dich"})
    assert answer == {"ok": True, "delivered": 1}, answer
    assert (await b.wait("greeting"))[0]["text"] == "grüß dich"
    ok("ack")

    answer = await a.ask("photo", {"recipientUserId": B, "bytes": BYTES})
    assert answer == {"ok": True, "delivered": 1}, answer
    assert (await b.wait("photo"))[0]["bytes"] == BYTES
    answer = await b.ask("photo", {"recipientUserId": A, "bytes": BYTES[::-1]})
    assert answer == {"ok": True, "delivered": 1}, answer
    assert (await a.wait("photo"))[0]["bytes"] == BYTES[::-1]
    ok("binary")

    for peer in (a, b):
        answer = await peer.ask("login", {"name": "n" + peer.user, "room": "r" + A})
        assert answer["user"]["name"] == "n" + peer.user, answer
    await a.wait("users", lambda users: len(users) == 2)
    await a.sio.emit("roomMessage", "hello, all")
    assert (await b.wait("roomMessage"))[0]["message"] == "hello, all"
    ok("rooms")

    print("restart", flush=True)
    await a.wait("connect")
    await b.wait("connect")
    await a.join()
    await b.join()
    answer = await a.ask("greeting", {"recipientUserId": B, "text": "again"})
    assert answer == {"ok": True, "delivered": 1}, answer
    assert (await b.wait("greeting"))[0]["text"] == "again"
    ok("reconnect")
    await a.sio.disconnect()
    await b.sio.disconnect()


asyncio.run(main())

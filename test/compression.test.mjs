// permessage-deflate as real clients speak it: `ws`, socket.io-client over it, and clients without it, in the same rooms.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { io } from "socket.io-client";
import parser from "socket.io-msgpack-parser";
import { onReference } from "./support/build.mjs";
import { connect, fresh } from "./support/clients.mjs";
import { TextClient } from "./support/doors.mjs";
import { useServer } from "./support/server.mjs";
import { SECRET, tokenOf } from "./support/tokens.mjs";

const websocket = { io, transports: ["websocket"] };
const upgrading = { io, transports: ["polling", "websocket"] };
const text = JSON.stringify(Array.from({ length: 60 }, (_, id) => ({ id, name: `user ${id * 7919}`, online: id % 3 === 0, room: "lobby" })));
const answer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
const received = (ws) => ws._socket.bytesRead;
const socketOf = (client) => client.socket.io.engine.transport.ws;

describe("with COMPRESS_BYTES", { skip: onReference && "its own" }, async () => {
  const server = await useServer({ env: { COMPRESS_BYTES: "1024", JWT_SECRET: SECRET } });
  const chat = (t, row, perMessageDeflate, more = {}) =>
    connect(t, server, row, { namespace: "/chat", perMessageDeflate, auth: { token: tokenOf(fresh("user")) }, ...more });

  test("a message reaches clients that compress and clients that do not, each in its form", async (t) => {
    const room = fresh("room");
    const small = { threshold: 1024 };
    const packed = [await chat(t, websocket, small), await chat(t, upgrading, small), await chat(t, websocket, { threshold: 0 }), await chat(t, websocket, small, { parser })];
    const plain = [await chat(t, websocket, false), await chat(t, { io, transports: ["polling"] }, small)];
    const rooms = [await TextClient.rooms(t, server, { perMessageDeflate: small }), await TextClient.rooms(t, server, { perMessageDeflate: false })];
    for (const c of [...packed, ...plain]) assert.equal((await c.ask("join_room", room))[0].ok, true);
    for (const c of rooms) {
      c.send({ type: "join", room });
      for (const each of [c, ...rooms]) await each.settle(); // who was there hears of it
    }
    for (const c of packed) assert.match(socketOf(c).extensions, /^permessage-deflate/);
    assert.equal(socketOf(plain[0]).extensions, "");
    assert.deepEqual(rooms.map((c) => c.ws.extensions.split(";")[0]), ["permessage-deflate", ""]);
    for (const from of [packed[0], plain[0]]) {
      const ofSockets = [...packed.slice(1), ...(from === plain[0] ? [packed[0]] : [])];
      const before = new Map([...ofSockets.map(socketOf), ...rooms.map((c) => c.ws)].map((ws) => [ws, received(ws)]));
      const took = (ws) => received(ws) - before.get(ws);
      from.emit("message", { roomId: room, content: text });
      for (const c of [...packed, ...plain]) assert.equal((await c.next("message", (m) => m.content === text)).length, 1);
      for (const c of rooms) assert.ok((await c.next()).content === text);
      for (const ws of [...ofSockets.map(socketOf), rooms[0].ws]) assert.ok(took(ws) < text.length / 3, `${took(ws)} of ${text.length} bytes`);
      assert.ok(took(rooms[1].ws) > text.length);
    }
  });

  test("attachments, many messages in a row and empty ones come back as they were", async (t) => {
    const a = await connect(t, server, websocket, { perMessageDeflate: { threshold: 0 } });
    const b = await connect(t, server, upgrading, { perMessageDeflate: { threshold: 0 } });
    const userId = fresh();
    await b.ask("join", { senderUserId: userId, recipientUserId: -1 });
    const image = Buffer.alloc(50_000, "signal");
    for (let n = 0; n < 50; n++) a.emit("parcel", { recipientUserId: userId, n, image: n % 10 ? "" : image, text: n % 3 ? text : "" });
    for (let n = 0; n < 50; n++) {
      const [got] = await b.next("parcel");
      assert.equal(got.n, n);
      assert.ok(n % 10 ? got.image === "" : image.equals(got.image));
      assert.equal(got.text, n % 3 ? text : "");
    }
  });

  test("a bomb ends its sender with 1009, and nobody else", async (t) => {
    const [bystander, sender] = [await TextClient.rooms(t, server), await TextClient.rooms(t, server)];
    sender.send(Buffer.alloc(50_000_000));
    assert.equal((await sender.end()).code, 1009);
    assert.deepEqual(await bystander.quiet(), []);
  });

  test("an offer for a small window is declined", async (t) => {
    const small = await TextClient.rooms(t, server, { perMessageDeflate: { serverMaxWindowBits: 10 } });
    assert.equal(small.ws.extensions, "");
    const whole = await TextClient.rooms(t, server, { perMessageDeflate: { serverMaxWindowBits: 15 } });
    assert.match(whole.ws.extensions, /^permessage-deflate/);
    let sent;
    const client = await TextClient.open(t, server, "/ws", { finishRequest: (req) => req.on("upgrade", (res) => (sent = res.headers)).end() });
    assert.equal(sent["sec-websocket-extensions"], answer);
    assert.match(client.ws.extensions, /^permessage-deflate/);
  });
});

test("without the setting nothing is agreed", { skip: onReference && "its own" }, async (t) => {
  const server = await useServer({ t, env: { JWT_SECRET: SECRET } });
  const client = await TextClient.rooms(t, server, { perMessageDeflate: true });
  assert.equal(client.ws.extensions, "");
});

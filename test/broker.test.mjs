// The broker on namespace "/": every row of "Broker and chat: /" in docs/protocol.md, from every client.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { onReference } from "./support/build.mjs";
import { connect, eachClient, fence, fresh, freshNumber, matrix, plain } from "./support/clients.mjs";
import { request } from "./support/raw.mjs";
import { useServer } from "./support/server.mjs";

const server = await useServer();

describe("broker over HTTP", () => {
  test("GET / names the service", async () => {
    const res = await request(server, "/");
    assert.equal(res.status, 200);
    assert.equal(res.text, "Real-Time Signal Broker");
  });

  for (const path of ["/time", "/time/"]) {
    test(`GET ${path} is the time in milliseconds, as digits, without a redirect`, async () => {
      const before = Date.now();
      const res = await request(server, path);
      assert.equal(res.status, 200);
      assert.match(res.text, /^\d+$/);
      assert.ok(before <= Number(res.text) && Number(res.text) <= Date.now(), res.text);
    });
  }
});

eachClient(matrix, (row) => {
  const join = async (t, id) => (await connect(t, server, row)).join(id);

  test("join makes the socket one of the user, answers its callback and is not relayed", async (t) => {
    // A user that the join's own recipientUserId names would get it, were it relayed.
    const [id, bystanderId] = [fresh(), fresh()];
    const bystander = await join(t, bystanderId);
    const user = await connect(t, server, row);
    assert.deepEqual(await user.ask("join", { senderUserId: id, recipientUserId: bystanderId }), [{ ok: true }]);
    await fence(user, bystander, bystanderId);
    assert.deepEqual(bystander.log, []);
    assert.deepEqual(user.names(), ["ack join"]);
  });

  test("an addressed event goes to its user with the same data, and to nobody else", async (t) => {
    const [aliceId, bobId, carolId] = [fresh(), fresh(), fresh()];
    const [alice, bob, carol] = [await join(t, aliceId), await join(t, bobId), await join(t, carolId)];
    const data = {
      senderUserId: aliceId,
      recipientUserId: bobId,
      nested: { list: [1, -2.5, "three", null, true, { deep: [] }], empty: {} },
      text: "ünïcödé \u2028 🎉 \"quoted\" \\ </script> &amp;",
    };
    assert.deepEqual(await alice.ask("offer", data), [{ ok: true, delivered: 1 }]);
    assert.deepEqual(await bob.next("offer"), [data]);
    await fence(alice, carol, carolId);
    assert.deepEqual(carol.log, []);
    assert.deepEqual(alice.names(), ["ack offer"]);
  });

  test("the sender need not have joined", async (t) => {
    const id = fresh();
    const bob = await join(t, id);
    const stranger = await connect(t, server, row);
    assert.deepEqual(await stranger.ask("hello", { recipientUserId: id }), [{ ok: true, delivered: 1 }]);
    assert.deepEqual(await bob.next("hello"), [{ recipientUserId: id }]);
  });

  test("without a callback the event arrives all the same", async (t) => {
    const id = fresh();
    const bob = await connect(t, server, row);
    bob.emit("join", { senderUserId: id, recipientUserId: -1 });
    bob.emit("note", { recipientUserId: id, n: 1 });
    assert.deepEqual(await bob.next("note"), [{ recipientUserId: id, n: 1 }]);
  });

  test("every socket of a user gets it once", async (t) => {
    const id = fresh();
    const sockets = [await join(t, id), await join(t, id), await join(t, id)];
    const sender = await connect(t, server, row);
    assert.deepEqual(await sender.ask("all", { recipientUserId: id }), [{ ok: true, delivered: 3 }]);
    for (const socket of sockets) {
      await socket.next("all");
      await fence(sender, socket, id);
      assert.deepEqual(socket.got("all"), [[{ recipientUserId: id }]]);
    }
  });

  test("who addresses itself gets it back once, its other sockets once too", async (t) => {
    const id = fresh();
    const [self, other] = [await join(t, id), await join(t, id)];
    const data = { senderUserId: id, recipientUserId: id };
    assert.deepEqual(await self.ask("self", data), [{ ok: true, delivered: 2 }]);
    await fence(self, self, id);
    await fence(self, other, id);
    assert.deepEqual(self.got("self"), [[data]]);
    assert.deepEqual(other.got("self"), [[data]]);
  });

  test("joining a second time with another id keeps both", async (t) => {
    const [first, second] = [fresh(), fresh()];
    const both = await (await join(t, first)).join(second);
    const sender = await connect(t, server, row);
    assert.deepEqual(await sender.ask("a", { recipientUserId: first }), [{ ok: true, delivered: 1 }]);
    assert.deepEqual(await sender.ask("b", { recipientUserId: second }), [{ ok: true, delivered: 1 }]);
    await fence(sender, both, first);
    assert.deepEqual(both.names(), ["a", "b"]);
  });

  test("joining twice with the same id is joining once", async (t) => {
    const id = fresh();
    const user = await (await join(t, id)).join(id);
    assert.deepEqual(await user.ask("once", { recipientUserId: id }), [{ ok: true, delivered: 1 }]);
    await fence(user, user, id);
    assert.equal(user.got("once").length, 1);
  });

  test("a user that nobody is connected as is no error", async (t) => {
    const sender = await connect(t, server, row);
    assert.deepEqual(await sender.ask("void", { recipientUserId: fresh() }), [{ ok: true, delivered: 0 }]);
  });

  test("a user's socket that has left counts no more", async (t) => {
    const id = fresh();
    const [stays, leaves] = [await join(t, id), await join(t, id)];
    // The chat tells when the server has seen the other one go.
    const room = fresh("room");
    await stays.login("stays", room);
    await leaves.login("leaves", room);
    leaves.socket.disconnect();
    await stays.next("notification", (n) => n.title === "Someone just left");
    assert.deepEqual(await stays.ask("left", { recipientUserId: id }), [{ ok: true, delivered: 1 }]);
  });

  test("only the first argument is relayed", async (t) => {
    const id = fresh();
    const user = await join(t, id);
    const data = { recipientUserId: id, n: 1 };
    const answer = await user.ask("args", data, "second", { third: Buffer.from([1]) }, null);
    assert.deepEqual(answer, [{ ok: true, delivered: 1 }]);
    assert.deepEqual(await user.next("args"), [data]);
  });

  test("time answers the sender alone, without the key before a join", async (t) => {
    const id = fresh();
    const [user, other] = [await connect(t, server, row), await join(t, id)];
    const ask = async (client) => {
      const before = Date.now();
      client.emit("time", { recipientUserId: id });
      const [data, ...rest] = await client.next("time");
      assert.deepEqual(rest, []);
      assert.ok(Number.isInteger(data.time) && before <= data.time && data.time <= Date.now(), String(data.time));
      delete data.time;
      return data;
    };
    assert.deepEqual(await ask(user), {});
    await user.join(id);
    assert.deepEqual(await ask(user), { recipientUserId: id });
    const number = freshNumber();
    await user.join(number);
    assert.deepEqual(await ask(user), { recipientUserId: number }, "the last id, its JSON type kept");
    await user.join(id);
    assert.deepEqual(await ask(user), { recipientUserId: id });
    await fence(user, other, id);
    assert.deepEqual(other.log, []);
  });

  for (const [what, args] of [
    ["nothing", []],
    ["null", [null]],
    ["a number", [7]],
    ["a text", ["text"]],
  ]) {
    test(`time is answered with ${what} as its data`, async (t) => {
      const user = await connect(t, server, row);
      user.emit("time", ...args);
      const [data] = await user.next("time");
      assert.deepEqual(Object.keys(data), ["time"]);
    });
  }

  test("5 and \"5\" are the same user", async (t) => {
    const number = freshNumber();
    const [asNumber, asText] = [await join(t, number), await join(t, String(number))];
    for (const recipientUserId of [number, String(number)]) {
      assert.deepEqual(await asNumber.ask("five", { recipientUserId }), [{ ok: true, delivered: 2 }]);
      assert.deepEqual(await asNumber.next("five"), [{ recipientUserId }]);
      assert.deepEqual(await asText.next("five"), [{ recipientUserId }]);
    }
  });

  test("ids turn into text as String() does it", async (t) => {
    const user = await connect(t, server, row);
    const ids = [null, true, false, 1e21, 1e-7, 0.1, -0, -1, 2 ** 53, 1.7976931348623157e308, "", " ", "ünï", [1, [2, null]], [], {}];
    for (const id of ids) {
      if (row.msgpack && id >= 2 ** 64) continue; // of which notepack.io makes another number
      await user.join(id);
      for (const recipientUserId of [id, String(id)]) {
        // Sockets of other tests may still be leaving such a common user: who counts is this one.
        const [answer] = await user.ask("id", { recipientUserId });
        assert.ok(answer.ok && answer.delivered >= 1, `${JSON.stringify(recipientUserId)}: ${JSON.stringify(answer)}`);
        // JSON has no -0.
        assert.deepEqual(await user.next("id"), [JSON.parse(JSON.stringify({ recipientUserId }))]);
      }
    }
  });

  test("binary data arrives: Buffer, ArrayBuffer, views, nested, many, empty and large", async (t) => {
    const id = fresh();
    const [sender, receiver] = [await connect(t, server, row), await join(t, id)];
    const large = Buffer.alloc(200_000, (i) => i % 251);
    for (const [what, value] of Object.entries({
      buffer: Buffer.from([0, 1, 2, 253, 254, 255]),
      arrayBuffer: Uint8Array.from([1, 2, 3]).buffer,
      ...(row.msgpack ? {} : { view: new Uint8Array([9, 8, 7, 6]).subarray(1, 3) }), // notepack.io writes all of its buffer
      nested: { list: [Buffer.from("a"), { deep: { er: Buffer.from("b") } }], beside: "text" },
      ten: Array.from({ length: 10 }, (_, i) => Buffer.from([i])),
      empty: Buffer.alloc(0),
      large,
    })) {
      const data = { recipientUserId: id, what, value };
      assert.deepEqual(await sender.ask("binary", data), [{ ok: true, delivered: 1 }], what);
      const got = await receiver.next("binary");
      assert.deepEqual(got.map(plain), [plain(data)], what);
    }
  });

  test("binary data beside the first argument does not disturb it", async (t) => {
    const id = fresh();
    const user = await join(t, id);
    const data = { recipientUserId: id, mine: Buffer.from("mine") };
    assert.deepEqual(await user.ask("beside", data, Buffer.from("not mine")), [{ ok: true, delivered: 1 }]);
    assert.deepEqual((await user.next("beside")).map(plain), [plain(data)]);
  });

  test("text and binary keep their order", async (t) => {
    const id = fresh();
    const user = await join(t, id);
    for (let n = 0; n < 30; n++) {
      user.emit("mixed", n % 3 === 0 ? { recipientUserId: id, n, b: Buffer.from([n]) } : { recipientUserId: id, n });
    }
    await user.next("mixed", (data) => data.n === 29);
    assert.deepEqual(user.got("mixed").map(([data]) => data.n), Array.from({ length: 30 }, (_, n) => n));
  });

  test("what cannot be delivered is answered, reaches nobody and costs nothing", async (t) => {
    const cases = {
      "no argument": ["e"],
      "null": ["e", null],
      "a number": ["e", 5],
      "a text": ["e", "recipientUserId"],
      "a boolean": ["e", true],
      "an array": ["e", [{ recipientUserId: "undefined" }]],
      "an empty array": ["e", []],
      "an empty object": ["e", {}],
      "no recipient": ["e", { senderUserId: 1, data: "x" }],
      "the recipient only further in": ["e", { data: { recipientUserId: "undefined" } }],
      "the recipient only in the second argument": ["e", {}, { recipientUserId: "undefined" }],
      "a Buffer": ["e", Buffer.from("x")],
      "an event named error without data": ["error"],
      "an event named error with a recipient": ["error", { recipientUserId: "undefined" }],
      "a join without senderUserId": ["join", { recipientUserId: -1 }],
      "a join without data": ["join"],
      "a join with null": ["join", null],
      "a join with a text": ["join", "undefined"],
      "an event with an empty name": ["", {}],
      "an event named as what objects inherit": ["hasOwnProperty", {}],
      "an event named __proto__": ["__proto__", {}],
    };
    // What goes astray in JavaScript ends up with the user "undefined".
    const astray = await join(t, "undefined");
    const user = await connect(t, server, row);
    for (const [what, [event, ...args]] of Object.entries(cases)) {
      const [answer, ...rest] = await user.ask(event, ...args);
      assert.deepEqual(rest, [], what);
      assert.deepEqual(Object.keys(answer).sort(), ["error", "ok"], what);
      assert.equal(answer.ok, false, what);
      assert.ok(typeof answer.error === "string" && answer.error.length > 0, what);
      user.emit(event, ...args);
      await fence(user, astray, "undefined");
      assert.deepEqual(astray.log, [], what);
      assert.ok(user.socket.connected, what);
    }
  });
});

test("the debug log has a line per event: name and sender, and nothing of the data", { skip: onReference }, async (t) => {
  const verbose = await useServer({ t, env: { LOG_LEVEL: "debug" } });
  const user = await (await connect(t, verbose, matrix[0])).join("logged");
  await user.ask("briefly", { senderUserId: 77, recipientUserId: "logged", text: "private-text" });
  const line = verbose.logLines().find((entry) => Object.values(entry).includes("briefly"));
  const values = Object.values(line ?? assert.fail("no log line names the event")).map(String);
  assert.ok(values.includes("77"), values.join("\n"));
  assert.ok(!verbose.output.includes("private-text"), "the data is in the log");
});

test("otherwise nothing of a payload is logged", async (t) => {
  const user = await (await connect(t, server, matrix[1])).join("private-id");
  const words = ["private-text", "private-id", "private-event", "private-bad"];
  await user.ask("private-event", { recipientUserId: "private-id", senderUserId: "private-id", text: "private-text" });
  await user.ask("private-bad", { text: "private-text" });
  for (const word of words) assert.ok(!server.output.includes(word), word);
});

// The chat on namespace "/": every row of "Broker and chat: /" in docs/protocol.md, from every client.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { connect, eachClient, fresh, matrix, newest, plain } from "./support/clients.mjs";
import { happens } from "./support/deadline.mjs";
import { useServer } from "./support/server.mjs";

const server = await useServer();

const entered = (name) => [{ title: "Someone's here", description: `${name} just entered the room` }];
const left = (name) => [{ title: "Someone just left", description: `${name} just left the room` }];

/** Waits until the last list a client was sent holds exactly these users, in this order. */
async function lists(client, ...users) {
  const want = JSON.stringify(users);
  await client.until(() => JSON.stringify(client.got("users").at(-1)?.[0]) === want, `the list ${want}`);
}

/** Waits until a client was told that somebody has left, and then for the list of who stays. */
async function leaves(client, name, ...stay) {
  await client.next("notification", (n) => n.description === left(name)[0].description);
  await lists(client, ...stay);
}

/** Proves that client has got all that the chat sent to the room so far: its own message has come back to it. */
async function settle(client) {
  const mark = fresh();
  client.emit("roomMessage", { mark });
  await client.next("roomMessage", (m) => m.message?.mark === mark);
}

/** The room's messages that a client got, without those of settle. */
const said = (client) => client.got("roomMessage").map(([m]) => m).filter((m) => !m.message?.mark);

eachClient(matrix, (row) => {
  const enter = async (t, name, room) => {
    const client = await connect(t, server, row);
    client.user = await client.login(name, room);
    return client;
  };

  describe("login", () => {
    test("the first one in a room has the list before the callback, and no notification", async (t) => {
      const room = fresh("room");
      const ann = await connect(t, server, row);
      const [answer, ...rest] = await ann.ask("login", { name: "ann", room });
      const user = { id: ann.id, name: "ann", room };
      assert.deepEqual(answer, { user });
      assert.deepEqual(rest, []);
      assert.deepEqual(ann.names().slice(0, 2), ["users", "ack login"]);
      assert.deepEqual(ann.got("users")[0], [[user]]);
      assert.deepEqual(ann.got("notification"), []);
    });

    test("the others are notified, and everyone has the list in login order", async (t) => {
      const room = fresh("room");
      const ann = await enter(t, "ann", room);
      const bob = await enter(t, "bob", room);
      const cat = await enter(t, "cat", room);
      const users = [ann.user, bob.user, cat.user];
      for (const client of [ann, bob, cat]) await lists(client, ...users);
      assert.deepEqual(ann.got("notification"), [entered("bob"), entered("cat")]);
      assert.deepEqual(bob.got("notification"), [entered("cat")]);
      assert.deepEqual(cat.got("notification"), []);
      const at = cat.names().indexOf("ack login");
      assert.ok(cat.log.slice(0, at).some(([e, list]) => e === "users" && list.length === 3), "complete before the callback");
    });

    test("other rooms hear nothing", async (t) => {
      const [here, there] = [fresh("room"), fresh("room")];
      const ann = await enter(t, "ann", here);
      await settle(ann);
      ann.log = [];
      const bob = await enter(t, "bob", there);
      bob.emit("roomMessage", "there");
      await bob.next("roomMessage");
      await bob.ask("logout");
      await settle(ann);
      assert.deepEqual(ann.names(), ["roomMessage"]);
    });

    test("name and room are trimmed", async (t) => {
      const room = fresh("room");
      const ann = await connect(t, server, row);
      const [answer] = await ann.ask("login", { name: " \t\n Ann7 \u00a0\ufeff", room: `\u2003${room}\r\n` });
      assert.deepEqual(answer, { user: { id: ann.id, name: "Ann7", room } });
      await lists(ann, answer.user);
    });

    test("further fields are left out", async (t) => {
      const room = fresh("room");
      const ann = await connect(t, server, row);
      const [answer] = await ann.ask("login", { id: "forged", name: "ann", room, admin: true });
      assert.deepEqual(answer, { user: { id: ann.id, name: "ann", room } });
      await lists(ann, answer.user);
    });

    test("equal names are fine", async (t) => {
      const room = fresh("room");
      const one = await enter(t, "twin", room);
      const two = await enter(t, "twin", room);
      assert.notEqual(one.id, two.id);
      for (const client of [one, two]) await lists(client, one.user, two.user);
    });

    test("a second login of the socket is refused and changes nothing", async (t) => {
      const [room, other] = [fresh("room"), fresh("room")];
      const ann = await enter(t, "ann", room);
      const bob = await enter(t, "bob", room);
      await lists(ann, ann.user, bob.user);
      for (const again of [{ name: "ann", room }, { name: "new", room: other }]) {
        assert.deepEqual(await bob.ask("login", again), [{ error: "user already exists" }]);
      }
      bob.emit("roomMessage", "still here");
      await ann.next("roomMessage", (m) => m.message === "still here" && m.from === "bob");
      assert.deepEqual(ann.got("notification"), [entered("bob")]);
      assert.deepEqual(ann.got("users").at(-1), [[ann.user, bob.user]]);
    });

    const refused = {
      "no data": [],
      "null": [null],
      "a text": ["ann"],
      "a number": [7],
      "an array": [["ann", "room"]],
      "an empty object": [{}],
      "no name": [{ room: "room" }],
      "no room": [{ name: "ann" }],
      "an empty name": [{ name: "", room: "room" }],
      "a blank name": [{ name: " \t\n", room: "room" }],
      "an empty room": [{ name: "ann", room: "" }],
      "a space within the name": [{ name: "ann lee", room: "room" }],
      "a line end within the name": [{ name: "ann\nlee", room: "room" }],
      "a hyphen in the room": [{ name: "ann", room: "my-room" }],
      "a letter beyond ASCII": [{ name: "änn", room: "room" }],
      "digits beyond ASCII": [{ name: "ann", room: "٣" }],
      "markup": [{ name: "<b>ann</b>", room: "room" }],
      "a number as the name": [{ name: 7, room: "room" }],
      "null as the room": [{ name: "ann", room: null }],
      "arrays": [{ name: ["ann"], room: ["room"] }],
      "objects": [{ name: {}, room: { length: 1 } }],
      "true": [{ name: true, room: true }],
      "binary data": [{ name: Buffer.from("ann"), room: Buffer.from("room") }],
    };
    test("is refused without a name and a room of letters and digits, and works afterwards", async (t) => {
      const ann = await connect(t, server, row);
      for (const [what, args] of Object.entries(refused)) {
        assert.deepEqual(await ann.ask("login", ...args), [{ error: "No room or name provided" }], what);
      }
      assert.ok(ann.names().every((name) => name === "ack login"), "nothing but the answers");
      await ann.login("ann", fresh("room"));
    });

    for (const [what, args] of Object.entries({
      "good data": [{ name: "nocb", room: "withoutCallback" }],
      "bad data": [{}],
      "no data": [],
    })) {
      test(`without a callback and with ${what} disconnects the socket`, async (t) => {
        const ann = await connect(t, server, row);
        ann.emit("login", ...args);
        assert.equal(await ann.gone(), "io server disconnect");
        const bob = await enter(t, "bob", "withoutCallback");
        await settle(bob);
        assert.ok(!bob.got("users").at(-1)[0].some((user) => user.name === "nocb"));
      });
    }

    test("again without a callback: the room is told that the user has left", async (t) => {
      const room = fresh("room");
      const [ann, bob] = [await enter(t, "ann", room), await enter(t, "bob", room)];
      bob.emit("login", { name: "bob", room });
      assert.equal(await bob.gone(), "io server disconnect");
      await leaves(ann, "bob", ann.user);
      assert.deepEqual(ann.got("notification"), [entered("bob"), left("bob")]);
    });
  });

  describe("logout", () => {
    test("tells the rest, calls back without arguments, and the one who left hears no more", async (t) => {
      const room = fresh("room");
      const [ann, bob] = [await enter(t, "ann", room), await enter(t, "bob", room)];
      await lists(bob, ann.user, bob.user);
      bob.log = [];
      assert.deepEqual(await bob.ask("logout"), []);
      await leaves(ann, "bob", ann.user);
      assert.deepEqual(ann.got("notification"), [entered("bob"), left("bob")]);
      bob.emit("roomMessage", "nobody hears this");
      await settle(ann);
      assert.equal((await bob.ask("ping"))[0], bob.id);
      assert.deepEqual(said(ann), []);
      assert.deepEqual(bob.names(), ["ack logout", "ack ping"]);
    });

    test("who is not logged in is called back, and nobody is told", async (t) => {
      const room = fresh("room");
      const ann = await enter(t, "ann", room);
      const bob = await connect(t, server, row);
      assert.deepEqual(await bob.ask("logout"), []);
      await bob.login("bob", room);
      assert.deepEqual(await bob.ask("logout"), []);
      assert.deepEqual(await bob.ask("logout"), []);
      await ann.next("notification", (n) => n.title === "Someone just left");
      await settle(ann);
      assert.deepEqual(ann.got("notification"), [entered("bob"), left("bob")]);
    });

    test("then login works again, in another room too, and puts the user at the end of the list", async (t) => {
      const [room, other] = [fresh("room"), fresh("room")];
      const [ann, bob] = [await enter(t, "ann", room), await enter(t, "bob", room)];
      await ann.ask("logout");
      await ann.login("anna", other);
      await ann.ask("logout");
      const user = await ann.login("ann", room);
      for (const client of [ann, bob]) await lists(client, bob.user, user);
    });

    test("without a callback disconnects the socket, and the rest are told once", async (t) => {
      const room = fresh("room");
      const [ann, bob] = [await enter(t, "ann", room), await enter(t, "bob", room)];
      bob.emit("logout");
      assert.equal(await bob.gone(), "io server disconnect");
      await leaves(ann, "bob", ann.user);
      await settle(ann);
      assert.deepEqual(ann.got("notification"), [entered("bob"), left("bob")]);
    });

    test("without a callback and not logged in disconnects the socket", async (t) => {
      const ann = await connect(t, server, row);
      ann.emit("logout");
      assert.equal(await ann.gone(), "io server disconnect");
    });
  });

  describe("disconnect", () => {
    test("is a logout", async (t) => {
      const room = fresh("room");
      const [ann, bob, cat] = [await enter(t, "ann", room), await enter(t, "bob", room), await enter(t, "cat", room)];
      bob.socket.disconnect();
      for (const client of [ann, cat]) {
        await leaves(client, "bob", ann.user, cat.user);
        await settle(client);
        assert.deepEqual(client.got("notification").filter(([n]) => n.title === "Someone just left"), [left("bob")]);
      }
    });

    test("of the connection without a word is a logout", async (t) => {
      const room = fresh("room");
      const [ann, bob] = [await enter(t, "ann", room), await enter(t, "bob", room)];
      // The manager closes the engine; no DISCONNECT packet is sent.
      bob.socket.io.engine.close();
      await leaves(ann, "bob", ann.user);
      assert.deepEqual(ann.got("notification"), [entered("bob"), left("bob")]);
    });
  });

  describe("roomMessage", () => {
    test("goes to everybody in the room, the sender included, once", async (t) => {
      const room = fresh("room");
      const [ann, bob] = [await enter(t, "ann", room), await enter(t, "bob", room)];
      bob.emit("roomMessage", "hello");
      ann.emit("roomMessage", "hi");
      for (const client of [ann, bob]) {
        await client.next("roomMessage", (m) => m.from === "ann");
        await client.next("roomMessage", (m) => m.from === "bob");
        await settle(client);
        const got = said(client).sort((a, b) => (a.from < b.from ? -1 : 1));
        assert.deepEqual(got, [{ message: "hi", from: "ann" }, { message: "hello", from: "bob" }]);
      }
    });

    test("carries any value, binary ones too, and only the first argument", async (t) => {
      const ann = await enter(t, "ann", fresh("room"));
      const values = [
        "", "ünï 🎉", 0, -1.5, true, false, null, [], [1, [2]], {}, { deep: { er: [null] } },
        Buffer.from([0, 255]), { iv: Buffer.from("iv"), body: [Buffer.from("body")] },
      ];
      for (const message of values) ann.emit("roomMessage", message, "second");
      for (const message of values) {
        const got = await ann.next("roomMessage");
        assert.deepEqual(got.map(plain), [plain({ message, from: "ann" })]);
      }
    });

    test("without a message has no such key", async (t) => {
      const ann = await enter(t, "ann", fresh("room"));
      ann.emit("roomMessage");
      assert.deepEqual(await ann.next("roomMessage"), [{ from: "ann" }]);
    });

    test("of who is not logged in is ignored", async (t) => {
      const ann = await connect(t, server, row);
      ann.emit("roomMessage", "nobody");
      assert.deepEqual(await ann.ask("ping"), [ann.id]);
      assert.deepEqual(ann.names(), ["ack ping"]);
    });

    test("keeps its order", async (t) => {
      const room = fresh("room");
      const [ann, bob] = [await enter(t, "ann", room), await enter(t, "bob", room)];
      const numbers = Array.from({ length: 50 }, (_, n) => n);
      for (const n of numbers) ann.emit("roomMessage", n);
      for (const client of [ann, bob]) {
        await client.next("roomMessage", (m) => m.message === 49);
        assert.deepEqual(client.got("roomMessage").map(([m]) => m.message), numbers);
      }
    });
  });

  describe("ping", () => {
    test("calls back with the socket id, logged in or not", async (t) => {
      const ann = await connect(t, server, row);
      assert.deepEqual(await ann.ask("ping"), [ann.id]);
      await ann.login("ann", fresh("room"));
      assert.deepEqual(await ann.ask("ping"), [ann.id]);
      assert.deepEqual(await ann.ask("ping", "with", { some: "data" }), [ann.id]);
    });

    test("without a callback disconnects the socket", async (t) => {
      const ann = await connect(t, server, row);
      ann.emit("ping");
      assert.equal(await ann.gone(), "io server disconnect");
    });
  });

  test("after a disconnect by the server the same client connects again and logs in", async (t) => {
    const room = fresh("room");
    const ann = await enter(t, "ann", room);
    const before = ann.id;
    const engine = ann.socket.io.engine;
    ann.emit("ping");
    assert.equal(await ann.gone(), "io server disconnect");
    // 3.1.3 and 4.0.1 forget a connection that they begin while the last one is still closing.
    if (engine.readyState !== "closed") await happens(engine, "close", "the connection to close");
    ann.socket.connect();
    await ann.connected();
    assert.notEqual(ann.id, before);
    const user = await ann.login("ann", room);
    await lists(ann, user);
  });
});

describe("a storm of logins", () => {
  test("100 at once into one room: everybody ends with the same complete list", async (t) => {
    const room = fresh("room");
    const clients = await Promise.all(Array.from({ length: 100 }, (_, n) => connect(t, server, newest[n % newest.length])));
    const users = await Promise.all(clients.map((client, n) => client.login(`user${n}`, room)));
    const complete = (list) => list.length === clients.length;
    const ends = await Promise.all(clients.map(async (client) => (await client.next("users", complete))[0]));
    for (const [n, client] of clients.entries()) {
      assert.deepEqual(ends[n], ends[0]);
      assert.deepEqual(client.got("users").at(-1), [ends[0]]);
      const at = client.names().indexOf("ack login");
      const named = client.log.slice(0, at).some(([e, list]) => e === "users" && list.some((user) => user.id === client.id));
      assert.ok(named, "has a list with itself before its callback");
    }
    const byId = (a, b) => (a.id < b.id ? -1 : 1);
    assert.deepEqual([...ends[0]].sort(byId), [...users].sort(byId));

    // Half of them go, in three ways; the other half end with what is left, in the order there was.
    const [going, staying] = [clients.filter((_, n) => n % 2 === 0), clients.filter((_, n) => n % 2 === 1)];
    going.forEach((client, n) => {
      if (n % 3 === 0) client.emit("logout", () => {});
      else if (n % 3 === 1) client.emit("logout");
      else client.socket.disconnect();
    });
    const ids = new Set(staying.map((client) => client.id));
    const rest = ends[0].filter((user) => ids.has(user.id));
    await Promise.all(staying.map((client) => lists(client, ...rest)));
  });

  test("many rooms at once stay apart", async (t) => {
    const rooms = Array.from({ length: 10 }, () => fresh("room"));
    const clients = await Promise.all(Array.from({ length: 50 }, (_, n) => connect(t, server, newest[n % newest.length])));
    await Promise.all(clients.map((client, n) => client.login(`user${n}`, rooms[n % 10])));
    for (const [n, room] of rooms.entries()) {
      const members = clients.filter((_, i) => i % 10 === n);
      const ends = await Promise.all(members.map(async (c) => (await c.next("users", (list) => list.length === 5))[0]));
      for (const end of ends) {
        assert.deepEqual(end, ends[0]);
        assert.ok(end.every((user) => user.room === room));
      }
    }
  });
});

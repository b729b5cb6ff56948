// Broker and chat share namespace "/": "Broker and chat: /" in docs/protocol.md says whose an event is.

import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, eachClient, fence, fresh, freshNumber, matrix, newest } from "./support/clients.mjs";
import { RawSocket } from "./support/raw.mjs";
import { useServer } from "./support/server.mjs";

const server = await useServer();

eachClient(matrix, (row) => {
  const join = async (t, id) => (await connect(t, server, row)).join(id);

  for (const event of ["login", "logout", "roomMessage", "ping"]) {
    test(`${event} with a recipient is the broker's`, async (t) => {
      const id = fresh();
      const [sender, receiver] = [await connect(t, server, row), await join(t, id)];
      const data = { recipientUserId: id, name: "ann", room: "ownership" };
      assert.deepEqual(await sender.ask(event, data), [{ ok: true, delivered: 1 }]);
      assert.deepEqual(await receiver.next(event), [data]);
      sender.emit(event, data);
      assert.deepEqual(await receiver.next(event), [data]);
      await fence(sender, receiver, id);
      assert.ok(sender.socket.connected, "no callback, and still connected: the chat did not see it");
    });
  }

  test("null is a recipient", async (t) => {
    const sender = await connect(t, server, row);
    const [answer] = await sender.ask("login", { name: "ann", room: "ownership", recipientUserId: null });
    assert.equal(answer.ok, true);
  });

  test("join and time are the broker's whoever they name", async (t) => {
    const [id, otherId] = [fresh(), fresh()];
    const [user, other] = [await connect(t, server, row), await join(t, otherId)];
    assert.deepEqual(await user.ask("join", { senderUserId: id, recipientUserId: otherId }), [{ ok: true }]);
    user.emit("time", { recipientUserId: otherId });
    assert.equal((await user.next("time"))[0].recipientUserId, id);
    await fence(user, other, otherId);
    assert.deepEqual(other.log, []);
  });

  test("a recipient further in does not make it the broker's", async (t) => {
    const room = fresh("room");
    const ann = await connect(t, server, row);
    const [answer] = await ann.ask("login", { name: "ann", room, more: { recipientUserId: 1 } });
    assert.equal(answer.user?.name, "ann");
    const message = { text: "x", quoted: { recipientUserId: 1 } };
    ann.emit("roomMessage", message);
    assert.deepEqual(await ann.next("roomMessage"), [{ message, from: "ann" }]);
    ann.emit("roomMessage", [{ recipientUserId: 1 }]);
    assert.deepEqual(await ann.next("roomMessage"), [{ message: [{ recipientUserId: 1 }], from: "ann" }]);
    ann.emit("roomMessage", "text", { recipientUserId: 1 });
    assert.deepEqual(await ann.next("roomMessage"), [{ message: "text", from: "ann" }]);
  });

  test("any other event without a recipient cannot be delivered", async (t) => {
    const ann = await connect(t, server, row);
    await ann.login("ann", fresh("room"));
    for (const event of ["message", "users", "notification", "Login", "PING", "logout ", "roommessage"]) {
      const [answer] = await ann.ask(event, { message: "x" });
      assert.equal(answer.ok, false, event);
    }
  });

  test("user 42 and chat room 42 are different addresses", async (t) => {
    const number = freshNumber();
    const [user, chatter, sender] = [await join(t, number), await connect(t, server, row), await connect(t, server, row)];
    await chatter.login("ann", String(number));
    await sender.login("bob", String(number));
    await chatter.next("notification");
    chatter.log = [];
    assert.deepEqual(await sender.ask("addressed", { recipientUserId: number }), [{ ok: true, delivered: 1 }]);
    sender.emit("roomMessage", "to the room");
    await chatter.next("roomMessage");
    await user.next("addressed");
    await fence(sender, user, number);
    assert.deepEqual(chatter.names().filter((name) => name !== "users"), ["roomMessage"]);
    assert.deepEqual(user.names(), ["addressed"]);
  });

  test("a socket id, a room's inner name or another socket's name is not an address", async (t) => {
    const room = fresh("room");
    const [ann, bob] = [await connect(t, server, row), await connect(t, server, row)];
    await ann.login("ann", room);
    for (const recipientUserId of [ann.id, room, `lobby:${room}`, `room:${room}`, `user:${ann.id}`, `sid:${ann.id}`, `lobby ${room}`]) {
      assert.deepEqual(await bob.ask("stray", { recipientUserId }), [{ ok: true, delivered: 0 }], recipientUserId);
    }
  });

  test("one socket may be both: a broker user and in a chat room", async (t) => {
    const [id, room] = [fresh(), fresh("room")];
    const both = await join(t, id);
    await both.login("ann", room);
    assert.deepEqual(await both.ask("direct", { recipientUserId: id }), [{ ok: true, delivered: 1 }]);
    both.emit("roomMessage", "in the room");
    await both.next("direct");
    await both.next("roomMessage");
    await both.ask("logout");
    assert.deepEqual(await both.ask("direct", { recipientUserId: id }), [{ ok: true, delivered: 1 }]);
  });
});

test("what makes a key the payload's own is JSON's rules, not its spelling", async (t) => {
  const id = fresh();
  const receiver = await (await connect(t, server, newest[0])).join(id);
  const raw = await RawSocket.connect(t, server);
  const ask = async (event, data) => {
    raw.send(`420["${event}",${data}]`);
    const answer = await raw.next();
    assert.match(answer, /^430\[.*\]$/s);
    return JSON.parse(answer.slice(3))[0];
  };
  for (const [what, data] of Object.entries({
    "an escaped key": `{"recipient\\u0055serId":"${id}"}`,
    "the last of equal keys": `{"recipientUserId":"nobody","recipientUserId":"${id}"}`,
    "the last of equal keys, one escaped": `{"recipientUserId":"nobody","\\u0072ecipientUserId":"${id}"}`,
    "space around": ` { "a" : [ "recipientUserId" ] , "recipientUserId" : "${id}" } `,
    "an escaped value": `{"recipientUserId":"\\u00${id.charCodeAt(0).toString(16)}${id.slice(1)}"}`,
    "a look-alike as a value": `{"x":"recipientUserId","recipientUserId":"${id}"}`,
    "a look-alike inside a text": `{"x":"\\",\\"recipientUserId\\":\\"nobody","recipientUserId":"${id}"}`,
  })) {
    assert.deepEqual(await ask("spelled", data), { ok: true, delivered: 1 }, what);
    assert.deepEqual((await receiver.next("spelled"))[0], JSON.parse(data), what);
  }
  // The chat answers these: the recipient is not the payload's own.
  for (const data of [
    `{"name":"","room":"","__proto__":{"recipientUserId":"${id}"}}`,
    `{"name":"","room":"","RecipientUserId":"${id}"}`,
    `{"name":"","room":"","recipientUserId ":"${id}"}`,
    `{"name":"","room":"","x":{"recipientUserId":"${id}"}}`,
  ]) {
    assert.deepEqual(await ask("login", data), { error: "No room or name provided" }, data);
  }
});

// Everything arrives, once, in the order it was sent: over every transport, between them, and while they change.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { connect, eachClient, fresh, matrix, newest } from "./support/clients.mjs";
import { useServer } from "./support/server.mjs";

const server = await useServer();

const upTo = (count) => Array.from({ length: count }, (_, n) => n);

/** Checks that client got the numbers 0..count-1 as event, each once and in this order. */
async function complete(client, event, count) {
  await client.until(() => client.got(event).length >= count, `${count} times ${event}`);
  assert.deepEqual(client.got(event).map(([data]) => data.n), upTo(count));
}

eachClient(matrix, (row) => {
  test("200 events at once to oneself, and their answers", async (t) => {
    const id = fresh();
    const user = await (await connect(t, server, row)).join(id);
    const answers = [];
    for (const n of upTo(200)) {
      user.emit("n", { recipientUserId: id, n }, (answer) => answers.push([n, answer]));
    }
    await complete(user, "n", 200);
    await user.ask("time?", { recipientUserId: id });
    assert.deepEqual(answers, upTo(200).map((n) => [n, { ok: true, delivered: 1 }]));
  });

  test("200 events at once to another user, each also to a second socket of that user", async (t) => {
    const id = fresh();
    const [one, two] = [await (await connect(t, server, row)).join(id), await (await connect(t, server, row)).join(id)];
    const sender = await connect(t, server, row);
    for (const n of upTo(200)) sender.emit("n", { recipientUserId: id, n, text: "x".repeat(n) });
    for (const receiver of [one, two]) await complete(receiver, "n", 200);
  });
});

describe("between the transports", () => {
  for (const from of newest) {
    for (const to of newest) {
      test(`500 events, ${from.transports.join(" then ")} to ${to.transports.join(" then ")}`, async (t) => {
        const id = fresh();
        const receiver = await (await connect(t, server, to)).join(id);
        const sender = await connect(t, server, from);
        for (const n of upTo(500)) sender.emit("n", { recipientUserId: id, n });
        await complete(receiver, "n", 500);
      });
    }
  }

  test("200 events from one client to 30 on all transports", async (t) => {
    const id = fresh();
    const receivers = await Promise.all(
      upTo(30).map(async (n) => (await connect(t, server, matrix[n % matrix.length])).join(id)),
    );
    const sender = await connect(t, server, newest[1]);
    for (const n of upTo(200)) sender.emit("n", { recipientUserId: id, n });
    await Promise.all(receivers.map((receiver) => complete(receiver, "n", 200)));
  });

  test("two users with several sockets each talk at the same time", async (t) => {
    const ids = [fresh(), fresh()];
    const sockets = await Promise.all(
      ids.map((id, user) =>
        Promise.all(upTo(4).map(async (n) => (await connect(t, server, matrix[(user * 5 + n * 3) % matrix.length])).join(id))),
      ),
    );
    const each = 50;
    for (const n of upTo(each)) {
      for (const user of [0, 1]) {
        for (const [from, socket] of sockets[user].entries()) {
          socket.emit("talk", { senderUserId: ids[user], recipientUserId: ids[1 - user], from, n });
        }
      }
    }
    for (const user of [0, 1]) {
      for (const socket of sockets[user]) {
        await socket.until(() => socket.got("talk").length >= 4 * each, "all the other user said");
        const got = socket.got("talk").map(([data]) => data);
        assert.ok(got.every((data) => data.senderUserId === ids[1 - user]));
        for (const from of upTo(4)) {
          assert.deepEqual(got.filter((data) => data.from === from).map((data) => data.n), upTo(each));
        }
      }
    }
  });
});

describe("across the upgrade", () => {
  for (const row of matrix.filter((row) => row.transports.length > 1)) {
    test(`500 events and more while sender and receiver upgrade: ${row.name}`, async (t) => {
      const id = fresh();
      // Both begin with their first words, before they know of a websocket.
      const receiver = await connect(t, server, row, { early: true });
      receiver.emit("join", { senderUserId: id });
      const sender = await connect(t, server, row, { early: true });
      let n = 0;
      const upgraded = () => [sender, receiver].every((client) => client.transport === "websocket");
      await receiver.ask("joined?", { recipientUserId: id });
      while (n < 500 || !upgraded()) {
        for (let i = 0; i < 9; i++) sender.emit("n", { recipientUserId: id, n: n++ });
        // Keeps the traffic going for as long as the upgrade takes, without flooding it.
        assert.deepEqual(await sender.ask("n", { recipientUserId: id, n: n++ }), [{ ok: true, delivered: 1 }]);
        receiver.emit("n", { recipientUserId: id, back: true });
      }
      await receiver.ask("n", { recipientUserId: id, back: true });
      await receiver.until(() => receiver.got("n").filter(([data]) => !data.back).length >= n, `${n} events`);
      assert.deepEqual(receiver.got("n").filter(([data]) => !data.back).map(([data]) => data.n), upTo(n));
      assert.equal(receiver.got("n").filter(([data]) => data.back).length, n / 10 + 1);
    });
  }
});

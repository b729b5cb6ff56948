// The server goes and comes back on the same port: every client reconnects by itself, joins again and is reached.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Client, fresh, matrix } from "./support/clients.mjs";
import { Server } from "./support/server.mjs";

/** Connects one client of every kind; each joins whenever it is connected, as applications do. */
function population(t, server) {
  return matrix.map((row) => {
    const client = new Client(server, row, "", {
      reconnection: true,
      reconnectionDelay: 20,
      reconnectionDelayMax: 50,
      randomizationFactor: 0,
    });
    client.row = row;
    client.userId = fresh();
    client.socket.on("connect", () => {
      client.socket.emit("join", { senderUserId: client.userId, recipientUserId: -1 }, (answer) => {
        client.note(["joined", answer]);
      });
    });
    t.after(() => client.socket.disconnect());
    return client;
  });
}

/** Every client addresses the next one. */
async function everybodyIsReached(clients, word) {
  for (const client of clients) assert.deepEqual(await client.next("joined"), [{ ok: true }], client.row.name);
  await Promise.all(
    clients.map(async (client, n) => {
      const to = clients[(n + 1) % clients.length];
      const data = { recipientUserId: to.userId, word };
      assert.deepEqual(await client.ask("word", data), [{ ok: true, delivered: 1 }], client.row.name);
      assert.deepEqual(await to.next("word"), [data], to.row.name);
    }),
  );
}

describe("a restart on the same port", () => {
  test("after SIGTERM", async (t) => {
    const server = await Server.start();
    t.after(() => server.stop());
    const clients = population(t, server);
    await everybodyIsReached(clients, "before");
    await Promise.all(clients.map((client) => client.upgraded()));
    const ids = clients.map((client) => client.id);
    await server.stop();
    for (const client of clients) {
      // "io server disconnect" would tell a client not to come back. One that is between two polls finds the port closed.
      const reason = await client.gone();
      if (client.transport === "websocket") assert.equal(reason, "transport close", client.row.name);
      else assert.match(reason, /^transport (close|error)$/, client.row.name);
    }
    await server.start();
    await everybodyIsReached(clients, "after");
    clients.forEach((client, n) => assert.notEqual(client.id, ids[n]));
  });

  test("after SIGKILL, and a second time", async (t) => {
    const server = await Server.start();
    t.after(() => server.stop());
    const clients = population(t, server);
    await everybodyIsReached(clients, "before");
    for (const word of ["after the first", "after the second"]) {
      await server.kill();
      for (const client of clients) {
        assert.match(await client.gone(), /^transport (close|error)$/, client.row.name);
      }
      await server.start();
      await everybodyIsReached(clients, word);
    }
  });

  test("the chat's rooms fill again", async (t) => {
    const server = await Server.start();
    t.after(() => server.stop());
    const clients = population(t, server);
    const room = fresh("room");
    for (const word of ["before", "after"]) {
      await everybodyIsReached(clients, word);
      await Promise.all(clients.map((client, n) => client.login(`user${n}`, room)));
      for (const client of clients) {
        const [list] = await client.next("users", (list) => list.length === clients.length);
        assert.deepEqual(new Set(list.map((user) => user.id)), new Set(clients.map((c) => c.id)), word);
      }
      if (word === "after") break;
      await server.stop();
      for (const client of clients) await client.gone();
      for (const client of clients) client.log = [];
      await server.start();
    }
  });
});

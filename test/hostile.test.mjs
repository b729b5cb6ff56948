// Clients that must not get in, and input that must not do harm. The engine's own tests go through far more of it; here
// is what clients see, and that those beside them notice nothing.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { describe, test } from "node:test";
import { onReference } from "./support/build.mjs";
import { connect, fence, fresh, newest } from "./support/clients.mjs";
import { happens } from "./support/deadline.mjs";
import { RawPolling, RawSocket, request, upgradeStatus } from "./support/raw.mjs";
import { useServer } from "./support/server.mjs";

const io2 = createRequire(import.meta.url)("socket.io-client-2");
const server = await useServer();

/** Connects two clients and returns a check that they still reach each other, in order, over their first connection. */
async function bystanders(t) {
  const [a, b] = [fresh(), fresh()];
  const one = await (await connect(t, server, newest[0])).join(a);
  const two = await (await connect(t, server, newest[1])).join(b);
  return async () => {
    assert.ok(one.socket.connected && two.socket.connected);
    await fence(one, two, b);
    await fence(two, one, a);
    assert.deepEqual([one.log, two.log], [[], []], "they heard nothing of it");
    const newcomer = await connect(t, server, newest[1]);
    assert.deepEqual(await newcomer.ask("hello", { recipientUserId: a }), [{ ok: true, delivered: 1 }]);
    await one.next("hello");
    one.log = [];
    newcomer.socket.disconnect();
  };
}

describe("socket.io-client 2.x", () => {
  const refusal = { code: 5, message: "Unsupported protocol version" };

  test("is refused in words", async () => {
    for (const path of ["/socket.io/?EIO=3&transport=polling", "/socket.io/?transport=polling&EIO=3&t=x&b64=1"]) {
      const res = await request(server, path);
      assert.equal(res.status, 400);
      assert.match(res.headers["content-type"], /^application\/json/);
      assert.deepEqual(JSON.parse(res.text), refusal);
    }
  });

  test("is refused before the upgrade", { skip: onReference && "Node upgrades, then closes" }, async () => {
    assert.equal(await upgradeStatus(server, "/socket.io/?EIO=3&transport=websocket"), 400);
  });

  for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]]) {
    test(`2.5.0 gets connect_error over ${transports.join(" then ")}, others are not disturbed`, async (t) => {
      const undisturbed = await bystanders(t);
      const socket = io2(server.url, { transports, forceNew: true, reconnection: false });
      t.after(() => socket.close());
      const [err] = await happens(socket, "connect_error");
      assert.ok(err instanceof Error);
      if (transports[0] === "polling") assert.equal(err.description, 400);
      assert.equal(socket.connected, false);
      await undisturbed();
    });
  }
});

describe("broken packets", () => {
  // Each ends the connection of who sends it, over websocket and polling.
  for (const packet of [
    "42[]", "42{}", "42\"e\"", "42[null]", "42[{}]", "42[\"e\"", "42[\"e\"]x", "42[\"e\",]", "42[\"e\",\u0001]",
    "42[\"e\",{\"recipientUserId\":1}]]", "42[\"connect\"]", "42[\"connect_error\"]", "42[\"disconnect\"]",
    "42[\"disconnecting\"]", "42[\"newListener\"]", "42[\"removeListener\"]",
    "47", "4", "4x", "45-[\"e\"]", "45x-[\"e\"]", "4511-[\"e\"]", "451-[]", "40{}", "40[]",
  ]) {
    test(`${JSON.stringify(packet)} ends the sender's connection and no other`, async (t) => {
      const undisturbed = await bystanders(t);
      const raw = await RawSocket.connect(t, server);
      raw.send(packet);
      await raw.end();
      const polling = await RawPolling.connect(server);
      await polling.post(packet);
      // A poll may still bring the close packet; after it the session is unknown.
      while ((await polling.get()).status === 200);
      assert.equal((await polling.get()).status, 400);
      await undisturbed();
    });
  }

  // Each may end the connection of who sends it, or be ignored. The ack asked for behind it shows which.
  for (const packet of ["42", "421", "42null", "42[1]", "43", "430", "430{}", "430[]", "44{}", "450", "451", "450-", "451-", "41x"]) {
    test(`${JSON.stringify(packet)} does no harm`, async (t) => {
      const undisturbed = await bystanders(t);
      const raw = await RawSocket.connect(t, server);
      raw.send(packet, `4277["ping"]`);
      const outcome = await Promise.race([raw.next().catch(() => "closed"), raw.end()]);
      if (typeof outcome === "string" && outcome !== "closed") assert.equal(outcome, `4377["${raw.sid}"]`);
      await undisturbed();
    });
  }

  test("a binary frame that nothing announced", async (t) => {
    const undisturbed = await bystanders(t);
    const raw = await RawSocket.connect(t, server);
    raw.send(Buffer.from("stray"));
    await raw.end();
    await undisturbed();
  });

  test("a text where an attachment was announced", async (t) => {
    const undisturbed = await bystanders(t);
    const raw = await RawSocket.connect(t, server);
    raw.send(`451-["e",{"_placeholder":true,"num":0}]`, `42["e"]`);
    await raw.end();
    await undisturbed();
  });

  for (const num of ["1", "-1", "\"0\"", "null", "1e9", "\"__proto__\"", "99999999999999999999"]) {
    test(`a placeholder with the number ${num}`, async (t) => {
      const undisturbed = await bystanders(t);
      const raw = await RawSocket.connect(t, server);
      raw.send(`451-["e",{"_placeholder":true,"num":${num}}]`, Buffer.from("x"));
      await raw.end();
      await undisturbed();
    });
  }

  test("an event before CONNECT", async (t) => {
    const undisturbed = await bystanders(t);
    const raw = await RawSocket.open(t, server);
    assert.equal((await raw.next())[0], "0");
    raw.send(`42["join",{"senderUserId":"early"}]`);
    await raw.end();
    await undisturbed();
  });

  test("another namespace does not exist", async (t) => {
    const raw = await RawSocket.connect(t, server);
    raw.send("40/nowhere,");
    assert.equal(await raw.next(), `44/nowhere,{"message":"Invalid namespace"}`);
    raw.send(`420["ping"]`);
    assert.equal(await raw.next(), `430["${raw.sid}"]`, "the connection goes on");
  });

  test("a message over the limit", async (t) => {
    const undisturbed = await bystanders(t);
    const raw = await RawSocket.connect(t, server);
    const limit = raw.handshake.maxPayload;
    raw.send(`42["e","${"x".repeat(limit)}"]`);
    assert.equal(await raw.end(), 1009);
    const polling = await RawPolling.connect(server);
    const res = await polling.post(`42["e","${"x".repeat(limit)}"]`).catch((err) => err);
    // The server does not read the rest; whether the answer is seen before the connection is cut depends on timing.
    if (!(res instanceof Error)) assert.equal(res.status, 413);
    await undisturbed();
  });

  test("a message of exactly the limit arrives", async (t) => {
    const id = fresh();
    const raw = await RawSocket.connect(t, server);
    raw.send(`420["join",{"senderUserId":"${id}"}]`);
    assert.equal(await raw.next(), `430[{"ok":true}]`);
    const head = `42["e",{"recipientUserId":"${id}","x":"`;
    const packet = `${head}${"x".repeat(raw.handshake.maxPayload - head.length - 3)}"}]`;
    raw.send(packet);
    assert.equal(await raw.next(), packet);
  });
});

test("names that JavaScript objects inherit are ordinary names", async (t) => {
  const user = await connect(t, server, newest[1]);
  for (const name of ["__proto__", "constructor", "hasOwnProperty", "toString", "valueOf"]) {
    await user.join(name);
    assert.equal((await user.ask(name, { recipientUserId: name }))[0].ok, true, name);
    assert.deepEqual(await user.next(name), [{ recipientUserId: name }]);
    await user.login(name.replace(/_/g, ""), name.replace(/_/g, ""));
    await user.ask("logout");
  }
});

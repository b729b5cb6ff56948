// What is relayed leaves as it came, byte for byte. These clients have no library, so that they see the bytes.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { onReference } from "./support/build.mjs";
import { connect, fresh, newest, plain } from "./support/clients.mjs";
import { ODD } from "./support/odd.mjs";
import { RawPolling, RawSocket } from "./support/raw.mjs";
import { useServer } from "./support/server.mjs";

const server = await useServer();

async function joinedSocket(t, id) {
  const raw = await RawSocket.connect(t, server);
  raw.send(`42["join",{"senderUserId":"${id}","recipientUserId":-1}]`);
  return raw;
}

/** Resolves once raw's join has been seen: its own message has come back. */
async function settled(raw, id) {
  raw.send(`42["settled",{"recipientUserId":"${id}"}]`);
  assert.equal(await raw.next(), `42["settled",{"recipientUserId":"${id}"}]`);
  return raw;
}

describe("text is relayed byte for byte", { skip: onReference && "Node parses and writes again" }, () => {
  test("websocket to websocket", async (t) => {
    const id = fresh();
    const receiver = await settled(await joinedSocket(t, id), id);
    const sender = await RawSocket.connect(t, server);
    for (const data of ODD.map((odd) => odd.replace("%s", id))) {
      sender.send(`42["odd",${data}]`);
      assert.equal(await receiver.next(), `42["odd",${data}]`);
      sender.send(`420["odd",${data},{"second":1.0}]`);
      assert.equal(await receiver.next(), `42["odd",${data}]`);
      assert.equal(await sender.next(), `430[{"ok":true,"delivered":1}]`);
      sender.send(`42[ "odd" , ${data} ]`);
      assert.equal(await receiver.next(), `42["odd",${data}]`, "space outside of the argument is not the argument's");
    }
  });

  test("polling to websocket", async (t) => {
    const id = fresh();
    const receiver = await settled(await joinedSocket(t, id), id);
    const sender = await RawPolling.connect(server);
    const data = ODD.map((odd) => odd.replace("%s", id));
    const res = await sender.post(data.map((d) => `42["odd",${d}]`).join("\x1e"));
    assert.equal(res.text, "ok");
    for (const d of data) assert.equal(await receiver.next(), `42["odd",${d}]`);
    await sender.leave();
  });

  test("websocket to polling", async (t) => {
    const id = fresh();
    const receiver = await RawPolling.connect(server);
    await receiver.post(`420["join",{"senderUserId":"${id}"}]`);
    assert.deepEqual(await receiver.poll(), [`430[{"ok":true}]`]);
    const sender = await RawSocket.connect(t, server);
    const want = ODD.map((odd) => `42["odd",${odd.replace("%s", id)}]`);
    sender.send(...want);
    const got = [];
    while (got.length < want.length) got.push(...(await receiver.poll()));
    assert.deepEqual(got, want);
    await receiver.leave();
  });

  test("the room's messages of the chat", async (t) => {
    const raw = await RawSocket.connect(t, server);
    const room = fresh("room");
    raw.send(`420["login",{"name":"ann","room":"${room}"}]`);
    const user = `{"id":"${raw.sid}","name":"ann","room":"${room}"}`;
    assert.equal(await raw.next(), `42["users",[${user}]]`);
    assert.equal(await raw.next(), `430[{"user":${user}}]`);
    for (const value of [`"\\u00e9\\/"`, "1.0", "1E2", `{ "b":1,"a":[ 2 ] }`, "12345678901234567890", "null"]) {
      raw.send(`42["roomMessage",${value}]`);
      assert.equal(await raw.next(), `42["roomMessage",{"message":${value},"from":"ann"}]`);
    }
  });
});

describe("binary data is relayed as it came", () => {
  const bytes = [Buffer.from([0, 1, 254, 255]), Buffer.from("second"), Buffer.alloc(0)];
  const place = (num) => `{"_placeholder":true,"num":${num}}`;

  test("websocket to websocket: one header, then the attachments in their order", async (t) => {
    const id = fresh();
    const receiver = await settled(await joinedSocket(t, id), id);
    const sender = await RawSocket.connect(t, server);
    const packet = `453-["b",{"recipientUserId":"${id}","a":${place(0)},"list":[${place(1)},{"c":${place(2)}}]}]`;
    sender.send(packet, ...bytes);
    assert.equal(await receiver.next(), packet);
    for (const want of bytes) assert.deepEqual(await receiver.next(), want);
  });

  test("websocket to polling: base64 beside the header in one answer", async (t) => {
    const id = fresh();
    const receiver = await RawPolling.connect(server);
    await receiver.post(`420["join",{"senderUserId":"${id}"}]`);
    assert.deepEqual(await receiver.poll(), [`430[{"ok":true}]`]);
    const sender = await RawSocket.connect(t, server);
    const packet = `452-["b",{"recipientUserId":"${id}","a":${place(0)},"b":${place(1)}}]`;
    sender.send(packet, bytes[0], bytes[1]);
    assert.deepEqual(await receiver.poll(), [packet, ...bytes.slice(0, 2).map((b) => `b${b.toString("base64")}`)]);
    await receiver.leave();
  });

  test("polling to websocket", async (t) => {
    const id = fresh();
    const receiver = await settled(await joinedSocket(t, id), id);
    const sender = await RawPolling.connect(server);
    const packet = `451-["b",{"recipientUserId":"${id}","a":${place(0)}}]`;
    assert.equal((await sender.post(`${packet}\x1eb${bytes[0].toString("base64")}`)).text, "ok");
    assert.equal(await receiver.next(), packet);
    assert.deepEqual(await receiver.next(), bytes[0]);
    await sender.leave();
  });

  test("base64 in lines, as the Java client posts it", async (t) => {
    const id = fresh();
    const receiver = await settled(await joinedSocket(t, id), id);
    const sender = await RawPolling.connect(server);
    const packet = `451-["b",{"recipientUserId":"${id}","a":${place(0)}}]`;
    const large = Buffer.alloc(200, (n) => n);
    const lines = large.toString("base64").match(/.{1,76}/g).map((line) => `${line}\n`).join("");
    assert.equal((await sender.post(`${packet}\x1eb${lines}`)).text, "ok");
    assert.equal(await receiver.next(), packet);
    assert.deepEqual(await receiver.next(), large);
    await sender.leave();
  });

  for (const row of newest) {
    test(`forceBase64, ${row.name}: bytes both ways, as text`, async (t) => {
      const [id, other] = [fresh(), fresh()];
      const textOnly = await (await connect(t, server, row, { forceBase64: true })).join(id);
      const usual = await (await connect(t, server, newest[1])).join(other);
      textOnly.emit("b", { recipientUserId: other, a: bytes[0], b: bytes[1] });
      assert.deepEqual((await usual.next("b")).map(plain), [plain({ recipientUserId: other, a: bytes[0], b: bytes[1] })]);
      usual.emit("b", { recipientUserId: id, a: bytes[0] });
      assert.deepEqual((await textOnly.next("b")).map(plain), [plain({ recipientUserId: id, a: bytes[0] })]);
    });
  }

  test("attachments of other arguments stay behind, whatever the numbers are", async (t) => {
    const id = fresh();
    const receiver = await (await connect(t, server, newest[1])).join(id);
    const sender = await RawSocket.connect(t, server);
    const cases = {
      "the second one is the argument's": [`{"recipientUserId":"${id}","a":${place(1)}},${place(0)}`, { a: bytes[1] }],
      "in falling order": [`{"recipientUserId":"${id}","a":${place(1)},"b":${place(0)}}`, { a: bytes[1], b: bytes[0] }],
      "one twice": [`{"recipientUserId":"${id}","a":${place(0)},"b":${place(0)}},${place(1)}`, { a: bytes[0], b: bytes[0] }],
      "none": [`{"recipientUserId":"${id}","a":1},[${place(0)},${place(1)}]`, { a: 1 }],
    };
    for (const [what, [args, want]] of Object.entries(cases)) {
      sender.send(`452-["b",${args}]`, bytes[0], bytes[1]);
      const got = await receiver.next("b");
      assert.deepEqual(got.map(plain), [plain({ recipientUserId: id, ...want })], what);
    }
  });
});

test("an id is the text that JavaScript makes of it, however the number is written", async (t) => {
  const raw = await RawSocket.connect(t, server);
  const ids = [
    "9007199254740993", "123456789012345678901234567890", "1.0", "1e0", "10E-1", "1E21", "1e+21", "999999999999999999999",
    "123456789012345680000", "-0", "-0.0", "0.0000001", "0.000001", "5e-324", "1e-400", "1e400", "-1e400", "0.1e1",
    "1.7976931348623157e308", "4.35", "0.000035", "100000000000000000000", "-1.5e-9", String.raw`"\u0041\/\ud83c\udf89"`,
    `"ünï"`, "[]", "[null]", "[1.0,[2e0,\"x\"]]", "[{}]", "{}", "true", "false", "null",
  ];
  for (const id of ids) {
    const text = JSON.stringify(String(JSON.parse(id)));
    raw.send(`420["join",{"senderUserId":${id}}]`);
    assert.equal(await raw.next(), `430[{"ok":true}]`, id);
    raw.send(`42["to",{"recipientUserId":${text}}]`);
    assert.equal(await raw.next(), `42["to",{"recipientUserId":${text}}]`, `${id} is ${text}`);
  }
});

// How applications use it: the broker behind a client class, and the chat with messages that only its members can read.

import assert from "node:assert/strict";
import { createCipheriv, createDecipheriv, randomBytes, scryptSync } from "node:crypto";
import { test } from "node:test";
import { eachClient, fresh, freshNumber, matrix } from "./support/clients.mjs";
import { within } from "./support/deadline.mjs";
import { useServer } from "./support/server.mjs";

const server = await useServer();

/** A broker client as applications wrap it: one handler per event, joins on every connect, asks for the time to see who is there. */
class Broker {
  #handlers = new Map();

  constructor(io, url, options, userId) {
    Object.assign(this, { io, url, options, userId });
  }

  start() {
    this.socket = this.io(this.url, this.options);
    this.socket.on("connect", () => this.socket.emit("join", { senderUserId: this.userId, recipientUserId: -1 }));
    // Connecting is under way already: saying it again must do no harm.
    this.socket.connect();
  }

  /** Resolves with whether there is a connection and, when asked to check, whether the server answers on it. */
  isConnected(check = false) {
    if (!this.socket) return Promise.resolve(false);
    if (!check) return Promise.resolve(this.socket.connected);
    return new Promise((resolve) => {
      const done = (answer) => {
        clearTimeout(timer);
        this.off("time");
        resolve(answer);
      };
      const timer = setTimeout(done, 5000, false);
      this.on("time", () => done(true));
      this.socket.emit("time", { recipientUserId: this.userId });
    });
  }

  send(event, data) {
    this.socket.emit(event, { ...data, senderUserId: this.userId });
  }

  on(event, handler) {
    if (this.#handlers.has(event)) throw new Error(`${event} has its handler`);
    this.#handlers.set(event, handler);
    this.socket.on(event, handler);
  }

  isOn(event) {
    return this.#handlers.has(event);
  }

  off(event) {
    this.#handlers.delete(event);
    this.socket.off(event);
  }

  /** Resolves with the data of the next event of that name. */
  once(event) {
    const data = new Promise((resolve) => {
      this.on(event, (data) => {
        this.off(event);
        resolve(data);
      });
    });
    return within(data, event);
  }

  dispose() {
    this.socket?.disconnect();
    this.socket = undefined;
  }
}

/** A chat client whose messages are encrypted with a key made from the room's password. The server sees only ciphertext. */
class Chat {
  constructor(io, url, options, password) {
    this.socket = io(url, options);
    this.key = scryptSync(password, "signalbox", 32, { N: 1024 });
    this.messages = [];
    this.notices = [];
    this.users = [];
    this.socket.on("users", (users) => (this.users = users));
    this.socket.on("notification", (notice) => {
      this.notices.push(notice);
      this.onNotice?.();
    });
    this.socket.on("roomMessage", ({ message, from }) => {
      this.messages.push({ from, text: this.#open(message) });
      this.onMessage?.();
    });
  }

  login(name, room) {
    return within(
      new Promise((resolve, reject) => {
        this.socket.emit("login", { name, room }, ({ error, user }) => (error ? reject(new Error(error)) : resolve(user)));
      }),
      "the login",
    );
  }

  logout() {
    return within(new Promise((resolve) => this.socket.emit("logout", resolve)), "the logout");
  }

  async ping() {
    const start = performance.now();
    const id = await within(new Promise((resolve) => this.socket.emit("ping", resolve)), "the ping");
    assert.equal(id, this.socket.id);
    return performance.now() - start;
  }

  say(text) {
    const iv = randomBytes(12);
    const cipher = createCipheriv("aes-256-gcm", this.key, iv);
    const body = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
    this.socket.emit("roomMessage", Buffer.concat([iv, cipher.getAuthTag(), body]).toString("base64"));
  }

  /** Resolves once this many messages have been read. */
  read(count) {
    return within(
      new Promise((resolve) => {
        this.onMessage = () => this.messages.length >= count && resolve();
        this.onMessage();
      }),
      () => `${count} messages, got ${JSON.stringify(this.messages)}`,
    );
  }

  /** Resolves once there were this many notices. */
  told(count) {
    return within(
      new Promise((resolve) => {
        this.onNotice = () => this.notices.length >= count && resolve();
        this.onNotice();
      }),
      () => `${count} notices, got ${JSON.stringify(this.notices)}`,
    );
  }

  #open(message) {
    const bytes = Buffer.from(message, "base64");
    const decipher = createDecipheriv("aes-256-gcm", this.key, bytes.subarray(0, 12));
    decipher.setAuthTag(bytes.subarray(12, 28));
    return decipher.update(bytes.subarray(28), undefined, "utf8") + decipher.final("utf8");
  }
}

eachClient(matrix, (row) => {
  const options = { transports: row.transports, forceNew: true };

  test("a call is set up and torn down through the broker class", async (t) => {
    const [aliceId, bobId] = [freshNumber(), freshNumber()];
    const alice = new Broker(row.io, server.url, options, aliceId);
    const bob = new Broker(row.io, server.url, options, bobId);
    assert.equal(await alice.isConnected(true), false);
    for (const broker of [alice, bob]) {
      t.after(() => broker.dispose());
      broker.start();
    }
    assert.deepEqual(await Promise.all([alice.isConnected(true), bob.isConnected(true)]), [true, true]);
    // 4.x sends what was emitted before it connected ahead of the join. The second answer comes after it.
    assert.deepEqual(await Promise.all([alice.isConnected(true), bob.isConnected(true)]), [true, true]);
    assert.equal(await alice.isConnected(), true);
    assert.equal(alice.isOn("time"), false);

    bob.on("offer", (offer) => bob.send("answer", { recipientUserId: offer.senderUserId, sdp: `re: ${offer.sdp}` }));
    const candidates = [];
    bob.on("candidate", (data) => candidates.push(data.n));
    const answer = alice.once("answer");
    alice.send("offer", { recipientUserId: bobId, sdp: "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\n" });
    for (let n = 0; n < 20; n++) alice.send("candidate", { recipientUserId: bobId, n });
    const bye = bob.once("bye");
    alice.send("bye", { recipientUserId: bobId });
    assert.deepEqual(await answer, {
      recipientUserId: aliceId,
      sdp: "re: v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\n",
      senderUserId: bobId,
    });
    assert.deepEqual(await bye, { recipientUserId: bobId, senderUserId: aliceId });
    assert.deepEqual(candidates, Array.from({ length: 20 }, (_, n) => n));

    alice.dispose();
    assert.equal(await alice.isConnected(), false);
    assert.equal(await bob.isConnected(true), true);
  });

  test("a conversation that the server cannot read", async (t) => {
    const room = fresh("room");
    const [ann, bob] = ["ann", "bob"].map(() => new Chat(row.io, server.url, options, `secret of ${room}`));
    for (const chat of [ann, bob]) t.after(() => chat.socket.disconnect());
    // Emitting before the connection stands is what applications do; the client keeps it until then.
    const annUser = await ann.login("Ann", room);
    const bobUser = await bob.login("Bob", room);
    assert.deepEqual(bob.users, [annUser, bobUser]);
    await assert.rejects(bob.login("Bob", room), /user already exists/);

    const lines = ["hello", "ünï 🎉", "", "x".repeat(20_000), "<b>&amp;</b>"];
    for (const text of lines) ann.say(text);
    await bob.read(lines.length);
    await ann.read(lines.length);
    assert.deepEqual(bob.messages, lines.map((text) => ({ from: "Ann", text })));
    assert.deepEqual(ann.messages, bob.messages);
    bob.say("bye");
    await ann.read(lines.length + 1);
    assert.ok((await ann.ping()) >= 0);

    await bob.logout();
    ann.say("alone");
    await ann.read(lines.length + 2);
    await ann.told(2); // on another node, a moment after Bob's callback
    assert.deepEqual(ann.notices.map((n) => n.description), ["Bob just entered the room", "Bob just left the room"]);
    assert.equal(bob.messages.length, lines.length + 1);
  });
});

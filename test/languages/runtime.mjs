// The steps of languages.test.mjs with socket.io-client on another runtime than Node: Bun, Deno.

import { io } from "socket.io-client";

const [url, way, A, B] = globalThis.Deno ? Deno.args : process.argv.slice(2);
const transports = { polling: ["polling"], websocket: ["websocket"], upgrade: ["polling", "websocket"] }[way];
const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
const ok = (step) => console.log(`ok ${step}`);
const equal = (got, want) => {
  if (JSON.stringify(got) !== JSON.stringify(want)) throw new Error(`got ${JSON.stringify(got)}, want ${JSON.stringify(want)}`);
};
const plain = (data) => [...new Uint8Array(data.buffer ?? data, data.byteOffset ?? 0, data.byteLength)];

class Peer {
  constructor(user) {
    this.user = user;
    this.got = [];
    this.looks = new Set();
    this.socket = io(url, { transports, forceNew: true, reconnectionDelay: 100, reconnectionDelayMax: 200 });
    this.socket.onAny((...entry) => this.note(entry));
    this.socket.on("connect", () => this.note(["connect"]));
  }

  note(entry) {
    this.got.push(entry);
    for (const look of this.looks) look();
  }

  wait(event, suits = () => true) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${this.user} waited for ${event}, got ${JSON.stringify(this.got)}`)), 15_000);
      const look = () => {
        const i = this.got.findIndex(([name, ...args]) => name === event && suits(...args));
        if (i < 0) return;
        clearTimeout(timer);
        this.looks.delete(look);
        resolve(this.got.splice(i, 1)[0].slice(1));
      };
      this.looks.add(look);
      look();
    });
  }

  ask(event, data) {
    return this.socket.timeout(15_000).emitWithAck(event, data);
  }

  async join() {
    equal(await this.ask("join", { senderUserId: this.user, recipientUserId: -1 }), { ok: true });
  }

  async upgraded() {
    const { engine } = this.socket.io;
    if (way === "upgrade" && engine.transport.name !== "websocket") {
      await new Promise((resolve, reject) => {
        engine.once("upgrade", resolve);
        engine.once("close", (reason) => reject(new Error(`closed before the upgrade: ${reason}`)));
      });
    }
    equal(engine.transport.name, way === "polling" ? "polling" : "websocket");
  }
}

const a = new Peer(A);
const b = new Peer(B);
for (const peer of [a, b]) {
  await peer.wait("connect");
  await peer.upgraded();
}
ok("connect");

await a.join();
await b.join();
equal(await a.ask("greeting", { recipientUserId: B, text: "grüß dich" }), { ok: true, delivered: 1 });
equal((await b.wait("greeting"))[0].text, "grüß dich");
ok("ack");

equal(await a.ask("photo", { recipientUserId: B, bytes }), { ok: true, delivered: 1 });
equal(plain((await b.wait("photo"))[0].bytes), [...bytes]);
equal(await b.ask("photo", { recipientUserId: A, bytes: bytes.toReversed() }), { ok: true, delivered: 1 });
equal(plain((await a.wait("photo"))[0].bytes), [...bytes.toReversed()]);
ok("binary");

for (const peer of [a, b]) {
  equal((await peer.ask("login", { name: `n${peer.user}`, room: `r${A}` })).user.name, `n${peer.user}`);
}
await a.wait("users", (users) => users.length === 2);
a.socket.emit("roomMessage", "hello, all");
equal((await b.wait("roomMessage"))[0].message, "hello, all");
ok("rooms");

console.log("restart");
await a.wait("connect");
await b.wait("connect");
await a.join();
await b.join();
equal(await a.ask("greeting", { recipientUserId: B, text: "again" }), { ok: true, delivered: 1 });
equal((await b.wait("greeting"))[0].text, "again");
ok("reconnect");
a.socket.disconnect();
b.socket.disconnect();

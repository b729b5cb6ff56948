"use strict";

// The broker and the chat of signalbox on Node's socket.io, with its default options: the server that
// "signalbox-bench compare" and "signalbox-bench cluster" hold signalbox against. Not for production: it trusts its clients.
//
// Environment: PORT (default 3000), HOST (default 127.0.0.1), REDIS_URL (default none: this server is alone; the users of
// the chat are those of each server by itself all the same), RECOVERY=1 (connection state recovery is on).
//
// On Bun the same app runs on @socket.io/bun-engine, which lies in the folder beside this one.

const { createServer } = require("node:http");
const path = require("node:path");
const { Server } = require("socket.io");

const options = process.env.RECOVERY === "1" ? { connectionStateRecovery: {} } : {};
const io = new Server(options);

const userRoom = (id) => `user:${id}`;
const chatRoom = (name) => `room:${name}`;
const alphanumeric = /^[A-Za-z0-9]+$/;

// Chat: socket id -> user, in login order.
const users = new Map();
const roomUsers = (room) => [...users.values()].filter((user) => user.room === room);

function isBroker(event, data) {
  if (event === "join" || event === "time") return true;
  return data !== null && typeof data === "object" && "recipientUserId" in data;
}

function broker(socket, event, data, ack) {
  if (event === "join") {
    socket.data.joined = data?.senderUserId;
    socket.join(userRoom(socket.data.joined));
    ack?.({ ok: true });
    return;
  }
  if (event === "time") {
    socket.emit("time", { recipientUserId: socket.data.joined, time: Date.now() });
    return;
  }
  const room = userRoom(data.recipientUserId);
  io.to(room).emit(event, data);
  ack?.({ ok: true, delivered: io.of("/").adapter.rooms.get(room)?.size ?? 0 });
}

function login(socket, data, ack) {
  const name = typeof data?.name === "string" ? data.name.trim() : "";
  const room = typeof data?.room === "string" ? data.room.trim() : "";
  if (!alphanumeric.test(name) || !alphanumeric.test(room)) return ack({ error: "No room or name provided" });
  if (users.has(socket.id)) return ack({ error: "user already exists" });
  const user = { id: socket.id, name, room };
  users.set(socket.id, user);
  socket.join(chatRoom(room));
  socket.to(chatRoom(room)).emit("notification", {
    title: "Someone's here",
    description: `${name} just entered the room`,
  });
  io.to(chatRoom(room)).emit("users", roomUsers(room));
  ack({ user });
}

function logout(socket) {
  const user = users.get(socket.id);
  if (!user) return;
  users.delete(socket.id);
  socket.leave(chatRoom(user.room));
  io.to(chatRoom(user.room)).emit("notification", {
    title: "Someone just left",
    description: `${user.name} just left the room`,
  });
  io.to(chatRoom(user.room)).emit("users", roomUsers(user.room));
}

function chat(socket, event, data, ack) {
  switch (event) {
    case "login":
      if (!ack) return socket.disconnect();
      return login(socket, data, ack);
    case "logout":
      logout(socket);
      return ack ? ack() : socket.disconnect();
    case "roomMessage": {
      const user = users.get(socket.id);
      if (user) io.to(chatRoom(user.room)).emit("roomMessage", { message: data, from: user.name });
      return;
    }
    case "ping":
      return ack ? ack(socket.id) : socket.disconnect();
  }
}

io.on("connection", (socket) => {
  socket.onAny((event, ...args) => {
    const ack = typeof args.at(-1) === "function" ? args.pop() : undefined;
    const data = args[0];
    if (isBroker(event, data)) broker(socket, event, data, ack);
    else chat(socket, event, data, ack);
  });
  socket.on("disconnect", () => logout(socket));
});

let redis = [];

async function joinCluster(url) {
  const { createAdapter } = require("@socket.io/redis-adapter");
  const { createClient } = require("redis");
  const pub = createClient({ url });
  redis = [pub, pub.duplicate()];
  for (const client of redis) client.on("error", (err) => console.error("redis:", err.message));
  await Promise.all(redis.map((client) => client.connect()));
  io.adapter(createAdapter(...redis));
}

const stop = () => {
  io.close();
  for (const client of redis) client.disconnect().catch(() => {});
  setTimeout(() => process.exit(0), 200).unref();
};
process.on("SIGINT", stop);
process.on("SIGTERM", stop);

async function start() {
  if (process.env.REDIS_URL) await joinCluster(process.env.REDIS_URL);
  const port = Number(process.env.PORT || 3000);
  const hostname = process.env.HOST || "127.0.0.1";
  const { version } = require("socket.io/package.json");
  if (process.versions.bun) {
    const where = require.resolve("@socket.io/bun-engine", { paths: [path.join(__dirname, "..", "bun")] });
    const engine = new (require(where).Server)({ path: "/socket.io/" });
    io.bind(engine);
    Bun.serve({ port, hostname, ...engine.handler() });
    console.log(`bun peer: socket.io ${version} on http://${hostname}:${port}`);
    return;
  }
  const httpServer = createServer((req, res) => {
    res.writeHead(200, { "content-type": "text/plain" });
    res.end("Real-Time Signal Broker");
  });
  io.attach(httpServer);
  httpServer.listen(port, hostname, () => {
    console.log(`node peer: socket.io ${version} on http://${hostname}:${port}`);
  });
}

start().catch((err) => {
  console.error(err);
  process.exit(1);
});

// A Node server as people run several of: broker and chat on "/", rooms with a token on "/chat", all in rooms with bare
// names, and the Redis adapter between them. It knows nothing of signalbox. A test that started it with an IPC channel may
// run functions in it; see NodeServer in support/cluster.mjs.

import { createHmac, randomUUID, timingSafeEqual } from "node:crypto";
import http from "node:http";
import { RedisStore, instrument } from "@socket.io/admin-ui";
import { createAdapter, createShardedAdapter } from "@socket.io/redis-adapter";
import { Emitter } from "@socket.io/redis-emitter";
import { createAdapter as createStreamsAdapter } from "@socket.io/redis-streams-adapter";
import { createClient } from "redis";
import { Server } from "socket.io";
import { StreamsEmitter } from "./streams-emitter.mjs";

const { HOST, PORT, REDIS_URL, REDIS_PREFIX = "socket.io", REDIS_MODE = "classic", SPECIFIC_RESPONSES, RECOVERY, JWT_SECRET = "" } = process.env;
const { ADMIN_UI_USER, ADMIN_UI_PASSWORD, ADMIN_UI_MODE } = process.env;

let ready = false;
const web = http.createServer((req, res) => {
  const status = req.url === "/readyz" && ready ? 200 : 404;
  res.writeHead(status).end();
});

const redis = async () => {
  const client = createClient({ url: REDIS_URL, socket: { reconnectStrategy: () => 50 } });
  client.on("error", (err) => console.log(`redis: ${err.code ?? err.message}`)); // the client comes back by itself
  await client.connect();
  return client;
};
const [pub, sub] = [await redis(), await redis()];

const io = new Server(web, {
  cors: ADMIN_UI_USER ? { origin: true, credentials: true } : { origin: "*" }, // its page sends credentials
  serveClient: false,
  ...(RECOVERY && { connectionStateRecovery: { maxDisconnectionDuration: 10_000 } }),
  adapter: {
    sharded: () => createShardedAdapter(pub, sub, { channelPrefix: REDIS_PREFIX }),
    streams: () => createStreamsAdapter(pub, { streamName: REDIS_PREFIX, channelPrefix: REDIS_PREFIX, blockTimeInMs: 500 }),
    classic: () => createAdapter(pub, sub, { key: REDIS_PREFIX, publishOnSpecificResponseChannel: SPECIFIC_RESPONSES === "true" }),
  }[REDIS_MODE](),
});

// The store of the Admin UI knows an older client of Redis.
function signIn() {
  const commands = pub.multi();
  const face = { set: (key, value) => (commands.set(key, `${value}`), face), expire: (...args) => (commands.expire(...args), face), exec: () => commands.exec() };
  return face;
}

if (ADMIN_UI_USER) {
  instrument(io, {
    auth: { type: "basic", username: ADMIN_UI_USER, password: ADMIN_UI_PASSWORD },
    mode: ADMIN_UI_MODE,
    serverId: `node#${process.pid}`,
    store: new RedisStore({ exists: (key, done) => pub.exists(key).then((n) => done(null, n), done), multi: signIn }),
  });
}

// "/": the broker relays to rooms named by the user's id, the chat has rooms named as its users call them.

const users = new Map(); // socket id -> {id, name, room}

io.on("connection", (socket) => {
  socket.on("error", () => {});
  socket.onAny((event, ...args) => {
    const data = args[0];
    if (event === "join") return socket.join(`${data.senderUserId}`);
    if (data?.recipientUserId !== undefined) io.to(`${data.recipientUserId}`).emit(event, data);
  });
  socket.on("login", (data, done) => {
    if (data.recipientUserId !== undefined) return;
    const user = { id: socket.id, name: data.name, room: data.room };
    users.set(socket.id, user);
    socket.join(user.room);
    socket.to(user.room).emit("notification", { title: "Someone's here", description: `${user.name} just entered the room` });
    io.to(user.room).emit("users", roomUsers(user.room));
    done({ user });
  });
  const leave = () => {
    const user = users.get(socket.id);
    if (!user) return;
    users.delete(socket.id);
    socket.leave(user.room);
    io.to(user.room).emit("notification", { title: "Someone just left", description: `${user.name} just left the room` });
    io.to(user.room).emit("users", roomUsers(user.room));
  };
  socket.on("logout", (done) => {
    leave();
    done();
  });
  socket.on("roomMessage", (message) => {
    const user = users.get(socket.id);
    if (user) io.to(user.room).emit("roomMessage", { message, from: user.name });
  });
  socket.on("disconnect", leave);
});

const roomUsers = (room) => [...users.values()].filter((user) => user.room === room);

// "/chat": a user is in the room user:<id>, and in the rooms it has joined.

const chat = io.of("/chat");

chat.use((socket, next) => {
  const [header, claims, signature] = `${socket.handshake.auth.token}`.split(".");
  const want = createHmac("sha256", JWT_SECRET).update(`${header}.${claims}`).digest();
  const got = Buffer.from(signature ?? "", "base64url");
  if (got.length !== want.length || !timingSafeEqual(got, want)) return next(new Error("Authentication failed"));
  const { sub, name = sub } = JSON.parse(Buffer.from(claims, "base64url").toString());
  socket.data.user = { id: sub, name };
  next();
});

chat.on("connection", (socket) => {
  const { id: userId, name: userName } = socket.data.user;
  socket.join(`user:${userId}`);
  socket.on("error", () => {});
  socket.on("join_room", (room) => {
    socket.join(room);
    socket.to(room).emit("user_joined", { userId, userName });
    socket.emit("room_history", { roomId: room, messages: [] });
  });
  socket.on("leave_room", (room) => {
    socket.leave(room);
    socket.to(room).emit("user_left", { userId, userName });
  });
  socket.on("message", ({ roomId, content }) => {
    chat.to(roomId).emit("message", { id: randomUUID(), roomId, userId, userName, content, timestamp: new Date() });
  });
  socket.on("typing_start", (room) => socket.to(room).emit("user_typing", { userId, userName }));
  socket.on("typing_stop", (room) => socket.to(room).emit("user_stopped_typing", { userId }));
});

// What the other servers say to this one.

const heard = []; // [namespace, event, ...args], in order
for (const [name, namespace] of [["/", io.of("/")], ["/chat", chat]]) {
  namespace.on("told", (...args) => heard.push([name, "told", ...args]));
  namespace.on("asked", (question, answer) => {
    heard.push([name, "asked", question]);
    answer({ answer: question, by: PORT });
  });
}

// Resolves once Redis has carried out every subscription that was asked for so far: the sharded adapter does not wait for
// those of rooms.
async function subscribed() {
  const channel = randomUUID();
  await sub.subscribe(channel, () => {});
  await sub.unsubscribe(channel);
}

const emitter = REDIS_MODE === "streams" ? new StreamsEmitter(pub, REDIS_PREFIX) : new Emitter(pub, { key: REDIS_PREFIX });

// The test's way in: {id, source, args} is a function to be run with what is here.
const here = { io, heard, subscribed, redis: pub, emitter };
process.on("message", async ({ id, source, args }) => {
  try {
    const run = new Function(`return (${source})`)();
    process.send({ id, value: await run(here, ...args) });
  } catch (err) {
    process.send({ id, error: err?.stack ?? String(err) });
  }
});

web.listen(Number(PORT), HOST, () => (ready = true));
process.on("SIGTERM", () => io.close(() => process.exit(0)));

// The broker and the chat on Node's own socket.io: what the tests of this folder expect, on an implementation of the
// protocol that is not ours. `npm run test:node` runs the suite against it, so that a failure that signalbox alone has is
// a fault of signalbox. It is not fit for anything else.

import http from "node:http";
import { Server } from "socket.io";

const web = http.createServer((req, res) => {
  const path = req.url.split("?")[0];
  const send = (status, text) => res.writeHead(status, { "Content-Type": "text/plain; charset=utf-8" }).end(text);
  if (path === "/") return send(200, "Real-Time Signal Broker");
  if (path === "/time" || path === "/time/") return send(200, String(Date.now()));
  if (path === "/healthz" || path === "/readyz") return send(200, "ok");
  send(404, "not found");
});

// The settings of signalbox that a test may shorten, in its writing.
const { env } = process;
const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const ms = (text) => text && parseFloat(text) * UNITS[text.replace(/[\d.]+/, "")];
const given = (options) => Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
const io = new Server(web, {
  cors: { origin: "*" },
  serveClient: false,
  httpCompression: { threshold: 1024 },
  ...given({
    pingInterval: ms(env.PING_INTERVAL),
    pingTimeout: ms(env.PING_TIMEOUT),
    upgradeTimeout: ms(env.UPGRADE_TIMEOUT),
    connectTimeout: ms(env.CONNECT_TIMEOUT),
    httpRequestBodyTimeout: ms(env.BODY_READ_TIMEOUT),
    allowEIO3: env.ALLOW_EIO3 === "true",
    cookie: env.SESSION_COOKIE && { name: env.SESSION_COOKIE },
    maxHttpBufferSize: env.MAX_PAYLOAD_BYTES && Number(env.MAX_PAYLOAD_BYTES),
  }),
});
const broker = (id) => `user ${id}`;
const lobby = (name) => `lobby ${name}`;
const users = new Map(); // socket id -> {id, name, room}, in login order

io.on("connection", (socket) => {
  const session = { socket, joined: undefined };
  // Node's emitter throws when an "error" event has no listener.
  socket.on("error", () => {});
  socket.onAny((event, ...args) => {
    const done = typeof args.at(-1) === "function" ? args.pop() : undefined;
    dispatch(session, event, args, done);
  });
  socket.on("disconnect", () => logout(socket));
});

function dispatch(session, event, args, done) {
  const data = args[0];
  const isObject = typeof data === "object" && data !== null && !Array.isArray(data);
  const addressed = isObject && Object.hasOwn(data, "recipientUserId");
  if (event === "join") return join(session, isObject ? data : {}, done);
  if (event === "time") {
    return session.socket.emit("time", { recipientUserId: session.joined, time: Date.now() });
  }
  if (!addressed) {
    if (event === "login") return login(session.socket, isObject ? data : {}, done);
    if (event === "logout") return done ? (logout(session.socket), done()) : session.socket.disconnect();
    if (event === "roomMessage") return roomMessage(session.socket, data);
    if (event === "ping") return done ? done(session.socket.id) : session.socket.disconnect();
  }
  if (!addressed || event === "error") return done?.({ ok: false, error: "no recipient" });
  const room = broker(data.recipientUserId);
  const delivered = io.sockets.adapter.rooms.get(room)?.size ?? 0;
  io.to(room).emit(event, data);
  done?.({ ok: true, delivered });
}

function join(session, data, done) {
  if (!Object.hasOwn(data, "senderUserId")) return done?.({ ok: false, error: "no senderUserId" });
  session.joined = data.senderUserId;
  session.socket.join(broker(data.senderUserId));
  done?.({ ok: true });
}

const roomUsers = (room) => [...users.values()].filter((user) => user.room === room);

function login(socket, data, done) {
  if (!done) return socket.disconnect();
  const [name, room] = [data.name, data.room].map((v) => (typeof v === "string" ? v.trim() : ""));
  if (![name, room].every((v) => /^[A-Za-z0-9]+$/.test(v))) return done({ error: "No room or name provided" });
  if (users.has(socket.id)) return done({ error: "user already exists" });
  const user = { id: socket.id, name, room };
  users.set(socket.id, user);
  socket.join(lobby(room));
  const description = `${name} just entered the room`;
  socket.to(lobby(room)).emit("notification", { title: "Someone's here", description });
  io.to(lobby(room)).emit("users", roomUsers(room));
  done({ user });
}

function logout(socket) {
  const user = users.get(socket.id);
  if (!user) return;
  users.delete(socket.id);
  socket.leave(lobby(user.room));
  const description = `${user.name} just left the room`;
  io.to(lobby(user.room)).emit("notification", { title: "Someone just left", description });
  io.to(lobby(user.room)).emit("users", roomUsers(user.room));
}

function roomMessage(socket, message) {
  const user = users.get(socket.id);
  if (user) io.to(lobby(user.room)).emit("roomMessage", { message, from: user.name });
}

web.listen(Number(process.env.PORT), process.env.HOST);
process.on("SIGTERM", () => io.close(() => process.exit(0)));

// What the tests of the Admin UI share: its settings, and a client that does as its page does.

import { io } from "socket.io-client";
import { Client, newest } from "./clients.mjs";

/** Who signs in. */
export const USER = "admin";
export const PASSWORD = "changeit";

/** Settings that turn /admin on; the hash is that of PASSWORD, of the lowest cost. */
export const adminEnv = {
  ADMIN_UI_USER: USER,
  ADMIN_UI_PASSWORD: "$2a$04$ueP9QzaUEGxSCrIkK1P7g.2AiIRExGqHy0x4s4Nle8hqT8TrdnwPy",
  ADMIN_UI_MODE: "development",
};

export const credentials = { username: USER, password: PASSWORD };

/**
 * Connects to /admin as the page does: it listens to nothing before it is connected, and by polling first. What it knows is kept
 * as the page keeps it, in sockets, by id, and stats, by server.
 */
export class Page extends Client {
  static async open(t, server, auth = credentials, options = {}) {
    const page = new Page(server, { io: listeningLate, transports: newest[2].transports }, "/admin", { auth, ...options });
    t.after(() => page.socket.disconnect());
    await page.connected();
    return page;
  }

  constructor(...args) {
    super(...args);
    this.sockets = new Map();
    this.stats = new Map();
  }

  note(entry) {
    this.keep?.(...entry);
    super.note(entry);
  }

  keep(event, ...args) {
    if (event === "all_sockets") {
      this.sockets.clear();
      for (const socket of args[0]) this.add(socket);
    } else if (event === "server_stats") this.stats.set(args[0].serverId, args[0]);
    else if (event === "socket_connected") this.add(args[0]);
    else if (event === "socket_updated") Object.assign(this.sockets.get(args[0].id) ?? {}, args[0]);
    else if (event === "socket_disconnected") this.sockets.delete(args[1]);
    else if (event === "room_joined") this.sockets.get(args[2])?.rooms.add(args[1]);
    else if (event === "room_left") this.sockets.get(args[2])?.rooms.delete(args[1]);
  }

  add(socket) {
    this.sockets.set(socket.id, { ...socket, rooms: new Set(socket.rooms) });
  }

  /** Resolves with a socket once it is known and suits. */
  known(id, suits = () => true) {
    const find = () => {
      const socket = this.sockets.get(id);
      return socket && suits(socket) && socket;
    };
    return this.until(find, `the socket ${id}`);
  }
}

/** As io, but what is listened to by onAny before the connection is heard from then on only, as what the page listens to. */
function listeningLate(...args) {
  const socket = io(...args);
  const { onAny } = socket;
  socket.onAny = (listener) => socket.once("connect", () => onAny.call(socket, listener));
  return socket;
}

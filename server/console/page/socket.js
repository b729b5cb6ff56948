/* global io */
import { show } from "./values.js";

/** Reports whether the Socket.IO client was loaded. */
export const hasClient = () => typeof io === "function";

/**
 * Connects a pane to a namespace with the Socket.IO client. connected is called each time the connection is there, again
 * after it was lost.
 */
export function connect(pane, namespace, { token = "", transports = ["polling", "websocket"], connected }) {
  if (!hasClient()) throw new Error("The Socket.IO client is not loaded; see the top of the page.");
  const socket = io(namespace, { transports, forceNew: true, auth: token ? { token } : {} });
  pane.state("wait", "connecting");
  socket.on("connect", () => {
    pane.state("on", `connected by ${socket.io.engine.transport.name}, socket ${socket.id}`);
    connected();
  });
  socket.io.engine.on("upgrade", (transport) => {
    if (socket.connected) pane.state("on", `connected by ${transport.name}, socket ${socket.id}`);
  });
  socket.on("connect_error", (err) => {
    pane.log.add("bad", "connect_error", err.message);
    // The server said no: the client does not try again. Otherwise it does.
    if (socket.active) pane.state("wait", "not reached, trying again");
    else pane.state("off", "refused");
  });
  socket.on("disconnect", (reason) => {
    pane.log.add("note", "disconnect", reason);
    if (socket.active) pane.state("wait", "connection lost, trying again");
    else pane.state("off", "not connected");
  });
  return socket;
}

/** Emits an event and shows it; with answered, asks for an answer, shows it, and calls answered with it. */
export function emit(pane, socket, event, args, answered) {
  pane.log.add("sent", event, args.map(show).join(" "));
  if (!answered) {
    socket.emit(event, ...args);
    return;
  }
  socket.timeout(10_000).emit(event, ...args, (late, ...answer) => {
    if (late) {
      pane.log.add("bad", event, "no answer within 10 s");
      return;
    }
    pane.log.add("ack", event, answer.map(show).join(" "));
    answered(...answer);
  });
}

/** Shows every event that comes in. */
export function listAll(pane, socket, except = []) {
  socket.onAny((event, ...args) => {
    if (!except.includes(event)) pane.log.add("got", event, args.map(show).join(" "));
  });
}

import { Socket } from "./client.js";
import { show } from "./values.js";

/**
 * Connects a pane to a namespace. connected is called each time the connection is there, again after it was lost.
 */
export function connect(pane, namespace, { token = "", transports, connected }) {
  const socket = new Socket(namespace, { transports, auth: token ? { token } : {} });
  pane.state("wait", "connecting");
  const there = () => pane.state("on", `connected by ${socket.transport}, socket ${socket.id}`);
  socket.on("connect", () => {
    there();
    connected();
  });
  socket.on("upgrade", () => socket.connected && there());
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
export async function emit(pane, socket, event, args, answered) {
  pane.log.add("sent", event, args.map(show).join(" "));
  if (!answered) {
    socket.emit(event, ...args);
    return;
  }
  let answer;
  try {
    answer = await socket.ask(event, args);
  } catch {
    pane.log.add("bad", event, "no answer within 10 s");
    return;
  }
  pane.log.add("ack", event, answer.map(show).join(" "));
  answered(...answer);
}

/** Shows every event that comes in. */
export function listAll(pane, socket, except = []) {
  socket.onAny((event, ...args) => {
    if (!except.includes(event)) pane.log.add("got", event, args.map(show).join(" "));
  });
}

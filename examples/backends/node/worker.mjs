// A backend that connects to signalbox: node worker.mjs, with WORKER_KEY as signalbox has it. It takes `npm install socket.io-client`.
import { io } from "socket.io-client";

const backend = io(`${process.env.SIGNALBOX ?? "http://localhost:3000"}/backend`, { auth: { key: process.env.WORKER_KEY } });

function handle(e) {
  switch (e.type) {
    case "connect":
      return e.auth.name ? { user: e.auth.name, rooms: ["board"] } : { refuse: { message: "say who you are" } };
    case "event":
      if (e.event !== "move") return { error: "there are only moves" };
      return { ack: [{ ok: true }], emit: [{ to: ["board"], event: "moved", args: [e.user, ...e.args] }] };
    default: // disconnect, offline, ...
      console.log(e.type, e.user, e.reason ?? "");
      return {};
  }
}

backend.on("events", ({ events }, answer) => answer({ results: events.map(handle) }));
backend.on("connect", () => backend.emit("handle", { events: ["/game:*"] }, (answer) => console.log("handle", answer)));
backend.on("connect_error", (err) => console.error(err.message));

// Without dropping anything: nothing new comes, what is here is answered, then it ends.
process.on("SIGTERM", () => backend.emit("handle", { events: [] }, () => backend.close()));

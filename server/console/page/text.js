import { Pane } from "./pane.js";
import { TokenField } from "./token.js";
import { idOf } from "./values.js";

// What one may send first on each route.
const samples = {
  "/ws": '{"type":"ping"}',
  "/tap": '{"connectionId":1,"text":"hi"}',
  "/demo": "hello",
  "/notification": '{"type":"notification","data":{"text":"hi"}}',
};

// The routes that want a ticket in the address and the token in the first message.
const ticketed = ["/demo", "/notification"];

/** A client of the plain WebSockets, with the browser's own WebSocket. */
export class Text {
  #pane;
  #token;
  #socket;

  constructor(place, title, info, { user }) {
    const pane = new Pane(place, "text-pane", title);
    this.#pane = pane;
    const { fields } = pane;
    fields.user.value = user;
    fields.id.value = user;
    fields.frame.value = samples["/ws"];
    this.#token = new TokenField(fields.tokens, info, () => ({ userId: fields.user.value.trim() }));
    this.#token.offer(pane);
    fields.path.addEventListener("change", () => {
      fields.frame.value = samples[fields.path.value];
      fields.quick.hidden = fields.path.value !== "/ws";
    });
    pane.onSubmit(fields.connect, () => (pane.busy ? this.#socket.close() : this.#open()));
    pane.onSubmit(fields.send, () => this.#send(fields.frame.value));
    pane.onSubmit(fields.quick, () => this.#say("message"));
    for (const button of fields.quick.querySelectorAll("button[type=button]")) pane.onClick(button, () => this.#say(button.dataset.say));
  }

  async #open() {
    const pane = this.#pane;
    const path = pane.fields.path.value;
    const token = this.#token.value;
    pane.state("wait", "connecting");
    let query = token;
    try {
      if (ticketed.includes(path)) query = await ticketFor(token);
    } catch (err) {
      pane.state("off", "not connected");
      throw err;
    }
    const url = new URL(path, location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    if (query) url.searchParams.set("token", query);
    const socket = new WebSocket(url);
    this.#socket = socket;
    pane.fields.path.disabled = true;
    socket.addEventListener("open", () => {
      pane.state("on", `connected to ${path}`);
      if (!ticketed.includes(path)) return;
      socket.send(JSON.stringify({ type: "jwt", token }));
      pane.log.add("sent", "the token");
    });
    socket.addEventListener("message", ({ data }) => pane.log.add("got", "", typeof data === "string" ? data : "binary data"));
    socket.addEventListener("close", ({ code, reason }) => {
      pane.fields.path.disabled = false;
      pane.log.add("note", "closed", `${code}${reason ? ` ${reason}` : ""}`);
      pane.state("off", "not connected");
    });
  }

  #send(text) {
    this.#socket.send(text);
    this.#pane.log.add("sent", "", text);
  }

  #say(type) {
    const { id, room, message } = this.#pane.fields;
    const parts = {
      authenticate: () => ({ userId: idOf(id.value) }),
      join: () => ({ room: room.value }),
      leave: () => ({ room: room.value }),
      message: () => ({ room: room.value, content: message.value }),
      ping: () => ({}),
    };
    this.#send(JSON.stringify({ type, ...parts[type]() }));
    if (type === "message") message.value = "";
  }
}

// ticketFor changes a token for the ticket that /demo and /notification want in their address.
async function ticketFor(token) {
  if (!token) throw new Error("This route needs a token.");
  const res = await fetch("/api/auth/token/ws", { headers: { Authorization: `Bearer ${token}` } });
  const answer = await res.json();
  if (!res.ok) throw new Error(`No ticket: ${answer.message}`);
  return answer.data.token;
}

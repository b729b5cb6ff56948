import { make } from "./dom.js";
import { Pane } from "./pane.js";
import { connect, emit, listAll } from "./socket.js";
import { TokenField } from "./token.js";

const ignore = () => {};

/** Somebody in a chat room of "/": logs in with a name, shows who is there and what is said. */
export class Chat {
  #pane;
  #token;
  #socket;

  constructor(place, title, info, { name }) {
    const pane = new Pane(place, "chat-pane", title);
    this.#pane = pane;
    pane.verbs[1] = "Log out";
    const { fields } = pane;
    fields.name.value = name;
    this.#token = new TokenField(fields.tokens, info, () => ({ userId: fields.name.value.trim(), name: fields.name.value.trim() }));
    this.#token.offer(pane);
    pane.onSubmit(fields.connect, () => (pane.busy ? this.#close() : this.#open()));
    pane.onSubmit(fields.send, () => {
      emit(pane, this.#socket, "roomMessage", [fields.message.value]);
      fields.message.value = "";
    });
    pane.onClick(fields.ping, () => emit(pane, this.#socket, "ping", [], ignore));
  }

  #open() {
    const pane = this.#pane;
    const { fields } = pane;
    const who = { name: fields.name.value, room: fields.room.value };
    const socket = connect(pane, "/", {
      token: this.#token.value,
      connected: () =>
        emit(pane, socket, "login", [who], (answer) => {
          if (!answer?.error) return;
          socket.disconnect();
          pane.state("off", "not logged in");
        }),
    });
    this.#socket = socket;
    socket.on("users", (users) => this.#people(users));
    socket.on("disconnect", () => this.#people([]));
    socket.on("notification", ({ title, description }) => pane.log.add("note", title, description));
    socket.on("roomMessage", ({ from, message }) => pane.log.add("got", `${from}:`, typeof message === "string" ? message : JSON.stringify(message)));
    listAll(pane, socket, ["users", "notification", "roomMessage"]);
  }

  #close() {
    const socket = this.#socket;
    const end = () => {
      socket.disconnect();
      this.#people([]);
      this.#pane.state("off", "not connected");
    };
    if (!socket.connected) {
      end();
      return;
    }
    this.#pane.state("wait", "logging out");
    emit(this.#pane, socket, "logout", [], end);
  }

  #people(users) {
    const list = this.#pane.fields.people;
    if (users.length === 0) list.replaceChildren(make("li", { class: "hint" }, "nobody"));
    else list.replaceChildren(...users.map((u) => make("li", {}, u.name)));
  }
}

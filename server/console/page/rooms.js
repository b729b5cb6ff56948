import { Pane } from "./pane.js";
import { connect, emit, listAll } from "./socket.js";
import { TokenField } from "./token.js";

const TYPING_MS = 2000;
const ignore = () => {};

/** Somebody in the rooms of /chat, with a token: history, messages, who is typing. */
export class Rooms {
  #pane;
  #token;
  #socket;
  #joined = new Set();
  #oldest = new Map(); // by room, the id of the oldest message that is known
  #typing = new Map(); // by user id, the name of who is typing
  #stop = 0; // the timer that ends our own typing
  #typesIn = null; // the room we are typing in

  constructor(place, title, info, { user, name }) {
    const pane = new Pane(place, "rooms-pane", title);
    this.#pane = pane;
    const { fields } = pane;
    fields.user.value = user;
    fields.name.value = name;
    // Who one is comes from the token: the fields are of use only where tokens can be made.
    fields["user-label"].hidden = fields["name-label"].hidden = !info.tokens;
    this.#token = new TokenField(fields.tokens, info, () => ({ userId: fields.user.value.trim(), name: fields.name.value.trim() }));
    this.#token.offer(pane);
    pane.onSubmit(fields.connect, () => (pane.busy ? this.#close() : this.#open()));
    pane.onSubmit(fields.join, () => this.#join(this.#room));
    pane.onClick(fields.leave, () => this.#leave(this.#room));
    pane.onClick(fields.older, () => this.#older(this.#room));
    pane.onClick(fields.who, () => emit(pane, this.#socket, "presence", [{ roomId: this.#room }], ignore));
    pane.onClick(fields.renew, () => emit(pane, this.#socket, "renew", [{ token: this.#token.value }], ignore));
    pane.onSubmit(fields.send, () => {
      emit(pane, this.#socket, "message", [{ roomId: this.#room, content: fields.message.value }], ignore);
      fields.message.value = "";
      this.#stopTyping();
    });
    fields.message.addEventListener("input", () => this.#startTyping());
    fields.message.addEventListener("blur", () => this.#stopTyping());
  }

  get #room() {
    return this.#pane.fields.room.value;
  }

  #open() {
    const pane = this.#pane;
    if (!this.#token.value) throw new Error("A token is needed; signalbox token --sub 42 makes one.");
    const socket = connect(pane, "/chat", {
      token: this.#token.value,
      connected: () => {
        for (const room of this.#joined) emit(pane, socket, "join_room", [room], ignore);
      },
    });
    this.#socket = socket;
    const types = (changes) => {
      changes();
      const names = [...this.#typing.values()];
      pane.fields.typing.textContent = names.length ? `${names.join(", ")} ${names.length > 1 ? "are" : "is"} typing` : "";
    };
    socket.on("room_history", ({ roomId, messages }) => {
      pane.log.add("note", `history of ${roomId}:`, messages.length ? `${messages.length} messages` : "nothing yet");
      for (const m of messages) this.#show("note", m);
      if (messages.length) this.#oldest.set(roomId, messages[0].id);
    });
    socket.on("message", (m) => {
      types(() => this.#typing.delete(m.userId));
      this.#show("got", m);
      if (!this.#oldest.has(m.roomId)) this.#oldest.set(m.roomId, m.id);
    });
    socket.on("user_typing", ({ userId, userName }) => types(() => this.#typing.set(userId, userName)));
    socket.on("user_stopped_typing", ({ userId }) => types(() => this.#typing.delete(userId)));
    socket.on("user_left", ({ userId }) => types(() => this.#typing.delete(userId)));
    socket.on("disconnect", () => types(() => this.#typing.clear()));
    listAll(pane, socket, ["room_history", "message", "user_typing", "user_stopped_typing"]);
  }

  #close() {
    this.#stopTyping();
    this.#socket.disconnect();
    this.#joined.clear();
    this.#oldest.clear();
    this.#pane.state("off", "not connected");
  }

  #show(kind, { userName, content }) {
    this.#pane.log.add(kind, `${userName ?? "somebody"}:`, typeof content === "string" ? content : JSON.stringify(content));
  }

  #join(room) {
    emit(this.#pane, this.#socket, "join_room", [room], (answer) => {
      if (answer?.ok) this.#joined.add(room);
    });
  }

  #leave(room) {
    this.#joined.delete(room);
    this.#oldest.delete(room);
    emit(this.#pane, this.#socket, "leave_room", [room], ignore);
  }

  #older(room) {
    const before = this.#oldest.get(room);
    emit(this.#pane, this.#socket, "room_history_before", [{ roomId: room, before, limit: 20 }], ({ ok, messages }) => {
      if (!ok) return;
      if (messages.length) this.#oldest.set(room, messages[0].id);
      for (const m of messages) this.#show("note", m);
    });
  }

  #startTyping() {
    clearTimeout(this.#stop);
    this.#stop = setTimeout(() => this.#stopTyping(), TYPING_MS);
    const room = this.#room;
    if (this.#typesIn === room || !this.#joined.has(room)) return;
    this.#stopTyping();
    this.#stop = setTimeout(() => this.#stopTyping(), TYPING_MS);
    this.#typesIn = room;
    this.#socket.emit("typing_start", room);
  }

  #stopTyping() {
    clearTimeout(this.#stop);
    if (this.#typesIn === null) return;
    if (this.#socket.connected) this.#socket.emit("typing_stop", this.#typesIn);
    this.#typesIn = null;
  }
}

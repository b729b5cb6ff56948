import { Pane } from "./pane.js";
import { connect, emit, listAll } from "./socket.js";
import { TokenField } from "./token.js";
import { idOf, objectOf } from "./values.js";

const ignore = () => {};

/** A user of the broker: joins with an id, sends addressed events, shows what comes for it. */
export class Broker {
  #pane;
  #token;
  #socket;

  constructor(place, title, info, { user, to }) {
    const pane = new Pane(place, "broker-pane", title);
    this.#pane = pane;
    const { fields } = pane;
    fields.user.value = user;
    fields.to.value = to;
    this.#token = new TokenField(fields.tokens, info, () => ({ userId: fields.user.value.trim() }));
    this.#token.offer(pane);
    pane.onSubmit(fields.connect, () => (pane.busy ? this.#close() : this.#open()));
    pane.onSubmit(fields.send, () => this.#send());
    pane.onClick(fields.time, () => emit(pane, this.#socket, "time", [{ senderUserId: idOf(fields.user.value) }]));
  }

  #open() {
    const { fields } = this.#pane;
    const id = idOf(fields.user.value);
    this.#socket = connect(this.#pane, "/", {
      token: this.#token.value,
      transports: fields.transport.value.split(","),
      connected: () => emit(this.#pane, this.#socket, "join", [{ senderUserId: id, recipientUserId: -1 }], ignore),
    });
    listAll(this.#pane, this.#socket);
  }

  #close() {
    this.#socket.disconnect();
    this.#pane.state("off", "not connected");
  }

  #send() {
    const { fields } = this.#pane;
    const data = { senderUserId: idOf(fields.user.value), recipientUserId: idOf(fields.to.value), ...objectOf(fields.data.value) };
    emit(this.#pane, this.#socket, fields.event.value.trim(), [data], fields.ack.checked ? ignore : undefined);
  }
}

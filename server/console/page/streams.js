import { Pane } from "./pane.js";
import { StreamParser } from "./sse.js";
import { TokenField } from "./token.js";
import { jsonOf, show } from "./values.js";

const RETRY_MS = 3000;

/** The streams there are: title, path of an id, what the id is. */
export const streams = {
  all: { title: "/events", path: () => "/events" },
  user: { title: "/events/user/…", path: (id) => `/events/user/${encodeURIComponent(id)}`, id: "User id", value: "1", token: true },
  room: { title: "/events/room/…", path: (id) => `/events/room/${encodeURIComponent(id)}`, id: "Room", value: "general", token: true },
};

/** One event stream. It comes back by itself when it is cut, with the id of the last event, as a browser's own does. */
export class Stream {
  #pane;
  #kind;
  #token;
  #ending = null; // aborts the request; null: closed
  #lastID = "";

  constructor(place, kind, info) {
    const pane = new Pane(place, "stream-pane", kind.title);
    this.#pane = pane;
    this.#kind = kind;
    pane.verbs[1] = "Close";
    const { fields } = pane;
    fields["id-label"].hidden = !kind.id;
    if (kind.id) {
      fields["id-text"].textContent = kind.id;
      fields.id.value = kind.value;
      fields.id.required = true;
    }
    fields["token-details"].open = Boolean(kind.token);
    const isUser = kind === streams.user;
    this.#token = new TokenField(fields.tokens, info, () => ({ userId: isUser ? fields.id.value.trim() : "1" }));
    this.#token.offer(pane);
    pane.onSubmit(fields.connect, () => (pane.busy ? this.#close() : this.#open()));
  }

  async #open() {
    const ending = new AbortController();
    this.#ending = ending;
    this.#lastID = "";
    const path = this.#kind.path(this.#pane.fields.id.value);
    while (!ending.signal.aborted && (await this.#read(path, ending.signal))) {
      this.#pane.state("wait", "cut, coming back in 3 s");
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, RETRY_MS);
        ending.signal.addEventListener("abort", () => (clearTimeout(timer), resolve()));
      });
    }
    if (this.#ending === ending) this.#close();
  }

  // read reads the stream to its end and reports whether to come back.
  async #read(path, signal) {
    const pane = this.#pane;
    pane.state("wait", "connecting");
    const headers = { Accept: "text/event-stream" };
    if (this.#token.value) headers.Authorization = `Bearer ${this.#token.value}`;
    if (this.#lastID) headers["Last-Event-ID"] = this.#lastID;
    try {
      const res = await fetch(path, { headers, signal, cache: "no-store" });
      if (!res.ok) {
        pane.log.add("bad", "refused", `${res.status} ${(await res.text()).slice(0, 200)}`);
        return false;
      }
      pane.state("on", "open");
      const parser = new StreamParser((record) => this.#show(record));
      const text = res.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let part = await text.read(); !part.done; part = await text.read()) parser.feed(part.value);
      pane.log.add("note", "the server ended the stream");
    } catch (err) {
      if (signal.aborted) return false;
      pane.log.add("note", "cut", err.message);
    }
    return true;
  }

  #show({ event, id, data, comment }) {
    if (id !== undefined) this.#lastID = id;
    if (data !== undefined) this.#pane.log.add("got", event ?? "message", data);
    else if (comment !== undefined) this.#pane.log.add("note", comment.trim());
  }

  #close() {
    this.#ending?.abort();
    this.#ending = null;
    this.#pane.state("off", "not connected");
  }
}

/** The form that publishes as a backend does. */
export class Publish {
  constructor(place) {
    const pane = new Pane(place, "publish-pane", "Publish as a backend");
    pane.state("off", "over HTTP");
    const { fields } = pane;
    pane.onSubmit(fields.connect, async () => {
      const channel = fields.channel.value.trim();
      const body = { type: fields.type.value.trim(), data: jsonOf(fields.data.value) };
      pane.log.add("sent", channel, show(body));
      const res = await fetch(`/api/publish/${encodeURIComponent(channel)}`, {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-API-Key": fields.key.value.trim() },
        body: JSON.stringify(body),
      });
      pane.log.add(res.ok ? "ack" : "bad", `${res.status}`, (await res.text()).slice(0, 500));
    });
  }
}

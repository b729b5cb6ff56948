import { copyOf, make, named } from "./dom.js";
import { Pane } from "./pane.js";
import { jsonOf, show } from "./values.js";

const EVERY_MS = 500;

// What stands in the field for an answer.
const answers = { connect: { user: "1", rooms: [] }, event: { ack: [{ ok: true }] } };

/** What an envelope is about. */
const title = ({ type, ns, event, socket, user, room }) => [type, ns, event, socket, user && `user ${user}`, room && `room ${room}`].filter(Boolean).join(" ");

async function post(fields) {
  const res = await fetch("/console/logic", { method: "POST", body: new URLSearchParams(fields) });
  const { error } = await res.json();
  if (error) throw new Error(error);
}

/** What goes to the application's backend: it is listed, answered by hand and sent again. Asked for while the tab is shown. */
export class Logic {
  #panel;
  #pane;
  #queue;
  #changes = 0;
  #listed = new Map(); // number of an entry to whether its end is in the log
  #held = new Map(); // number of an entry to its form

  constructor(place) {
    this.#panel = place.parentElement;
    const pane = new Pane(place, "logic-pane", "On their way");
    this.#pane = pane;
    pane.verbs[1] = "Let the backend answer";
    pane.state("off", "the backend answers");
    pane.onSubmit(pane.fields.connect, () => post({ byHand: pane.busy ? "off" : "on" }));
    this.#queue = new Pane(place, "queue-pane", "Queue");
    this.#queue.onSubmit(this.#queue.fields.connect, () => post({ queue: "now" }));
    this.#run();
  }

  async #run() {
    for (;;) {
      if (!this.#panel.hidden && !document.hidden) await this.#ask().catch(() => {}); // the figures say that the server is away
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    }
  }

  async #ask() {
    const res = await fetch(`/console/logic?since=${this.#changes}`, { cache: "no-store" });
    if (!res.ok) return;
    const now = await res.json();
    if (now.changes < this.#changes) { // the server has started anew
      this.#changes = 0;
      this.#listed.clear();
      for (const form of this.#held.values()) form.remove();
      this.#held.clear();
      return;
    }
    this.#changes = now.changes;
    if (now.byHand !== this.#pane.busy) this.#pane.state(now.byHand ? "on" : "off", now.byHand ? "you answer" : "the backend answers");
    for (const entry of now.entries) this.#show(entry);
    this.#queue.state("off", now.waiting === 1 ? "1 notice waits" : `${now.waiting} notices wait`);
    this.#queue.fields.queue.replaceChildren(...now.queue.map((body) => make("li", {}, make("code", {}, `${title(body)} ${body.reason ?? ""}`))));
  }

  #show({ number, body, held, over, result, fault, ms }) {
    const { log } = this.#pane;
    if (!this.#listed.has(number)) {
      const again = make("button", { type: "button", class: "quiet again", "aria-label": `Send again: ${title(body)}` }, "Send again");
      this.#pane.onClick(again, () => post({ again: number }));
      log.add("sent", title(body), make("span", {}, `${show(body)} `, again));
      this.#listed.set(number, false);
    }
    if (over && !this.#listed.get(number)) {
      log.add(fault ? "bad" : "ack", title(body), `${fault ?? show(result)} after ${ms} ms`);
      this.#listed.set(number, true);
    }
    if (held && !this.#held.has(number)) this.#hold(number, body);
    if (!held) {
      this.#held.get(number)?.remove();
      this.#held.delete(number);
    }
  }

  // hold shows a form for the answer.
  #hold(number, body) {
    const part = copyOf("held");
    const { what, result } = named(part);
    what.textContent = `${title(body)} ${show(body.type === "connect" ? body.auth : body.args)}`;
    result.value = JSON.stringify(answers[body.type]);
    const form = part.querySelector("form");
    this.#pane.onSubmit(form, async () => {
      jsonOf(result.value);
      await post({ answer: number, result: result.value });
      form.remove();
    });
    this.#held.set(number, form);
    this.#pane.fields.held.append(part);
  }
}

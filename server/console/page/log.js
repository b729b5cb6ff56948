import { copyOf, make, named } from "./dom.js";

const MOST_ENTRIES = 200;

// What stands before an entry, and what a screen reader says instead.
const kinds = {
  sent: ["→", "sent"],
  got: ["←", "received"],
  ack: ["✓", "answer to"],
  note: ["•", "note"],
  bad: ["!", "problem"],
};

/** A list of what went over a connection. Entries are added together, at most once per frame, and the oldest are dropped. */
export class Log {
  #box;
  #list;
  #waiting = [];

  /** Appends the list to a pane. label names it for screen readers. */
  constructor(pane, label) {
    const part = copyOf("log");
    const { log, clear } = named(part);
    log.setAttribute("aria-label", label);
    clear.setAttribute("aria-label", `Clear: ${label}`);
    this.#box = log;
    this.#list = log.querySelector("ol");
    clear.addEventListener("click", () => this.#list.replaceChildren());
    pane.append(part);
  }

  /** Adds an entry: its kind, what it is, and its details. */
  add(kind, what, details = "") {
    const [sign, word] = kinds[kind];
    const entry = make(
      "li",
      { class: kind },
      make("time", {}, new Date().toTimeString().slice(0, 8)),
      " ",
      make("span", { "aria-hidden": "true" }, sign),
      make("span", { class: "hidden-text" }, word),
      " ",
      make("span", { class: "what" }, what),
      what && details ? " " : "",
      details,
    );
    this.#waiting.push(entry);
    if (this.#waiting.length === 1) {
      // A page that is not shown has no frames, but may have much to list.
      if (document.hidden) setTimeout(() => this.#flush(), 200);
      else requestAnimationFrame(() => this.#flush());
    }
  }

  #flush() {
    const box = this.#box;
    const list = this.#list;
    const follows = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
    list.append(...this.#waiting.splice(0).slice(-MOST_ENTRIES));
    while (list.childElementCount > MOST_ENTRIES) list.firstElementChild.remove();
    if (follows) box.scrollTop = box.scrollHeight;
  }
}

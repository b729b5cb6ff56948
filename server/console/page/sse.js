// A reader of event streams that shows what EventSource hides: events of every name, ids and comments.

/**
 * Splits the text of a stream into records. feed takes text as it comes; each whole record is given to take as
 * {event, id, data, comment}.
 *
 * Rule: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 */
export class StreamParser {
  #take;
  #rest = "";
  #record = {};

  constructor(take) {
    this.#take = take;
  }

  feed(text) {
    const all = this.#rest + text;
    // A \r at the end may be the first half of \r\n.
    const lines = all.split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop();
    for (const line of lines) this.#line(line);
  }

  #line(line) {
    if (line === "") {
      if (Object.keys(this.#record).length) this.#take(this.#record);
      this.#record = {};
      return;
    }
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "") this.#record.comment = value;
    else if (field === "data") this.#record.data = this.#record.data === undefined ? value : `${this.#record.data}\n${value}`;
    else if (field === "event" || field === "id") this.#record[field] = value;
  }
}

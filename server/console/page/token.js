import { copyOf, named } from "./dom.js";
import { claimsOf } from "./values.js";

/**
 * The field for a token. It stays in the page and is written nowhere. Where the server makes tokens for trying out, a
 * button asks it for one, for the user that whose() returns as {userId, name}.
 */
export class TokenField {
  constructor(place, info, whose) {
    place.append(copyOf("token"));
    this.fields = named(place);
    this.whose = whose;
    this.fields.token.addEventListener("input", () => this.#describe());
    if (info.tokens) this.fields.make.hidden = false;
  }

  /** The token, "" without one. */
  get value() {
    return this.fields.token.value.trim();
  }

  /** Has the button ask the server for a token; pane shows what goes wrong. */
  offer(pane) {
    pane.onClick(this.fields.make, async () => {
      await this.make();
      pane.log.add("note", "made a token", this.fields.claims.textContent);
    });
  }

  /** Asks the server for a token. */
  async make() {
    const who = this.whose();
    if (!who.userId) throw new Error("Write a user id first: the token speaks for it.");
    const res = await fetch("/console/token", { method: "POST", body: new URLSearchParams(who) });
    if (res.status === 401) throw new Error("You are signed out: load the page again.");
    const answer = await res.json();
    if (!res.ok) throw new Error(answer.error);
    this.fields.token.value = answer.token;
    this.#describe();
  }

  #describe() {
    const claims = this.value && claimsOf(this.value);
    let text = "";
    if (this.value && !claims) text = "this does not look like a token";
    if (claims) {
      text = `for user ${claims.sub ?? claims.id ?? claims._id ?? "(nobody)"}`;
      if (Array.isArray(claims.rooms)) text += `, rooms ${claims.rooms.join(" ")}`;
      if (typeof claims.exp === "number") text += `, until ${new Date(claims.exp * 1000).toLocaleString()}`;
    }
    this.fields.claims.textContent = text;
  }
}

import { copyOf, make, named } from "./dom.js";
import { Log } from "./log.js";

/**
 * One client on the page: a heading with its state, the fields of a template, and a log. What needs a connection stands in
 * fieldsets with data-when="on".
 */
export class Pane {
  /** Appends a pane called title, with the fields of a template, to a place. */
  constructor(place, template, title) {
    this.root = make("section", { class: "pane", "aria-label": title });
    this.status = make("p", { class: "status", role: "status" });
    this.root.append(make("div", { class: "pane-head" }, make("h3", {}, title), this.status), copyOf(template));
    this.fields = named(this.root);
    this.log = new Log(this.root, `${title}: messages`);
    this.verbs = [this.fields.toggle.textContent, "Disconnect"];
    place.append(this.root);
    this.state("off", "not connected");
  }

  /** Shows where the connection is: "off", "wait" or "on", and in words. */
  state(state, words) {
    this.root.dataset.state = state;
    this.status.textContent = words;
    this.fields.toggle.textContent = this.verbs[state === "off" ? 0 : 1];
    for (const set of this.root.querySelectorAll('[data-when="on"]')) set.disabled = state !== "on";
  }

  /** Reports whether there is a connection, or one is being made. */
  get busy() {
    return this.root.dataset.state !== "off";
  }

  /** Calls do when a form is sent. What do throws is shown in the log. */
  onSubmit(form, act) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.try(act);
    });
  }

  /** Calls act when a button is pressed. */
  onClick(button, act) {
    button.addEventListener("click", () => this.try(act));
  }

  /** Calls act, and shows what it throws, now or later, in the log. */
  async try(act) {
    try {
      await act();
    } catch (err) {
      this.log.add("bad", err.message);
    }
  }
}

// Small helpers around the document. Text from the server is only ever set as text.

/** Makes an element with attributes and children; a child that is a string becomes text. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Makes an SVG element. */
export function makeSVG(tag, attributes = {}) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

/** Returns a copy of what a template holds. */
export const copyOf = (template) => document.getElementById(template).content.cloneNode(true);

/** Returns the elements below root that have a data-name, by that name. */
export function named(root) {
  return Object.fromEntries([...root.querySelectorAll("[data-name]")].map((e) => [e.dataset.name, e]));
}

/** Tells about something that is wrong with the page or the server; an equal text is shown once. Returns a function that takes it back. */
export function problem(text) {
  const place = document.getElementById("problems");
  for (const old of place.children) if (old.textContent === text) return () => old.remove();
  const shown = make("p", { class: "problem" }, text);
  place.append(shown);
  return () => shown.remove();
}

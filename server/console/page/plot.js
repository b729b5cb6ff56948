import { makeSVG } from "./dom.js";
import { count } from "./values.js";

const SAMPLES = 120;
const WIDTH = 600;
const HEIGHT = 120;
const DESCRIBE_EVERY = 10;

/** Two lines over the last two minutes: packets in and out per second. */
export class Plot {
  #svg;
  #top;
  #points = [];
  #lines = {};
  #drawn = 0;

  constructor(svg, top) {
    this.#svg = svg;
    this.#top = top;
    for (const share of [0.25, 0.5, 0.75]) {
      const y = HEIGHT * share;
      svg.append(makeSVG("line", { x1: 0, x2: WIDTH, y1: y, y2: y, stroke: "currentColor", "stroke-opacity": 0.15, "vector-effect": "non-scaling-stroke" }));
    }
    for (const name of ["in", "out"]) {
      this.#lines[name] = makeSVG("polyline", { class: `plot-${name}` });
      svg.append(this.#lines[name]);
    }
  }

  /** Adds the rates of one second and draws. */
  add(rates) {
    this.#points.push(rates);
    if (this.#points.length > SAMPLES) this.#points.shift();
    const most = niceTop(Math.max(...this.#points.map((p) => Math.max(p.in, p.out))));
    this.#top.textContent = count(most);
    const first = SAMPLES - this.#points.length;
    for (const [name, line] of Object.entries(this.#lines)) {
      const points = this.#points.map((p, i) => {
        const x = ((first + i) / (SAMPLES - 1)) * WIDTH;
        const y = HEIGHT - 2 - (p[name] / most) * (HEIGHT - 6);
        return `${x.toFixed(1)},${y.toFixed(1)}`;
      });
      line.setAttribute("points", points.join(" "));
    }
    // A picture whose text changes every second would be no help to anybody.
    if (this.#drawn++ % DESCRIBE_EVERY === 0) {
      this.#svg.setAttribute("aria-label", `Packets per second: ${count(Math.round(rates.in))} in, ${count(Math.round(rates.out))} out`);
    }
  }
}

/** Returns the end of the axis: 10, 20, 50, 100, 200, ... */
export function niceTop(most) {
  let top = 10;
  for (let step = 0; top < most; step++) top *= step % 3 === 1 ? 2.5 : 2;
  return top;
}

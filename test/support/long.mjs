// LONG=1, as `make test-long` sets it: every client build, a browser, nginx, and clients spread over the nodes of a cluster.

export const long = process.env.LONG === "1";

/** Says what does not run here, by name and why; `make test-long` repeats these lines at its end. */
export const notRun = (what, why) => console.error(`NOT RUN: ${what}: ${why}`);

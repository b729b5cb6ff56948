// Nothing in these tests waits for time to pass: they wait for something to happen, and give up after a deadline.

export const DEADLINE_MS = 15_000;

/** Resolves or rejects as promise does, and rejects with what was awaited when that takes longer than ms. */
export function within(promise, what, ms = DEADLINE_MS) {
  let timer;
  const late = new Promise((_, reject) => {
    const text = typeof what === "function" ? what : () => what;
    timer = setTimeout(() => reject(new Error(`gave up after ${ms} ms waiting for ${text()}`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Resolves with the arguments of the next event of an emitter. */
export function happens(emitter, event, what = event) {
  return within(new Promise((resolve) => emitter.once(event, (...args) => resolve(args))), what);
}

/** Lets everything that is already due in this process run. */
export const turn = () => new Promise((resolve) => setImmediate(resolve));

// Between what people type or read and JSON.

/** Returns an id as it is meant: a number where it is written as one, else text. */
export function idOf(text) {
  const trimmed = text.trim();
  return /^-?(0|[1-9]\d*)$/.test(trimmed) && Number.isSafeInteger(Number(trimmed)) ? Number(trimmed) : trimmed;
}

/** Parses a JSON object; throws in words. */
export function objectOf(text) {
  const value = jsonOf(text.trim() === "" ? "{}" : text);
  if (value === null || typeof value !== "object" || Array.isArray(value)) throw new Error("The data has to be a JSON object, such as {\"text\": \"hi\"}.");
  return value;
}

/** Parses JSON; throws in words. */
export function jsonOf(text) {
  try {
    return JSON.parse(text);
  } catch (err) {
    throw new Error(`This is not JSON: ${err.message}`);
  }
}

/** Writes a value for people: JSON, with binary in it as its size. */
export function show(value) {
  if (value === undefined) return "";
  return JSON.stringify(value, (_, v) => {
    const bytes = v instanceof ArrayBuffer ? v.byteLength : ArrayBuffer.isView(v) ? v.byteLength : -1;
    return bytes < 0 ? v : `<${bytes} bytes>`;
  });
}

const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];

/** Writes a number of bytes for people. */
export function size(bytes) {
  let n = bytes;
  let unit = 0;
  while (n >= 1024 && unit < units.length - 1) {
    n /= 1024;
    unit++;
  }
  return `${unit === 0 ? n : n.toFixed(1)} ${units[unit]}`;
}

/** Writes a number of seconds for people. */
export function span(seconds) {
  const s = Math.floor(seconds);
  const parts = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const first = parts.findIndex(([length]) => s >= length);
  if (first < 0) return "0 s";
  const [length, name] = parts[first];
  const rest = parts[first + 1];
  const tail = rest ? Math.floor((s % length) / rest[0]) : 0;
  return `${Math.floor(s / length)} ${name}${tail ? ` ${tail} ${rest[1]}` : ""}`;
}

const grouped = new Intl.NumberFormat("en");

/** Writes a whole number for people. */
export const count = (n) => grouped.format(n);

/** Returns the claims of a token as they are written in it, null where it is none. Nothing is verified: the server does that. */
export function claimsOf(token) {
  try {
    const part = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(part), (c) => c.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes));
    return claims && typeof claims === "object" ? claims : null;
  } catch {
    return null;
  }
}

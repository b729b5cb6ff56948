// Tokens as an application makes them: JWT with HS256, without a library.

import { createHmac } from "node:crypto";

/** The secret of the servers under test. */
export const SECRET = "a secret of the tests, 32 bytes or more";

const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** Signs a header and claims; alg in the header says how: HS256, or none for a token without a signature. */
export function sign(header, claims, secret = SECRET) {
  const text = `${part(header)}.${part(claims)}`;
  if (header.alg !== "HS256" && header.alg !== "HS384") return `${text}.`;
  const hash = header.alg === "HS256" ? "sha256" : "sha384";
  return `${text}.${createHmac(hash, secret).update(text).digest("base64url")}`;
}

const now = () => Math.floor(Date.now() / 1000);

/** Returns a good token of a user, for one hour. More claims may be given. */
export const tokenOf = (sub, claims = {}) => sign({ alg: "HS256", typ: "JWT" }, { sub, exp: now() + 3600, ...claims });

/** Tokens that no door may take, by what is wrong with them. sub is whose they pretend to be. */
export function badTokens(sub) {
  const good = tokenOf(sub);
  const [header, , signature] = good.split(".");
  const claims = { sub, exp: now() + 3600 };
  return {
    "another secret": sign({ alg: "HS256", typ: "JWT" }, claims, "some other secret of 32 bytes or more"),
    "another algorithm": sign({ alg: "HS384", typ: "JWT" }, claims),
    "alg none": sign({ alg: "none", typ: "JWT" }, claims),
    "alg None with a signature": `${part({ alg: "None", typ: "JWT" })}.${part(claims)}.${signature}`,
    "other claims under a good signature": `${header}.${part({ ...claims, sub: `${sub}0` })}.${signature}`,
    "no signature": good.slice(0, good.lastIndexOf(".") + 1),
    expired: sign({ alg: "HS256", typ: "JWT" }, { sub, exp: now() - 1 }),
    "not good yet": sign({ alg: "HS256", typ: "JWT" }, { ...claims, nbf: now() + 3600 }),
    nobody: sign({ alg: "HS256", typ: "JWT" }, { exp: now() + 3600 }),
    "no token": "not.a.token",
  };
}

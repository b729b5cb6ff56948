// A backend that signalbox posts to, with nothing but Node: node hook.mjs, with HOOKS_SECRET as signalbox has it. GET / is the page.
import { createHmac, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";

const key = Buffer.from(process.env.HOOKS_SECRET.replace("whsec_", ""), "base64");
const page = readFileSync(new URL("../../page.html", import.meta.url), "utf8").replaceAll("{{url}}", process.env.SIGNALBOX ?? "http://localhost:3000");

/** Whether a request comes from who has the secret, and is not an old one. */
function isSigned(headers, body) {
  const signed = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`;
  const want = Buffer.from("v1," + createHmac("sha256", key).update(signed).digest("base64"));
  const isRight = (s) => s.length === want.length && timingSafeEqual(Buffer.from(s), want);
  return Math.abs(Date.now() / 1000 - headers["webhook-timestamp"]) < 300 && (headers["webhook-signature"] ?? "").split(" ").some(isRight);
}

function handle(e) {
  switch (e.type) {
    case "connect":
      return e.auth.name ? { user: e.auth.name, rooms: ["board"] } : { refuse: { message: "say who you are" } };
    case "event":
      if (e.event !== "move") return { error: "there are only moves" };
      return { ack: [{ ok: true }], emit: [{ to: ["board"], event: "moved", args: [e.user, ...e.args] }] };
    default: // disconnect, offline, ...
      console.log(e.type, e.user, e.reason ?? "");
      return {};
  }
}

const server = createServer(async (req, res) => {
  if (req.method === "GET") return res.setHeader("content-type", "text/html; charset=utf-8").end(page);
  let body = "";
  for await (const part of req.setEncoding("utf8")) body += part;
  if (!isSigned(req.headers, body)) return res.writeHead(401).end();
  res.setHeader("content-type", "application/json").end(JSON.stringify({ results: JSON.parse(body).events.map(handle) }));
});
server.listen(process.env.PORT ?? 4000, "127.0.0.1", () => console.log(`backend at http://127.0.0.1:${server.address().port}/`));

// node deploy/sbom.js FILE adds what the browser client is made of to a list of what is linked (CycloneDX): the packages of
// package-lock.json that are in it. The binary has the client embedded, and the list of Go's modules knows nothing of it.
"use strict";
const fs = require("node:fs");
const path = require("node:path");

const root = path.join(__dirname, "..");
const onlyInNode = ["ws", "xmlhttprequest-ssl"]; // the browser has them itself
const { packages } = JSON.parse(fs.readFileSync(path.join(root, "package-lock.json"), "utf8"));
const bom = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));

const refs = {};
for (const [where, { version }] of Object.entries(packages)) {
  const name = where.replace(/^node_modules\//, "");
  if (name && !onlyInNode.includes(name)) {
    refs[name] = `pkg:npm/${name.replace("@", "%40")}@${version}`;
  }
}
for (const [name, ref] of Object.entries(refs)) {
  const { version, integrity, license, dependencies = {} } = packages["node_modules/" + name];
  const [, group, short] = name.match(/^(?:(@[^/]+)\/)?(.*)$/);
  const hash = { alg: "SHA-512", content: Buffer.from(integrity.replace("sha512-", ""), "base64").toString("hex") };
  bom.components.push({
    "bom-ref": ref, type: "library", ...(group && { group }), name: short, version, scope: "required", hashes: [hash],
    licenses: [{ license: { id: license } }], purl: ref,
  });
  bom.dependencies.push({ ref, dependsOn: Object.keys(dependencies).map((d) => refs[d]).filter(Boolean) });
}
const itself = bom.dependencies.find(({ ref }) => ref === bom.metadata.component["bom-ref"]);
itself.dependsOn = [...(itself.dependsOn ?? []), ...Object.keys(packages[""].dependencies).map((d) => refs[d])];
fs.writeFileSync(process.argv[2], JSON.stringify(bom, null, 2) + "\n");

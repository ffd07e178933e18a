// Adding a package: a file, for a version, with the publisher's signature if it has one.

import { ask, say } from "./api.js";
import { byId, bytes } from "./dom.js";

export function packages() {
  const form = byId("package-form");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    say(byId("package-reply"), upload, [...form.querySelectorAll("button")]);
  });
}

async function upload() {
  const [file] = byId("package-file").files;
  const [signature] = byId("package-minisig").files;
  const query = new URLSearchParams({ version: byId("package-version").value.trim(), name: file.name });
  query.set("sign_method", byId("package-digest").value);
  const module = byId("package-module").value.trim();
  if (module) query.set("module", module);
  if (signature) {
    query.set("minisig", await signature.text());
    query.set("carrier", byId("package-carrier").value);
  }
  const firmware = await ask("POST", `/api/firmware?${query}`, file);
  byId("package-form").reset();
  return `version ${firmware.version} is there, ${bytes(firmware.files[0].size)}; choose it above`;
}

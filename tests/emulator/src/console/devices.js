// The devices there are: whether each is on line, which version it runs, and how far its update is. One of them is chosen.

import { byId, el, keyed, setText } from "./dom.js";
import { choose, keyOf, on, property, state } from "./state.js";

export function devices() {
  on(["devices"], show);
  show();
}

function show() {
  const list = [...state.devices.values()];
  byId("no-devices").hidden = list.length > 0 || state.link !== "live";
  keyed(byId("devices"), list, keyOf, make, update);
}

function make(device) {
  const key = keyOf(device);
  return el("li", {},
    el("button", { type: "button", class: "device", click: () => choose(key) },
      el("span", { class: "dot", "aria-hidden": "true" }),
      el("span", { class: "names" }, el("b", {}, device.device_name), el("small", {}, device.product_key)),
      el("span", { class: "version" }),
      el("span", { class: "state" }),
      el("progress", { max: 100, value: 0, "aria-label": "progress of the update" })));
}

function update(row, device) {
  const button = row.firstElementChild;
  const phase = property(device, "ota_status");
  const updates = device.online && typeof phase === "string" && phase !== "idle";
  const word = device.enabled ? (device.online ? "on line" : "off line") : "shut out";
  button.dataset.online = device.online;
  button.setAttribute("aria-pressed", String(keyOf(device) === state.chosen));
  setText(button.querySelector(".version"), device.versions.default ?? "no version told");
  setText(button.querySelector(".state"), updates ? `${word} · ${phase} ${progressOf(device)} %` : word);
  const bar = button.querySelector("progress");
  bar.hidden = !updates;
  bar.value = progressOf(device);
}

/** The progress it tells of itself. */
function progressOf(device) {
  const told = Number(property(device, "ota_progress") ?? 0);
  return Number.isFinite(told) ? Math.min(100, Math.max(0, told)) : 0;
}

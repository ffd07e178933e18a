// The devices there are: whether each is on line, which version it runs, and how far its update is. One of them is chosen.

import { byId, el, keyed, setText } from "./dom.js";
import { choose, chosen, keyOf, on, property, state } from "./state.js";

export function devices() {
  on(["devices"], show);
  show();
}

function show() {
  const list = [...state.devices.values()];
  byId("no-devices").hidden = list.length > 0;
  document.title = title();
  keyed(byId("devices"), list, keyOf, make, update);
}

/** The tab's words: enough to see from another tab that an update runs. */
function title() {
  const device = chosen();
  if (!device) return "Hotplate console";
  return `${device.device_name}: ${words(device)} – Hotplate console`;
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
  button.dataset.online = device.online;
  button.setAttribute("aria-pressed", String(keyOf(device) === state.chosen));
  setText(button.querySelector(".version"), device.versions.default ?? "no version told");
  setText(button.querySelector(".state"), words(device));
  const bar = button.querySelector("progress");
  bar.hidden = !phaseOf(device);
  bar.value = progressOf(device);
}

function words(device) {
  const word = device.enabled ? (device.online ? "on line" : "off line") : "shut out";
  const phase = phaseOf(device);
  return phase ? `${word} · ${phase} ${progressOf(device)} %` : word;
}

/** The phase of its update; none if it is idle, or not there to be asked. */
function phaseOf(device) {
  const phase = property(device, "ota_status");
  return device.online && typeof phase === "string" && phase !== "idle" ? phase : null;
}

/** The progress it tells of itself. */
function progressOf(device) {
  const told = Number(property(device, "ota_progress") ?? 0);
  return Number.isFinite(told) ? Math.min(100, Math.max(0, told)) : 0;
}

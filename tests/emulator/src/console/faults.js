// Faults: choosing one, with what its number means, and those that were switched on, with how often each has struck.

import { ask, pathOf, say } from "./api.js";
import { byId, el, keyed, setText } from "./dom.js";
import { chosen, on, state } from "./state.js";

let kinds = [];

export async function faults() {
  const form = byId("fault-form");
  const name = byId("fault-name");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    say(byId("fault-reply"), switchOn, [...form.querySelectorAll("button")]);
  });
  name.addEventListener("change", about);
  once("drop", "the connection was cut");
  once("kick", "a twin logged in and is gone again");
  on(["faults"], show);
  show();
  kinds = await ask("GET", "/api/faults/kinds").catch(() => []);
  const places = [...new Set(kinds.map((kind) => kind.place))];
  name.replaceChildren(...places.map((place) =>
    el("optgroup", { label: place }, ...kinds.filter((kind) => kind.place === place).map((kind) => el("option", {}, kind.name)))));
  about();
}

/** What the chosen fault does, and only those fields that mean something to it. */
function about() {
  const kind = kinds.find((kind) => kind.name === byId("fault-name").value);
  const words = kind ? `${kind.about[0].toUpperCase()}${kind.about.slice(1)}.` : "";
  setText(byId("fault-about"), words);
  byId("fault-n-field").hidden = !kind?.n;
  byId("fault-to-field").hidden = !kind?.to;
  const hints = [kind?.n && `Number: ${kind.n}.`, kind?.to && `Leads to: ${kind.to}.`, "Strikes: after how many it is over. Chance: of each occasion, 0 to 1."];
  setText(byId("fault-n-hint"), hints.filter(Boolean).join(" "));
}

async function switchOn() {
  const fault = { name: byId("fault-name").value };
  const number = (id, field) => {
    const input = byId(id);
    if (!input.closest("[hidden]") && input.value !== "") fault[field] = input.valueAsNumber;
  };
  number("fault-n", "n");
  number("fault-count", "count");
  number("fault-chance", "chance");
  number("fault-seed", "seed");
  const to = byId("fault-to");
  if (!to.closest("[hidden]") && to.value.trim() !== "") fault.to = to.value.trim();
  await ask("POST", "/api/faults", fault);
  return `${fault.name} is on`;
}

/** What happens a single time, to the chosen device. */
function once(what, done) {
  byId(what).addEventListener("click", () => say(byId("fault-reply"), async () => {
    const device = chosen();
    if (!device) throw new Error("no device is chosen");
    const { was_online } = await ask("POST", `${pathOf(device)}/${what}`);
    if (!was_online) throw new Error("it is not connected");
    return `${device.device_name}: ${done}`;
  }, [byId(what)]));
}

function show() {
  byId("no-faults").hidden = state.faults.length > 0;
  keyed(byId("faults"), state.faults, (fault) => fault.name, make, update);
}

function make({ name }) {
  const turn = () => say(byId("fault-reply"), async () => {
    const fault = state.faults.find((fault) => fault.name === name);
    if (fault.set) await ask("DELETE", `/api/faults/${encodeURIComponent(name)}`);
    else await ask("POST", "/api/faults", settings(fault));
    return `${name} is ${fault.set ? "off" : "on"}`;
  });
  return el("li", { class: "fault" },
    el("span", { class: "lamp", "aria-hidden": "true" }),
    el("span", { class: "what" }, el("b", {}, name), el("small", {})),
    el("span", { class: "struck" }),
    el("button", { type: "button", click: turn }));
}

/** How a fault is set, without what came of it. */
function settings({ set, struck, ...fault }) {
  return Object.fromEntries(Object.entries(fault).filter(([, value]) => value !== null));
}

function update(row, fault) {
  row.dataset.set = fault.set;
  const words = [
    fault.n !== null && `number ${fault.n.toLocaleString()}`,
    fault.to !== null && `to ${fault.to}`,
    fault.count !== null && `${fault.count} ${fault.count === 1 ? "strike" : "strikes"}`,
    fault.chance !== 1 && `chance ${fault.chance}`,
    fault.seed !== 0 && `seed ${fault.seed}`,
  ].filter(Boolean);
  setText(row.querySelector("small"), words.join(" · ") || "at every occasion");
  setText(row.querySelector(".struck"), `struck ${fault.struck.toLocaleString()}×`);
  const button = row.querySelector("button");
  setText(button, fault.set ? "Switch off" : "Switch on");
  button.setAttribute("aria-label", `Switch ${fault.name} ${fault.set ? "off" : "on"}`);
}

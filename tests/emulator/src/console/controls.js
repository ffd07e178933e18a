// What one can tell the chosen device: the oven's own controls, and any property or service by name.

import { answered, ask, pathOf, say } from "./api.js";
import { byId, el, keyed, setText, shown } from "./dom.js";
import { isOn } from "./oven.js";
import { chosen, on, property } from "./state.js";

export function controls() {
  const reply = byId("oven-reply");
  const buttons = [...byId("controls").querySelectorAll("button")];
  const oven = (work) => say(reply, work, buttons);
  submitted("target-form", () => oven(() => set({ target_temperature: byId("target-input").valueAsNumber })));
  pressed("target-off", () => oven(() => set({ target_temperature: 0 })));
  submitted("timer-form", () => oven(() => call("start_timer", { time: byId("timer-input").valueAsNumber })));
  pressed("timer-stop", () => oven(() => set({ timer_setting: 0 })));
  pressed("door", () => oven(() => call("toggle_door", {})));
  pressed("light", () => oven(() => set({ internal_light: isOn(property(chosen(), "internal_light")) ? 0 : 1 })));

  const any = byId("any-reply");
  submitted("set-form", () => say(any, () => set({ [byId("set-name").value]: json("set-value") })));
  submitted("call-form", () => say(any, () => call(byId("call-name").value, json("call-value"))));
  on(["chosen", "devices"], show);
}

/** Sets properties; the words are the device's. */
async function set(values) {
  const done = Object.entries(values).map(([name, value]) => `${name} is set to ${shown(value)}`).join(", ");
  return answered(await ask("POST", `${pathOf(device())}/properties`, values), done);
}

async function call(service, args) {
  return answered(await ask("POST", `${pathOf(device())}/services/${encodeURIComponent(service)}`, args), `${service} is done`);
}

function device() {
  const device = chosen();
  if (!device) throw new Error("no device is chosen");
  return device;
}

function json(id) {
  const text = byId(id).value.trim();
  try {
    return JSON.parse(text === "" ? "{}" : text);
  } catch (error) {
    throw new Error(`that is no JSON: ${error.message}`);
  }
}

function submitted(id, work) {
  byId(id).addEventListener("submit", (event) => {
    event.preventDefault();
    work();
  });
}

function pressed(id, work) {
  byId(id).addEventListener("click", work);
}

function show() {
  const value = (name) => isOn(property(chosen(), name));
  setText(byId("door"), value("door_status") ? "Close the door" : "Open the door");
  setText(byId("light"), value("internal_light") ? "Switch the light off" : "Switch the light on");
  const names = Object.keys(chosen()?.properties ?? {});
  keyed(byId("posted"), names, (name) => name, (name) => el("option", { value: name }), () => {});
}

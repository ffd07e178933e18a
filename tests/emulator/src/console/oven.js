// The oven, drawn as it is: temperature, glow, lamp, fan, door, knobs. It shows what was told and assumes nothing.

import { byId, el, keyed, setText, shown, time } from "./dom.js";
import { chosen, on, property } from "./state.js";

/** How hot the glow is at its brightest, in °C, and what a room has. */
const HOT = 240;
const ROOM = 25;
/** Both knobs turn from half past seven to half past four. */
const TURN = 270;
const HIGHEST = 300;
const LONGEST = 60;

/** The device's own words for what it does, in the reader's language. */
const MODES = {
  "待机": "standing by",
  "预热中": "preheating",
  "加热中": "heating",
  "保温中": "keeping warm",
  "定时加热中": "heating on the timer",
  "冷却中": "cooling down",
  "暂停（门开）": "waiting, the door is open",
  "定时结束": "off, the timer has ended",
  "安全停机": "shut down for safety",
};

export function oven() {
  on(["chosen", "devices"], show);
  show();
}

/** A switch, which the platform writes as 0 or 1. */
export const isOn = (value) => value === true || value === 1;

function show() {
  const device = chosen();
  const value = (name) => property(device, name);
  const chamber = value("current_temperature");
  const there = typeof chamber === "number";
  byId("oven").hidden = !there;
  byId("no-oven").hidden = there;
  setText(byId("no-oven"), device ? "The chosen device has not told a temperature yet." : "There is no device to show yet.");
  byId("any").hidden = !device;
  properties(device);
  if (!there) return;
  const target = Number(value("target_temperature") ?? 0);
  const left = Number(value("remaining_time") ?? 0);
  const picture = byId("oven-picture");
  const mark = (name, on) => picture.classList.toggle(name, on);
  mark("heating", isOn(value("heater_status")));
  mark("fanning", isOn(value("fan_status")));
  mark("lit", isOn(value("internal_light")));
  mark("opened", isOn(value("door_status")));
  mark("away", !device.online);
  const warmth = Math.min(1, Math.max(0, (chamber - ROOM) / (HOT - ROOM)));
  byId("cavity-glow").style.opacity = String(0.08 + 0.92 * warmth);
  setText(byId("digits"), chamber.toFixed(chamber < 100 ? 1 : 0));
  setText(byId("target-label"), target > 0 ? `${round(target)} °C` : "off");
  setText(byId("timer-label"), left > 0 ? `${left} min` : "no timer");
  turn("target-knob", target / HIGHEST);
  turn("timer-knob", left / LONGEST);
  setText(byId("oven-words"), words(device, chamber, target, left));
}

function turn(knob, part) {
  byId(knob).setAttribute("transform", `rotate(${Math.min(1, Math.max(0, part)) * TURN - TURN / 2})`);
}

const round = (value) => Math.round(value * 10) / 10;

function words(device, chamber, target, left) {
  const mode = property(device, "operation_mode");
  const doing = MODES[mode] ?? mode ?? "no word on what it does";
  const power = property(device, "power_consumption");
  return [
    doing[0].toUpperCase() + doing.slice(1),
    target > 0 ? `${round(chamber)} of ${round(target)} °C` : `${round(chamber)} °C`,
    left > 0 ? `${left} min left` : null,
    typeof power === "number" ? `${Math.round(power)} W` : null,
    device.online ? null : "off line",
  ].filter(Boolean).join(" · ");
}

function properties(device) {
  const told = Object.entries(device?.properties ?? {});
  byId("all").hidden = told.length === 0;
  setText(byId("property-count"), String(told.length));
  keyed(byId("properties"), told, ([name]) => name,
    ([name]) => el("div", {}, el("dt", {}, name), el("dd", {})),
    (row, [, { value, time: at }]) => {
      setText(row.lastElementChild, shown(value));
      row.title = `told at ${time(at)}`;
    });
}

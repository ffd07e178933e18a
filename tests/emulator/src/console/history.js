// What one device has told over time, taken from the journal: the series that the curves are drawn from.
//
// It goes back as far as the emulator's journal does, at most half an hour and a bounded number of points.

import { Spans } from "./spans.js";

/** How far it goes back, in ms, and how many points of one series it has at most. */
export const KEPT = 30 * 60_000;
const POINTS = 6000;

export class History {
  constructor() {
    this.chamber = [];
    this.target = [];
    this.progress = [];
    this.heater = new Spans();
    this.phase = new Spans();
    this.version = new Spans();
    this.offline = new Spans();
    this.marks = [];
    this.outcomes = [];
  }

  /** One entry of the journal. */
  entry(entry) {
    switch (entry.kind) {
      case "connect":
        this.offline.say(entry.time, null);
        break;
      case "disconnect":
      case "kick":
        this.offline.say(entry.time, "offline");
        break;
      case "mark":
        this.marks.push({ at: entry.at, text: entry.text });
        break;
      case "in":
        this.message(entry);
        break;
    }
    this.forget(entry.time - KEPT);
  }

  message(entry) {
    const { topic } = entry;
    if (topic.endsWith("/thing/event/property/post")) {
      for (const [name, value] of Object.entries(params(entry))) {
        const dated = value !== null && typeof value === "object" && "value" in value;
        this.property(name, dated ? value.value : value, dated ? (value.time ?? entry.time) : entry.time);
      }
    } else if (topic.startsWith("/ota/device/inform/")) {
      const { module, version } = params(entry);
      if (typeof version === "string" && (!module || module === "default")) this.version.say(entry.time, version);
    } else if (topic.startsWith("/ota/device/progress/")) {
      const step = Number(params(entry).step);
      if (step >= 0) add(this.progress, entry.time, step);
    }
  }

  /** A property, as it became at a time. */
  property(name, value, at) {
    if (name === "current_temperature" && typeof value === "number") add(this.chamber, at, value);
    if (name === "target_temperature" && typeof value === "number") add(this.target, at, value);
    if (name === "heater_status") this.heater.say(at, value === true || value === 1 ? "on" : null);
    if (name === "ota_status") this.phase.say(at, value === "idle" ? null : String(value));
  }

  /** The platform's view of the device: its tasks, and what was last told when the journal no longer has it. */
  device(device) {
    this.outcomes = device.tasks.flatMap((task) =>
      task.history
        .filter((turn) => ["SUCCEEDED", "FAILED", "CANCELED"].includes(turn.state))
        .map((turn) => ({ at: turn.time, version: task.target, state: turn.state })),
    );
    for (const [name, { value, time }] of Object.entries(device.properties)) this.property(name, value, time);
    const version = device.versions.default;
    if (version && this.version.list.length === 0) this.version.say(0, version);
  }

  /** When the first temperature was told. */
  begin() {
    return this.chamber[0]?.at ?? null;
  }

  forget(before) {
    for (const series of [this.chamber, this.target, this.progress]) {
      while (series.length > POINTS || (series.length > 1 && series[1].at < before)) series.shift();
    }
    while (this.marks.length > 0 && this.marks[0].at < before) this.marks.shift();
    for (const spans of [this.heater, this.phase, this.version, this.offline]) spans.forget(before);
  }
}

/** Adds a point unless it is older than the newest, as the same value heard on another way is. */
function add(series, at, value) {
  if (series.length === 0 || series.at(-1).at < at) series.push({ at, value });
}

/** The last point at or before a time. */
export function valueAt(series, time) {
  let found = null;
  for (const point of series) {
    if (point.at > time) break;
    found = point.value;
  }
  return found;
}

function params(entry) {
  try {
    return JSON.parse(entry.payload.text).params ?? {};
  } catch {
    return {};
  }
}

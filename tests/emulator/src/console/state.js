// What the page knows, and telling those parts of it that show it. Everything in here is bounded.

import { History } from "./history.js";

/** Entries the page keeps; the oldest go first. */
export const KEPT_ENTRIES = 4000;

export const state = {
  /** `connecting`, `live` or `lost`. */
  link: "connecting",
  /** Why it is lost, in the emulator's words if it had any. */
  why: "",
  /** When the emulator was last heard, by this machine's clock. */
  heard: Date.now(),
  /** The emulator's clock minus ours, in ms. */
  offset: 0,
  /** What the emulator's own journal holds at most. */
  capacity: null,
  devices: new Map(),
  histories: new Map(),
  chosen: null,
  entries: [],
  /** Entries that the emulator had forgotten before they came here. */
  missed: 0,
  firmware: [],
  faults: [],
};

const listeners = new Map();
const waiting = new Set();

/** Calls `show` soon after something it shows has changed, and at most 20 times a second. */
export function on(topics, show) {
  for (const topic of topics) {
    if (!listeners.has(topic)) listeners.set(topic, []);
    listeners.get(topic).push(show);
  }
}

export function tell(topic) {
  if (waiting.size === 0) setTimeout(flush, 50);
  waiting.add(topic);
}

function flush() {
  const shows = new Set([...waiting].flatMap((topic) => listeners.get(topic) ?? []));
  waiting.clear();
  for (const show of shows) show();
}

/** The emulator's time; it stands still while there is no connection. */
export const now = () => (state.link === "lost" ? state.heard : Date.now()) + state.offset;

export const keyOf = (device) => `${device.product_key}/${device.device_name}`;

export const chosen = () => state.devices.get(state.chosen);

export function choose(key) {
  state.chosen = key;
  for (const topic of ["chosen", "devices", "history"]) tell(topic);
}

/** A value of a property that the device has posted. */
export const property = (device, name) => device?.properties[name]?.value;

export function historyOf(key) {
  if (!state.histories.has(key)) state.histories.set(key, new History());
  return state.histories.get(key);
}

/** The events of the stream, by name. */
export const hearing = {
  hello(hello) {
    state.offset = hello.now - Date.now();
    state.capacity = hello.journal.capacity;
    if (!hello.resumed) {
      // Another life of the emulator, or none of ours so far: what was known of the former one is no longer true.
      state.devices.clear();
      state.histories.clear();
      state.entries = [];
      state.missed = 0;
      for (const topic of ["devices", "chosen", "history", "entries", "missed"]) tell(topic);
    }
  },
  entries(entries) {
    state.entries.push(...entries);
    if (state.entries.length > KEPT_ENTRIES) state.entries.splice(0, state.entries.length - KEPT_ENTRIES);
    for (const entry of entries) if (entry.device) historyOf(keyOf(entry.device)).entry(entry);
    tell("entries");
    tell("history");
  },
  missed({ entries }) {
    state.missed += entries;
    tell("missed");
  },
  device(device) {
    const key = keyOf(device);
    state.devices.set(key, device);
    historyOf(key).device(device);
    if (!state.devices.has(state.chosen)) choose(key);
    for (const topic of ["devices", "chosen", "history"]) tell(topic);
  },
  firmware(list) {
    state.firmware = list;
    tell("firmware");
  },
  faults(list) {
    state.faults = list;
    tell("faults");
  },
  beat(beat) {
    state.offset = beat.now - Date.now();
  },
};

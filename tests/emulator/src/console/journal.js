// The message journal, newest first: what went over the wire, filtered, and held still when one wants to read.

import { byId, bytes, el, keyed, setText, time } from "./dom.js";
import { KEPT_ENTRIES, keyOf, on, state } from "./state.js";

/** Rows shown at once. */
const ROWS = 200;
const KINDS = {
  messages: ["in", "out", "undelivered"],
  in: ["in"],
  out: ["out", "undelivered"],
  files: ["request", "sent", "minisig"],
  strike: ["strike"],
  other: ["connect", "refuse", "register", "kick", "disconnect", "subscribe", "unsubscribe", "mark", "note"],
};
const SIGNS = { in: "↑", out: "↓", undelivered: "⤓", request: "⇣", sent: "⇣", minisig: "⇣", strike: "ϟ" };

/** What was there when the reader asked for stillness; null while it goes on. */
let held = null;

export function journal() {
  for (const id of ["by-device", "by-kind", "by-topic", "by-text"]) byId(id).addEventListener("input", show);
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("pause").addEventListener("click", () => {
    held = held ? null : [...state.entries];
    show();
  });
  on(["entries", "missed", "link"], show);
  on(["devices"], names);
  show();
}

function names() {
  const list = byId("by-device");
  const keys = ["", ...state.devices.keys()];
  keyed(list, keys, (key) => key, (key) => el("option", { value: key }, key), (row, key) => {
    if (key === "") setText(row, "all");
  });
}

function show() {
  const wanted = filter();
  const entries = held ?? state.entries;
  const rows = [];
  for (let at = entries.length - 1; at >= 0 && rows.length < ROWS; at -= 1) {
    if (wanted(entries[at])) rows.push(entries[at]);
  }
  keyed(byId("journal"), rows, (entry) => entry.seq, make, () => {});
  byId("no-entries").hidden = rows.length > 0;
  setText(byId("no-entries"), entries.length > 0 ? "Nothing of what is kept fits these filters." : "Nothing was said yet.");
  const pause = byId("pause");
  const fresh = held ? state.entries.filter((entry) => entry.seq > (held.at(-1)?.seq ?? 0)).length : 0;
  pause.setAttribute("aria-pressed", String(held !== null));
  setText(pause, held ? `Go on (${fresh} new)` : "Pause");
  const kept = state.capacity ? `, the emulator its newest ${state.capacity.toLocaleString("en")}` : "";
  const missed = state.missed > 0 ? ` ${state.missed.toLocaleString("en")} were forgotten before they came here.` : "";
  setText(byId("journal-bound"),
    `Newest first, ${ROWS} rows at most. This page keeps the newest ${KEPT_ENTRIES.toLocaleString("en")} entries${kept}.${missed}`);
}

function filter() {
  const device = byId("by-device").value;
  const kinds = KINDS[byId("by-kind").value];
  const topic = byId("by-topic").value.trim();
  const text = byId("by-text").value.trim().toLowerCase();
  const fits = topic.includes("+") || topic.includes("#") ? pattern(topic) : (given) => given.includes(topic);
  return (entry) =>
    (!device || (entry.device && keyOf(entry.device) === device)) &&
    (!kinds || kinds.includes(entry.kind)) &&
    (!topic || fits(entry.topic ?? entry.filter ?? entry.path ?? "")) &&
    (!text || `${subject(entry)} ${entry.payload?.text ?? ""} ${words(entry)}`.toLowerCase().includes(text));
}

/** MQTT's way to say which topics: `+` is any one level, `#` at the end all that follow. */
function pattern(topic) {
  const levels = topic.split("/");
  return (given) => {
    const have = given.split("/");
    for (const [at, level] of levels.entries()) {
      if (level === "#") return true;
      if (level !== "+" && level !== have[at]) return false;
      if (have[at] === undefined) return false;
    }
    return have.length === levels.length;
  };
}

function make(entry) {
  const row = el("details", {},
    el("summary", {},
      el("time", {}, time(entry.time)),
      el("span", { class: "sign", title: entry.kind }, SIGNS[entry.kind] ?? "·"),
      el("span", { class: "who" }, entry.device?.device_name ?? ""),
      el("span", { class: "subject", title: subject(entry) }, brief(entry)),
      el("span", { class: "words" }, words(entry).slice(0, 300))));
  // The whole of it is written only for those who look.
  row.addEventListener("toggle", () => {
    if (row.open && row.childElementCount === 1) row.append(el("pre", { tabindex: 0, "aria-label": "the whole entry" }, whole(entry)));
  });
  return el("li", { class: "entry", "data-kind": entry.kind }, row);
}

/** Topic, path or kind: what it is about. */
const subject = (entry) => entry.topic ?? entry.path ?? entry.filter ?? entry.fault ?? entry.kind;

/** The same without the device's names, which stand beside it. */
function brief(entry) {
  const { product_key, device_name } = entry.device ?? {};
  return subject(entry).replace(`/${product_key}/${device_name}`, "/…");
}

/** What was worked out for each entry, for as long as it is kept. */
const known = new WeakMap();

function words(entry) {
  if (!known.has(entry)) known.set(entry, worked(entry));
  return known.get(entry);
}

/** What it says, on one line. */
function worked(entry) {
  switch (entry.kind) {
    case "in":
    case "out":
      return entry.payload.text === undefined ? `${bytes(entry.bytes)} that are no text` : inner(entry.payload.text);
    case "undelivered":
      return `not delivered: ${entry.reason}`;
    case "connect":
      return `connection ${entry.connection}${entry.tls ? " over TLS" : ""}, keepalive ${entry.keepalive} s, ${entry.client_id}`;
    case "disconnect":
      return `connection ${entry.connection}: ${entry.reason}`;
    case "request":
    case "minisig":
      return `${entry.kind === "minisig" ? "signature" : "file"} asked for${entry.range ? `, ${entry.range}` : ""}: status ${entry.status}`;
    case "sent":
      return `${bytes(entry.bytes)} sent, ${entry.whole ? "all of it" : "broken off"}`;
    case "subscribe":
      return entry.granted ? "subscribed" : "refused";
    case "strike":
      return "this fault struck";
    default:
      return entry.text ?? entry.reason ?? entry.how ?? "";
  }
}

/** What is inside of the platform's envelope: the parameters of a request, the code and the data of an answer. */
function inner(text) {
  try {
    const { params, code, message, data } = JSON.parse(text);
    if (params !== undefined) return JSON.stringify(params, undated);
    if (code === undefined) return data === undefined ? text : JSON.stringify(data);
    const rest = data && Object.keys(data).length > 0 ? JSON.stringify(data) : "";
    return [code, message, rest].filter(Boolean).join(" ");
  } catch {
    return text;
  }
}

/** A dated value without its date, which the row has beside it or the whole entry tells. */
function undated(name, value) {
  const dated = value && typeof value === "object" && "value" in value && "time" in value && Object.keys(value).length === 2;
  return dated ? value.value : value;
}

function whole(entry) {
  const text = entry.payload?.text;
  if (text === undefined) return JSON.stringify(entry, null, 2);
  let payload = text;
  try {
    payload = JSON.parse(text);
  } catch {
    // It is shown as it came.
  }
  return JSON.stringify({ ...entry, payload }, null, 2);
}

// Updates of the chosen device: starting one with a package that is there, watching its steps, cancelling it.

import { ask, say } from "./api.js";
import { byId, bytes, el, keyed, setText, time } from "./dom.js";
import { chosen, on, state } from "./state.js";

const STATES = {
  QUEUED: "waits for the device",
  NOTIFIED: "offered",
  IN_PROGRESS: "in progress",
  SUCCEEDED: "succeeded",
  FAILED: "failed",
  CANCELED: "cancelled",
};
const ENDED = ["SUCCEEDED", "FAILED", "CANCELED"];

export async function updates() {
  byId("job-form").addEventListener("submit", (event) => {
    event.preventDefault();
    say(byId("job-reply"), start, [...byId("job-form").querySelectorAll("button")]);
  });
  on(["firmware"], packages);
  on(["chosen", "devices"], tasks);
  packages();
  tasks();
  // An emulator without TLS cannot serve files over HTTPS.
  const index = await ask("GET", "/api").catch(() => ({}));
  if (!index.firmware_tls) {
    byId("job-transport").querySelector("[value=https]").disabled = true;
    byId("job-transport").value = "http";
  }
}

async function start() {
  const device = chosen();
  if (!device) throw new Error("no device is chosen");
  const { product_key, device_name } = device;
  const job = await ask("POST", "/api/jobs", {
    firmware: Number(byId("job-package").value),
    devices: [{ product_key, device_name }],
    transport: byId("job-transport").value,
  });
  const left = Object.values(job.excluded);
  if (left.length > 0) throw new Error(`no update was started: ${left.join(", ")}`);
  const [task] = job.tasks;
  if (task.state === "FAILED") throw new Error(`the update ended at once: ${task.reason}`);
  return `job ${job.id} brings ${task.target}`;
}

function packages() {
  const list = byId("job-package");
  const newest = [...state.firmware].reverse();
  const had = list.value;
  keyed(list, newest, (firmware) => firmware.id, (firmware) => el("option", { value: firmware.id }, words(firmware)), () => {});
  if (list.dataset.newest !== String(newest[0]?.id)) {
    list.dataset.newest = newest[0]?.id;
    list.selectedIndex = newest.length > 0 ? 0 : -1;
  } else list.value = had;
  list.disabled = newest.length === 0;
  byId("no-packages").hidden = newest.length > 0;
  byId("job-form").querySelector("button").disabled = newest.length === 0;
}

/** A package in one line: its version, its first file, its size. */
function words(firmware) {
  const [first] = firmware.files;
  const size = firmware.files.reduce((sum, file) => sum + file.size, 0);
  const module = firmware.module === "default" ? "" : ` for ${firmware.module}`;
  const signed = firmware.files.some((file) => file.minisig) ? ", signed" : "";
  return `${firmware.version}${module} – ${first?.name ?? "no file"}, ${bytes(size)}${signed}`;
}

function tasks() {
  const list = [...(chosen()?.tasks ?? [])].reverse();
  byId("no-tasks").hidden = list.length > 0 || !chosen();
  keyed(byId("tasks"), list, (task) => task.job, make, update);
}

function make(task) {
  const cancel = () => say(byId("job-reply"), async () => {
    await ask("POST", `/api/jobs/${task.job}/cancel`);
    return `job ${task.job} is cancelled; the platform does not tell the device`;
  });
  return el("li", { class: "task" },
    el("span", { class: "versions" }),
    el("span", { class: "badge" }),
    el("progress", { max: 100, value: 0, "aria-label": "progress" }),
    el("p", { class: "why" }),
    el("small", { class: "times" }),
    el("button", { type: "button", class: "quiet", click: cancel }, "Cancel"));
}

function update(row, task) {
  const part = (name) => row.querySelector(name);
  const step = Math.max(0, task.step ?? 0);
  const ended = ENDED.includes(task.state);
  row.dataset.state = task.state;
  setText(part(".versions"), `${task.source ?? "unknown"} → ${task.target}`);
  setText(part(".badge"), STATES[task.state] ?? task.state);
  const bar = part("progress");
  bar.hidden = ended;
  bar.value = step;
  const told = task.description ? `${task.step ?? 0} %: ${task.description}` : "";
  setText(part(".why"), task.reason ?? (ended ? task.description : told));
  const turns = task.history.filter((turn) => turn.state !== "NOTIFIED");
  const seconds = (turns.at(-1).time - turns[0].time) / 1000;
  const took = ended ? ` – ${time(turns.at(-1).time)}, ${seconds.toFixed(1)} s` : "";
  setText(part(".times"), `job ${task.job} · ${time(turns[0].time)}${took}`);
  part("button").hidden = ended;
}

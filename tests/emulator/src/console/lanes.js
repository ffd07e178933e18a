// The lanes under the curve, on the same time axis: the heater, the phases of an update with its progress, the version.

import { svg } from "./dom.js";

const PHASES = ["downloading", "verifying", "updating", "restarting", "failed"];

/** Draws the three lanes below `top` and returns where they end. */
export function lanes(history, axis, top) {
  const group = svg("g", { class: "lanes" });
  let y = top;
  const lane = (name, height) => {
    const at = y;
    group.append(
      svg("rect", { class: "lane", x: axis.left, y: at, width: axis.right - axis.left, height, rx: 4 }),
      svg("text", { class: "lane-name", x: axis.left - 10, y: at + height / 2 + 4 }, name),
    );
    y += height + 8;
    return at;
  };
  const heater = lane("heater", 10);
  for (const span of history.heater.within(axis.from, axis.now)) {
    group.append(block(axis, span, heater, 10, "heating", "the heater is on"));
  }
  const update = lane("update", 26);
  for (const span of history.phase.within(axis.from, axis.now)) {
    const kind = PHASES.includes(span.value) ? span.value : "other";
    group.append(block(axis, span, update, 26, `phase ${kind}`, span.value));
    group.append(label(axis, span, update + 17, span.value));
  }
  group.append(progress(history, axis, update, 26));
  const version = lane("version", 26);
  for (const span of history.version.within(axis.from, axis.now)) {
    group.append(block(axis, span, version, 26, span.number % 2 === 0 ? "version even" : "version", `version ${span.value}`));
    group.append(label(axis, span, version + 17, span.value));
  }
  return { group, bottom: y - 8, update, version: version + 26 };
}

function block(axis, span, y, height, kind, words) {
  const x = axis.x(span.from);
  // However short a phase was, it was there.
  const width = Math.max(2, axis.x(span.to) - x);
  return svg("rect", { class: kind, x, y, width, height, rx: Math.min(4, width / 2) }, svg("title", {}, words));
}

/** The words inside a block, if they fit. */
function label(axis, span, y, words) {
  const from = axis.x(span.from);
  const fits = axis.x(span.to) - from >= words.length * 7 + 12;
  return fits ? svg("text", { class: "block-name", x: from + 7, y }, words) : "";
}

/** The progress that was told, as a line along the lane's bottom. */
function progress(history, axis, y, height) {
  let path = "";
  let last = null;
  for (const point of history.progress) {
    if (point.at < axis.from) continue;
    const rises = last !== null && point.value >= last.value && point.at - last.at < 60_000;
    path += `${rises ? "L" : "M"}${axis.x(point.at).toFixed(1)} ${(y + height - (point.value / 100) * height).toFixed(1)}`;
    last = point;
  }
  return svg("path", { class: "progress", d: path });
}

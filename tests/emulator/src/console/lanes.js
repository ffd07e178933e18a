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
    if (kind === "downloading") group.append(progress(history, axis, span, update, 26));
    group.append(label(axis, span, update + 17, span.value));
  }
  const version = lane("version", 26);
  for (const span of history.version.within(axis.from, axis.now)) {
    group.append(block(axis, span, version, 26, span.number % 2 === 0 ? "version even" : "version", `version ${span.value}`));
    group.append(label(axis, span, version + 17, span.value));
  }
  return { group, bottom: y - 8, update: update + 26 };
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

/** How much of a download was told to be there, as the block filling up. */
function progress(history, axis, span, y, height) {
  const told = history.progress.filter((point) => point.at >= span.from && point.at <= span.to);
  if (told.length === 0) return "";
  const floor = y + height;
  const points = told.map((point) => `L${axis.x(point.at).toFixed(1)} ${(floor - (point.value / 100) * height).toFixed(1)}`);
  return svg("path", { class: "done", d: `M${axis.x(span.from).toFixed(1)} ${floor}${points.join("")}V${floor}Z` });
}

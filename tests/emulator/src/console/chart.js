// The curves: chamber and target over the last minutes, with the lanes of the update beneath and a flag for what happened once.
//
// Drawn anew in whole, at most four times a second and only when there is something new: a few hundred points are no effort.

import { lanes } from "./lanes.js";
import { temperatureScale, ticks, timeAxis } from "./axis.js";
import { byId, el, svg, time } from "./dom.js";
import { valueAt } from "./history.js";
import { chosen, historyOf, now, on, state } from "./state.js";

const SPANS = [2, 5, 15, 30];
/** The least that is shown, so that the first seconds do not race across; and what is left free before the first of them. */
const SHORTEST = 60_000;
const EDGE = 1500;
/** A row of flags, in pixels, how many there are, and how wide a letter is at most, more or less. */
const FLAG = 16;
const FLAG_ROWS = 3;
const LETTER = 7;

let minutes = 5;
/** Where the reader points at, as a time; null when they do not. */
let cursor = null;
let drawn = null;

export function chart() {
  const place = byId("spans");
  for (const span of SPANS) {
    const input = el("input", { type: "radio", name: "span", value: span, change: () => show(span) });
    input.checked = span === minutes;
    place.append(el("label", {}, input, el("span", {}, `${span} min`)));
  }
  const box = byId("chart");
  box.addEventListener("pointermove", (event) => point(drawn && Math.min(drawn.time(event.offsetX), drawn.now)));
  box.addEventListener("pointerleave", () => point(null));
  box.addEventListener("keydown", keys);
  box.addEventListener("blur", () => point(null));
  new ResizeObserver(draw).observe(box);
  on(["history", "chosen", "link"], draw);
  setInterval(() => state.link === "live" && draw(), 1000);
}

function show(span) {
  minutes = span;
  draw();
}

function point(at) {
  cursor = at ?? null;
  draw();
}

function keys(event) {
  const step = drawn ? (drawn.to - drawn.from) / 100 : 0;
  const moves = { ArrowLeft: -step, ArrowRight: step };
  if (event.key === "Escape") point(null);
  else if (event.key in moves) {
    const at = (cursor ?? drawn.now) + moves[event.key];
    point(at >= drawn.now ? null : Math.max(at, drawn.from));
    event.preventDefault();
  }
}

function draw() {
  const picture = byId("chart-picture");
  const width = Math.round(byId("chart").clientWidth);
  if (width < 60) return;
  const history = historyOf(state.chosen ?? "");
  const here = now();
  const begin = (history.begin() ?? here) - EDGE;
  const from = Math.max(here - minutes * 60_000, begin);
  const narrow = width < 560;
  const axis = timeAxis(from, Math.max(here, from + SHORTEST), here, narrow ? 52 : 62, width - 14);
  const flags = flagged(history, axis);
  const top = 8 + flags.rows * FLAG;
  const bottom = top + (narrow ? 170 : 250);
  const target = valueAt(history.target, here) ?? 0;
  const visible = history.chamber.filter((dot) => dot.at >= axis.from).map((dot) => dot.value);
  const scale = temperatureScale(Math.max(target, ...visible), top, bottom);
  const below = lanes(history, axis, bottom + 14);
  const height = below.bottom + 26;
  picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
  picture.setAttribute("height", height);
  picture.setAttribute("width", width);
  picture.replaceChildren(
    grid(axis, scale, below.bottom),
    offline(history, axis, top, below.bottom),
    line(history.target, axis, scale, "target", true),
    area(history.chamber, axis, scale),
    line(history.chamber, axis, scale, "chamber", false),
    below.group,
    flags.group(top, below),
    pointer(axis, top, below.bottom),
    ...(history.chamber.length === 0 ? [svg("text", { class: "nothing", x: (axis.left + axis.right) / 2, y: top + (bottom - top) * 0.36 }, "no temperature told yet")] : []),
  );
  drawn = axis;
  read(history, cursor ?? here);
}

function grid(axis, scale, bottom) {
  const group = svg("g", { class: "grid" });
  for (const value of scale.lines) {
    const y = Math.round(scale.y(value)) + 0.5;
    group.append(svg("line", { x1: axis.left, x2: axis.right, y1: y, y2: y }));
    group.append(svg("text", { class: "degrees", x: axis.left - 10, y: y + 4 }, value === scale.most ? `${value} °C` : `${value}`));
  }
  const { step, at } = ticks(axis);
  for (const tick of at) {
    const x = Math.round(axis.x(tick)) + 0.5;
    group.append(svg("line", { class: "tick", x1: x, x2: x, y1: bottom, y2: bottom + 5 }));
    if (x > axis.left + 10 && x < axis.right - 22) group.append(svg("text", { class: "clock", x, y: bottom + 19 }, time(tick, step < 60_000)));
  }
  return group;
}

function offline(history, axis, top, bottom) {
  const group = svg("g");
  for (const span of history.offline.within(axis.from, axis.now)) {
    const x = axis.x(span.from);
    group.append(svg("rect", { class: "offline", x, y: top, width: Math.max(1, axis.x(span.to) - x), height: bottom - top }, svg("title", {}, "the device was not connected")));
  }
  return group;
}

/** Points of a series on the axis, with the one before its beginning, so that the line comes from the edge. */
function dots(series, axis, scale) {
  const first = series.findIndex((dot) => dot.at >= axis.from);
  const from = first < 0 ? Math.max(0, series.length - 1) : Math.max(0, first - 1);
  return series.slice(from).map((dot) => [axis.x(dot.at), scale.y(dot.value)]);
}

function line(series, axis, scale, kind, steps) {
  let path = "";
  for (const [x, y] of dots(series, axis, scale)) {
    if (path === "") path = `M${x.toFixed(1)} ${y.toFixed(1)}`;
    else path += steps ? `H${x.toFixed(1)}V${y.toFixed(1)}` : `L${x.toFixed(1)} ${y.toFixed(1)}`;
  }
  // A target holds until another one is told.
  if (steps && path !== "") path += `H${axis.x(axis.now).toFixed(1)}`;
  return svg("path", { class: `curve ${kind}`, id: `curve-${kind}`, d: path });
}

function area(series, axis, scale) {
  const points = dots(series, axis, scale);
  if (points.length < 2) return svg("g");
  const base = scale.y(0).toFixed(1);
  const middle = points.map(([x, y]) => `L${x.toFixed(1)} ${y.toFixed(1)}`).join("");
  return svg("path", { class: "area", d: `M${points[0][0].toFixed(1)} ${base}${middle}V${base}Z` });
}

/** What happened once: a gap that was measured, an update that ended. Each flag stands in the first row that has room for it. */
function flagged(history, axis) {
  const words = { SUCCEEDED: "✓", FAILED: "✗", CANCELED: "–" };
  const flags = [
    ...history.marks.map((mark) => ({ at: mark.at, text: mark.text, kind: "mark" })),
    ...history.outcomes.map((end) => ({ at: end.at, text: `${words[end.state]} ${end.version}`, kind: end.state.toLowerCase() })),
  ].filter((flag) => flag.at > axis.from && flag.at <= axis.to);
  flags.sort((one, other) => one.at - other.at);
  const ends = [];
  for (const flag of flags) {
    const x = axis.x(flag.at);
    const rooms = [axis.right - x, x - axis.left];
    const wide = Math.min(flag.text.length * LETTER + 14, Math.max(...rooms));
    flag.turned = rooms[0] < wide;
    const fits = Math.floor((wide - 14) / LETTER);
    if (flag.text.length > fits) flag.text = `${flag.text.slice(0, Math.max(0, fits - 1))}…`;
    const from = x - (flag.turned ? wide : 0);
    let row = ends.findIndex((end) => end < from);
    if (row < 0) row = Math.min(ends.length, FLAG_ROWS - 1);
    ends[row] = from + wide;
    flag.row = row;
  }
  const group = (top, below) =>
    svg("g", { class: "flags" }, ...flags.map((flag) => {
      const x = Math.round(axis.x(flag.at)) + 0.5;
      const y = 8 + flag.row * FLAG;
      // What failed or was cancelled left the version as it was.
      const bottom = ["mark", "succeeded"].includes(flag.kind) ? below.bottom : below.update;
      return svg("g", { class: `flag ${flag.kind}` },
        svg("line", { x1: x, x2: x, y1: y, y2: bottom }),
        svg("text", { x: x + (flag.turned ? -5 : 5), y: y + 11, "text-anchor": flag.turned ? "end" : "start" }, flag.text));
    }));
  return { rows: ends.length, group };
}

function pointer(axis, top, bottom) {
  if (cursor === null || cursor < axis.from) return svg("g");
  const x = axis.x(cursor);
  return svg("line", { class: "pointer", x1: x, x2: x, y1: top, y2: bottom });
}

/** The values at one time, in words: those at the pointer, or those of now. */
function read(history, at) {
  const part = (kind, name, text) => el("span", { class: `value ${kind}` }, el("span", { class: "name" }, name), el("b", {}, text));
  const degrees = (value) => (value === null ? "–" : `${value.toFixed(1)} °C`);
  const phase = history.phase.at(at);
  const parts = [
    part("when", cursor === null ? "now" : "at", time(at)),
    part("chamber", "chamber", degrees(valueAt(history.chamber, at))),
    part("target", "target", degrees(valueAt(history.target, at))),
    part("heater", "heater", history.heater.at(at) ?? "off"),
    part("phase", "update", phase ?? "none"),
    part("version", "version", history.version.at(at) ?? "–"),
  ];
  const text = parts.map((node) => node.textContent).join(" ");
  const place = byId("readout");
  if (place.dataset.text !== text) {
    place.dataset.text = text;
    place.replaceChildren(...parts);
  }
  byId("chart-picture").setAttribute("aria-label", `Curves of ${chosen()?.device_name ?? "no device"}: ${text}`);
}

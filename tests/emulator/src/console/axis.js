// The time axis that everything in the chart shares, and the scale of temperatures.

/** Ticks stand this far apart, in ms; the first that leaves room is taken. */
const STEPS = [5, 10, 15, 30, 60, 120, 300, 600].map((seconds) => seconds * 1000);
const ROOM = 74;

/** A stretch of time laid over a stretch of pixels. Nothing is known yet of what lies behind `now`. */
export function timeAxis(from, to, now, left, right) {
  const perMs = (right - left) / (to - from);
  return {
    from,
    to,
    now,
    left,
    right,
    x: (time) => left + (Math.min(Math.max(time, from), to) - from) * perMs,
    time: (x) => from + (Math.min(Math.max(x, left), right) - left) / perMs,
  };
}

/** Round times that fit on the axis, by the clock of the reader. */
export function ticks(axis) {
  const fits = (step) => (axis.right - axis.left) * (step / (axis.to - axis.from)) >= ROOM;
  const step = STEPS.find(fits) ?? STEPS.at(-1);
  const zone = new Date(axis.to).getTimezoneOffset() * 60_000;
  const found = [];
  for (let at = Math.ceil((axis.from - zone) / step) * step + zone; at <= axis.to; at += step) found.push(at);
  return { step, at: found };
}

/** From 0 to a little above the highest value, in steps of 50. */
export function temperatureScale(highest, top, bottom) {
  const most = Math.max(100, Math.ceil((highest * 1.06) / 50) * 50);
  const y = (value) => bottom - (value / most) * (bottom - top);
  const lines = [];
  for (let value = 0; value <= most; value += 50) lines.push(value);
  return { most, y, lines };
}

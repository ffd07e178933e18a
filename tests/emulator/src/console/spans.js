// Values that hold for a while: a heater that is on, a phase, a version. Kept in order of time, without overlaps.

export class Spans {
  constructor() {
    this.list = [];
    /** How many there have been, so that neighbours can be told apart. */
    this.count = 0;
  }

  /** From this time on the value holds; `null` means that nothing does. */
  say(at, value) {
    const last = this.list.at(-1);
    const from = last ? Math.max(at, last.from) : at;
    if (last && last.to === null) {
      if (last.value === value) return;
      last.to = from;
      if (last.from === last.to) this.list.pop();
    }
    if (value !== null) {
      this.count += 1;
      this.list.push({ from, to: null, value, number: this.count });
    }
  }

  /** What holds at a time. */
  at(time) {
    const found = this.list.find((span) => span.from <= time && (span.to === null || time < span.to));
    return found ? found.value : null;
  }

  /** Those that touch a stretch of time, cut to it. */
  within(from, to) {
    return this.list
      .filter((span) => span.from < to && (span.to === null || span.to > from))
      .map((span) => ({ ...span, from: Math.max(span.from, from), to: Math.min(span.to ?? to, to) }));
  }

  /** Forgets what ended before this time. */
  forget(before) {
    while (this.list.length > 0 && this.list[0].to !== null && this.list[0].to < before) this.list.shift();
  }
}

// The emulator's events, followed across broken connections.
//
// A browser connects again by itself, and says the last id it saw, but not after a refusal and not when a connection is dead
// without being closed. So silence is watched too: the emulator says something every 5 s.

import { hearing, KEPT_ENTRIES, state, tell } from "./state.js";

/** Silence after which a connection counts as lost, and time between two tries, in ms. */
const SILENCE = 12_000;
const AGAIN = 1500;

let source = null;
let id = null;
let again = null;

export function follow() {
  open();
  setInterval(() => {
    if (source && Date.now() - state.heard > SILENCE) fail();
  }, 1000);
}

function open() {
  again = null;
  state.heard = Math.max(state.heard, Date.now() - SILENCE / 2);
  source = new EventSource(`/api/events?last=${KEPT_ENTRIES}${id ? `&after=${encodeURIComponent(id)}` : ""}`);
  for (const [name, hear] of Object.entries(hearing)) {
    source.addEventListener(name, (event) => {
      state.heard = Date.now();
      if (event.lastEventId) id = event.lastEventId;
      become("live");
      hear(JSON.parse(event.data));
    });
  }
  source.addEventListener("error", fail);
}

/** One way to connect again for all ways to lose it: a new request that says where to go on. */
async function fail() {
  source?.close();
  source = null;
  again ??= setTimeout(open, AGAIN);
  state.why = await reason();
  tell("link");
  if (!source) become("lost");
}

/** An event source does not tell why it was refused; an ordinary request does. */
async function reason() {
  const enough = new AbortController();
  try {
    const response = await fetch("/api/events", { signal: enough.signal });
    return response.ok ? "" : (await response.json()).error;
  } catch {
    return "";
  } finally {
    enough.abort();
  }
}

function become(link) {
  if (state.link === link) return;
  state.link = link;
  tell("link");
}

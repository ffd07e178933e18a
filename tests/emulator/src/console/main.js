// Puts the parts of the page together, and says how the connection is.

import { chart } from "./chart.js";
import { controls } from "./controls.js";
import { devices } from "./devices.js";
import { byId, setText, time } from "./dom.js";
import { faults } from "./faults.js";
import { journal } from "./journal.js";
import { oven } from "./oven.js";
import { packages } from "./packages.js";
import { on, state } from "./state.js";
import { follow } from "./stream.js";
import { updates } from "./updates.js";

const LINKS = { connecting: "connecting…", live: "live", lost: "disconnected" };
const THEMES = ["system", "light", "dark"];

function link() {
  document.body.dataset.link = state.link;
  setText(byId("link-text"), LINKS[state.link]);
  const lost = byId("lost");
  lost.hidden = state.link !== "lost";
  const why = state.why ? `The emulator refuses: ${state.why}.` : "The emulator does not answer.";
  setText(lost, lost.hidden ? "" : `${why} What you see is from ${time(state.heard)}; trying again until it does.`);
}

/** The theme is kept for the next visit where the browser lets us. */
function theme() {
  const kept = () => {
    try {
      return localStorage.getItem("theme");
    } catch {
      return null;
    }
  };
  const apply = (name) => {
    document.documentElement.dataset.theme = name;
    setText(byId("theme"), `Theme: ${name}`);
    try {
      localStorage.setItem("theme", name);
    } catch {
      // It holds for this visit.
    }
  };
  apply(THEMES.includes(kept()) ? kept() : "system");
  byId("theme").addEventListener("click", () => {
    const at = THEMES.indexOf(document.documentElement.dataset.theme);
    apply(THEMES[(at + 1) % THEMES.length]);
  });
}

theme();
on(["link"], link);
devices();
oven();
controls();
chart();
updates();
packages();
faults();
journal();
follow();

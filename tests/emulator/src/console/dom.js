// Elements, made and kept. Text is only ever put in as text, so that nothing a device says becomes markup.

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

/** An HTML element. A function among the attributes listens to the event it is named after. */
export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") node.addEventListener(name, value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** Sets a text only when it differs, so that screen readers and selections are left in peace. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Shows one row for each item, in order. A row lives as long as its key, so that focus inside of it stays. */
export function keyed(parent, items, keyOf, make, update) {
  const rows = new Map([...parent.children].map((row) => [row.dataset.key, row]));
  let before = parent.firstElementChild;
  for (const item of items) {
    const key = String(keyOf(item));
    let row = rows.get(key);
    rows.delete(key);
    if (!row) {
      row = make(item);
      row.dataset.key = key;
    }
    update(row, item);
    if (row === before) before = row.nextElementSibling;
    else parent.insertBefore(row, before);
  }
  for (const row of rows.values()) row.remove();
}

/** A value as one shows it: text as it is, anything else as JSON. */
export const shown = (value) => (typeof value === "string" ? value : JSON.stringify(value));

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
const clockShort = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hour12: false });

/** A time of the day. */
export const time = (ms, seconds = true) => (seconds ? clock : clockShort).format(ms);

const SIZES = ["B", "kB", "MB", "GB"];

/** A number of bytes in three digits. */
export function bytes(count) {
  let step = 0;
  let left = count;
  while (left >= 1000 && step < SIZES.length - 1) {
    left /= 1000;
    step += 1;
  }
  return `${step === 0 || left >= 100 ? Math.round(left) : left.toFixed(1)} ${SIZES[step]}`;
}

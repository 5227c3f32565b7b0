// What both pages need of a document.
"use strict";

const $ = id => document.getElementById(id);
const make = (tag, attributes, ...children) => {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value);
  node.append(...children);
  return node;
};
const drawn = (tag, attributes, ...children) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
};
const LINES = Array.from({ length: 8 }, (_, i) => `var(--line-${i})`);
const DASHES = ["", "7 3", "2 2", "9 3 2 3", "5 5", "12 4", "1 3", "4 1"];

function switchTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
}

// the address may be read-only, as in an e-mail's preview
function setFragment(text) { try { history.replaceState(null, "", text); } catch (e) { /* then nothing is shared */ } }

const LOOKS = [["held", "in the cache"], ["held hit", "requested and present"], ["held load", "requested and loaded"], ["gone", "evicted at this step"], ["", "absent"]];
function legend(place, looks = LOOKS) {
  for (const [look, text] of looks) place.append(make("span", {}, make("span", { class: "cell " + look, "aria-hidden": "true" }), text));
}

// the candidates of an eviction, in the order in which the policy lets them go
const COLUMNS = [["page", f => f.label], ["last use", f => f.last], ["R", f => f.R], ["D", f => f.D], ["uses", f => f.uses], ["loaded", f => f.loaded], ["next use", f => f.next < 0 ? "never" : f.next]];
function fillCandidates(table, rows, gone) {
  table.replaceChildren();
  if (!rows.length) { table.append(make("caption", {}, "nothing had to go")); return; }
  table.append(make("thead", {}, make("tr", {}, ...COLUMNS.map(([head]) => make("th", { scope: "col" }, head)))));
  const body = make("tbody");
  for (const f of rows.slice(0, 200)) {
    const victim = gone.includes(f.page);
    body.append(make("tr", victim ? { class: "victim" } : {}, ...COLUMNS.map(([head, value]) => make("td", {}, value(f) + (victim && head === "page" ? " ✕" : "")))));
  }
  table.append(body);
}
const COLUMNS_READ = "Last use, loaded and next use are step numbers. R: visits to the page's layer since its last request, the present one included. D: layers from the present one forward to the page's own; a page of the present layer counts as all layers.";

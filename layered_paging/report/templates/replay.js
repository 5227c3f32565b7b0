// The replay page: what several policies did, step by step, and why.
"use strict";

const data = JSON.parse($("data").textContent);
const N = data.steps.length, POLICIES = data.policies.length;
const layout = new Layout(data.experts), pages = layout.pages;
const timeline = new Timeline(layout, data.steps, data);
const labels = list => list.map(page => layout.label(page));

// running totals, and where policies differ
const popcount = x => { let n = 0; while (x) { n += x % 2; x = Math.floor(x / 2); } return n; };
const totals = data.policies.map(p => {
  const sums = new Int32Array(N + 1);
  p.missed.forEach((m, t) => { sums[t + 1] = sums[t] + popcount(m); });
  return sums;
});
const requests = new Int32Array(N + 1);
data.steps.forEach((step, t) => { requests[t + 1] = requests[t] + step.length; });
const isMiss = (p, t, q) => Math.floor(data.policies[p].missed[t] / 2 ** q) % 2 === 1;
const different = t => data.policies.some(p => p.missed[t] !== data.policies[0].missed[t]);

// what each policy holds after step t: kept every SPAN steps, the rest replayed
const SPAN = 256;
const rules = data.policies.map(p => RULES[p.rule] && RULES[p.rule].order ? RULES[p.rule] : plainRule);
const empty = () => ({ held: new Uint8Array(pages), loaded: new Int32Array(pages).fill(-1), phase: 0 });
const copied = ({ held, loaded, phase }) => ({ held: held.slice(), loaded: loaded.slice(), phase, ruled: phase });
const kept = data.policies.map(() => [empty()]);

// pages that the policy could let go at step t, given what it held before
function candidates(p, { held }, t) {
  const event = new Set(data.steps[t]), fresh = timeline.begins(t), found = [];
  for (let page = 0; page < pages; page++) {
    if (data.policies[p].pool === "per-layer" && layout.layerOf[page] !== data.at[t]) continue;
    if (event.has(page) ? data.admission === "bypass" : held[page] && !fresh) found.push(page);
  }
  return found;
}
function advance(p, state, t) {
  const gone = data.policies[p].evicted[t];
  if (timeline.begins(t)) state.phase = data.reset === "session" ? 0 : t;
  if (rules[p].phases) {
    let left = candidates(p, state, t);
    for (const page of gone) {
      state.phase = phaseAfter(timeline, left, t, state.phase);
      if (page === gone[0]) state.ruled = state.phase; // by which the policy chose first
      left = left.filter(other => other !== page);
    }
  }
  if (timeline.begins(t)) state.held.fill(0);
  data.steps[t].forEach((page, q) => { if (isMiss(p, t, q)) { state.held[page] = 1; state.loaded[page] = t; } });
  for (const page of gone) state.held[page] = 0;
}
function contents(p, t) { // after steps 0..t-1
  let k = Math.min(Math.floor(t / SPAN), kept[p].length - 1);
  const state = copied(kept[p][k]);
  for (let s = k * SPAN; s < t; s++) {
    advance(p, state, s);
    if ((s + 1) % SPAN === 0 && kept[p].length === (s + 1) / SPAN) kept[p].push(copied(state));
  }
  return state;
}

// the panels
$("about").textContent = [data.note, [[N, "step"], [layout.layers, "layer"], [pages, "page"], [data.slots, "slot"]].map(([n, noun]) => counted(n, noun)).join(", "), `pool ${data.pool}`, `reset ${data.reset}`, `admission ${data.admission}`].filter(Boolean).join(" · ");
const widest = Math.max(...data.experts);
$("panels").style.setProperty("--panel-width", Math.min(1400, Math.max(20 * 16, widest * (widest > 30 ? 8 : 18) + 60)) + "px");
const small = new ResizeObserver(entries => {
  for (const { target } of entries) target.firstChild.classList.toggle("tiny", target.querySelector(".cell").offsetWidth < 16);
});
const parts = data.policies.map((policy, p) => {
  const count = make("p", { class: "counts" }), why = make("ul", { class: "why" });
  const table = make("table", { class: "why-table" });
  const order = make("details", {}, make("summary", {}, "what it could evict"), make("div", { class: "scroll" }, table));
  const rows = make("div", { class: widest > 30 ? "rows many" : "rows" }), cells = [];
  rows.style.setProperty("--widest", widest);
  data.experts.forEach((n, layer) => {
    const row = make("div", { class: "row" }, make("span", {}, layout.letter(layer)));
    for (let e = 0; e < n; e++) {
      const cell = make("div", { class: "cell", title: layout.label(layout.first[layer] + e) }, String(e));
      row.append(cell);
      cells.push(cell);
    }
    rows.append(row);
  });
  const grid = make("div", { class: "grid", "aria-hidden": "true" }, rows), holds = make("p", { class: "unseen" });
  $("panels").append(make("section", { class: "panel", "aria-label": policy.label }, make("h2", { title: policy.about }, policy.label, policy.slots === data.slots ? "" : ` with ${counted(policy.slots, "slot")}`), count, grid, holds, why, order));
  small.observe(grid);
  order.addEventListener("toggle", () => { if (order.open) explain(p); });
  order.open = pages <= 40;
  return { count, why, order, table, holds, cells, shown: new Array(pages).fill("cell") };
});

let now = 0, timer = null, before = [];
function known(p, page, loaded) {
  return timeline.facts(page, now, data.policies[p].params, { loaded, phase: before[p].ruled });
}
// what a policy could evict at this step, in its order
function choices(p) {
  const { held, loaded } = before[p], fresh = timeline.begins(now);
  return ordered(rules[p], candidates(p, before[p], now).map(page => known(p, page, held[page] && !fresh ? loaded[page] : now)));
}
function explain(p) {
  const gone = data.policies[p].evicted[now];
  fillCandidates(parts[p].table, gone.length ? choices(p) : [], gone);
}
const ruled = data.policies.map((p, at) => rules[at] !== plainRule && p.rule !== "fwf");
function reason(p, page, loaded) {
  const fact = known(p, page, loaded), ending = fact.next < 0 && timeline.emptied ? " before the reset" : "";
  const said = rules[p].why(fact);
  return (said.endsWith("requested again") ? said + ending : said) + (ruled[p] && !said.startsWith("never") ? " of what it could evict" : "");
}

function strip() {
  const body = $("strip").tBodies[0], wide = Math.min(15, labels(data.steps[now]).join(" ").length);
  const half = Math.max(2, Math.min(8, Math.floor(320 / (9 * wide + 12)))), span = 2 * half + 1;
  const from = Math.max(0, Math.min(now - half, N - span)), to = Math.min(N, from + span);
  body.replaceChildren();
  const klass = (t, extra) => [t === now ? "here" : "", t > 0 && data.rounds[t] !== data.rounds[t - 1] ? "turn" : "", extra || ""].filter(Boolean).join(" ");
  const line = (name, cell) => {
    const row = make("tr", {}, make("th", { scope: "row" }, name));
    for (let t = from; t < to; t++) row.append(cell(t));
    body.append(row);
  };
  line("step", t => {
    const button = make("button", { "aria-label": "go to step " + t }, String(t));
    button.addEventListener("click", () => go(t));
    return make("td", { class: klass(t) }, button);
  });
  line("asks for", t => make("td", { class: klass(t, "asks") }, labels(data.steps[t]).join(" ")));
  data.policies.forEach((policy, p) => line(policy.label, t => {
    const n = totals[p][t + 1] - totals[p][t];
    return make("td", { class: klass(t, n ? "miss" : "") }, n ? (data.steps[t].length === 1 ? "×" : String(n)) : "·");
  }));
  const here = body.querySelector(".here"), place = body.closest(".scroll"); // in sight, also where the strip scrolls
  place.scrollLeft = here.offsetLeft - (place.clientWidth - here.offsetWidth) / 2;
}

function panel(p) {
  const policy = data.policies[p], part = parts[p], misses = totals[p][now + 1], asked = requests[now + 1];
  part.count.textContent = `so far ${counted(asked - misses, "hit")}, ${counted(misses, "miss", "misses")} (${(100 * (asked - misses) / asked).toFixed(1)} % hits); at the end ${counted(totals[p][N], "miss", "misses")}`;
  before[p] = contents(p, now);
  const after = copied(before[p]);
  advance(p, after, now);
  before[p].ruled = after.ruled;
  const look = new Map();
  data.steps[now].forEach((page, q) => look.set(page, !isMiss(p, now, q) ? "hit" : after.held[page] ? "load" : "pass"));
  for (const page of policy.evicted[now]) if (!look.has(page)) look.set(page, "gone");
  for (let page = 0; page < pages; page++) {
    const word = "cell" + (after.held[page] ? " held" : "") + (look.has(page) ? " " + look.get(page) : "");
    if (part.shown[page] !== word) { part.cells[page].className = word; part.shown[page] = word; }
  }
  part.holds.textContent = "holds " + labels(Array.from(after.held.keys()).filter(page => after.held[page])).join(" ");
  const lines = [];
  if (timeline.begins(now)) lines.push("a session begins: the cache was emptied");
  for (const page of policy.evicted[now]) lines.push(`${layout.label(page)} evicted: ${reason(p, page, after.loaded[page])}`);
  if (!lines.length) lines.push(policy.missed[now] ? "loaded into free slots" : "all present");
  part.why.replaceChildren(...lines.map(text => make("li", {}, text)));
  if (part.order.open) explain(p);
}

function render() {
  $("now").textContent = `Step ${now} of ${N - 1}: round ${data.rounds[now]}, ${layout.layerName(data.at[now])} asks for ${labels(data.steps[now]).join(", ")}.`;
  $("slider").value = now;
  if (document.activeElement !== $("jump")) $("jump").value = now;
  $("first").disabled = $("back").disabled = now === 0;
  $("next").disabled = $("last").disabled = now === N - 1;
  $("cursor").setAttribute("x1", now + .5); $("cursor").setAttribute("x2", now + .5);
  data.policies.forEach((_, p) => panel(p));
  strip();
}

let linking = null;
function go(t, quiet) {
  now = Math.max(0, Math.min(N - 1, Math.trunc(t) || 0));
  render();
  if (!quiet) { clearTimeout(linking); linking = setTimeout(() => setFragment("#step=" + now), timer ? 250 : 0); }
}
function pause() { clearInterval(timer); timer = null; $("play").textContent = "▶ play"; $("play").setAttribute("aria-label", "Play"); }
function playOn() {
  if (timer) return pause();
  if (now === N - 1) go(0);
  timer = setInterval(() => { if (now >= N - 1) pause(); else go(now + 1); }, 1000 / Number($("speed").value));
  $("play").textContent = "❚❚ pause"; $("play").setAttribute("aria-label", "Pause");
}
function nextDifference() {
  for (let t = now + 1; t < N; t++) if (different(t)) return go(t);
  $("now").textContent += " The policies do not differ after this step.";
}
function round(direction) {
  const here = data.rounds[now];
  let t = now;
  while (t + direction >= 0 && t + direction < N && data.rounds[t] === here) t += direction;
  go(t);
}

$("slider").max = $("jump").max = N - 1;
$("first").onclick = () => go(0); $("back").onclick = () => go(now - 1); $("next").onclick = () => go(now + 1); $("last").onclick = () => go(N - 1);
$("play").onclick = playOn; $("differ").onclick = nextDifference; $("theme").onclick = switchTheme;
$("differ").disabled = POLICIES < 2;
$("speed").onchange = () => { if (timer) { pause(); playOn(); } };
$("slider").oninput = () => go(Number($("slider").value));
$("jump").onchange = () => go(Number($("jump").value));
document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.matches("input[type=number], select")) return;
  const on = { ArrowRight: () => event.shiftKey ? round(1) : go(now + 1), ArrowLeft: () => event.shiftKey ? round(-1) : go(now - 1), Home: () => go(0), End: () => go(N - 1), n: nextDifference, t: switchTheme };
  if (event.key === " ") { if (event.target.matches("button, summary")) return; event.preventDefault(); playOn(); }
  else if (on[event.key]) { if (event.key.length > 1) event.preventDefault(); on[event.key](); }
});
addEventListener("resize", strip);
addEventListener("hashchange", () => { const found = /^#step=(\d+)$/.exec(location.hash); if (found) go(Number(found[1]), true); });

// misses so far, thinned to what a screen shows
{
  const svg = $("lines"), top = Math.max(1, ...totals.map(s => s[N]));
  svg.setAttribute("viewBox", `0 0 ${N} 100`);
  $("most").textContent = counted(top, "miss", "misses");
  $("end").textContent = `step ${(N - 1).toLocaleString("en")}`;
  for (const y of [2, 98]) svg.append(drawn("line", { class: "tick", x1: 0, x2: N, y1: y, y2: y }));
  const stride = Math.max(1, Math.floor(N / 800)), height = n => (98 - 96 * n / top).toFixed(2);
  totals.forEach((sums, p) => {
    const points = [];
    for (let t = 0; t <= N; t += stride) points.push(`${t},${height(sums[t])}`);
    points.push(`${N},${height(sums[N])}`);
    svg.append(drawn("polyline", { points: points.join(" "), stroke: LINES[p], "stroke-dasharray": DASHES[p] }));
    const sample = drawn("svg", { width: 34, height: 8 }, drawn("line", { x1: 0, x2: 34, y1: 4, y2: 4, stroke: LINES[p], "stroke-width": 3, "stroke-dasharray": DASHES[p] }));
    $("keys").append(make("li", {}, sample, ` ${data.policies[p].label}: ${sums[N].toLocaleString("en")}`));
  });
  svg.append(drawn("line", { id: "cursor", y1: 0, y2: 100 }));
  svg.addEventListener("click", event => { const box = svg.getBoundingClientRect(); go((event.clientX - box.left) / box.width * N); });
}
legend($("legend"), data.admission === "bypass" ? [...LOOKS, ["pass", "loaded and not kept"]] : LOOKS);
$("columns").textContent = COLUMNS_READ;

// open at the linked step, or where something happens: policies differ, or one of them has to evict
{
  const linked = /^#step=(\d+)$/.exec(location.hash), steps = Array.from({ length: N }, (_, t) => t);
  const differs = steps.find(different), evicts = steps.find(t => data.policies.some(p => p.evicted[t].length));
  go(linked ? Number(linked[1]) : differs ?? evicts ?? 0, true);
}

// The board of the playground: a column a step, the requests above, what each policy holds below.
"use strict";

const SHOWN_COLUMNS = 96; // of a long sequence, around the present step

// Draw the board.  `view`: timeline; bodies [{ label, said, frames, slots, marks }]; here (a step or -1); editable;
// hidden(t): whether a request is not to be seen yet; press(t, page, add).
function drawBoard(table, view) {
  const { timeline, bodies, here, editable, hidden, press } = view, { layout, steps } = timeline;
  const columns = steps.length + (editable && steps.length < LIMITS.steps ? 1 : 0);
  const layerAt = t => t % layout.layers;
  const from = Math.max(0, Math.min(Math.max(0, here) - SHOWN_COLUMNS / 2, columns - SHOWN_COLUMNS)), to = Math.min(columns, from + SHOWN_COLUMNS);
  const focused = document.activeElement && table.contains(document.activeElement) ? document.activeElement.dataset.at : null;
  const klass = (t, extra) => [t && layerAt(t) === 0 && layout.layers > 1 ? "turn" : "", t === here ? "here" : "", t >= steps.length ? "beyond" : "", extra || ""].filter(Boolean).join(" ");
  table.replaceChildren();
  table.style.setProperty("--steps", Math.max(8, to - from));
  if (to - from < columns) table.append(make("caption", { class: "soft" }, `steps ${from} to ${to - 1} of ${columns}`));
  const line = (place, head, cell, name) => {
    const row = make("tr", name ? { class: name } : {}, make("th", { scope: "row" }, head));
    for (let t = from; t < to; t++) row.append(cell(t));
    place.append(row);
  };
  const head = make("thead");
  line(head, "step", t => make("th", { scope: "col", class: klass(t, "step") }, String(t)));
  if (layout.layers > 1) line(head, "layer", t => make("th", { class: klass(t, "layer") }, layout.letter(layerAt(t))));
  table.append(head);

  const asks = make("tbody", { class: "asks" }), rows = Math.max(...layout.experts), stop = focused || `${from}:0`;
  for (let expert = 0; expert < rows; expert++) {
    line(asks, `expert ${expert}`, t => {
      const cell = make("td", { class: klass(t) }), layer = layerAt(t);
      if (expert >= layout.experts[layer]) return cell;
      const page = layout.first[layer] + expert, unseen = hidden(t), on = t < steps.length && !unseen && steps[t].includes(page);
      const button = make("button", { "data-at": `${t}:${expert}`, "aria-pressed": String(on), tabindex: `${t}:${expert}` === stop && editable ? "0" : "-1", "aria-label": `step ${t}: ${unseen ? "not known yet" : layout.label(page) + (on ? ", asked for" : "")}` }, unseen && expert === 0 ? "?" : on ? layout.label(page) : "");
      if (t >= steps.length) button.className = "ghost";
      if (!editable) button.disabled = true;
      button.addEventListener("click", event => press(t, page, event.shiftKey || event.ctrlKey || event.metaKey));
      cell.append(button);
      return cell;
    });
  }
  table.append(asks);
  for (const body of bodies) table.append(policyBody(layout, body, to - from, klass, line));
  if (focused) { const again = table.querySelector(`[data-at="${focused}"]`); if (again) again.focus(); }
}

function policyBody(layout, { label, said, frames, slots, marks }, columns, klass, line) {
  const body = make("tbody", { "aria-label": label }), names = list => list.map(p => layout.label(p)).join(" ");
  body.append(make("tr", { class: "name" }, make("th", { colspan: columns + 1, scope: "rowgroup" }, make("span", {}, make("b", {}, label), said))));
  for (let slot = 0; slot < slots; slot++) {
    line(body, `slot ${slot + 1}`, t => {
      const cell = make("td", { class: klass(t) }), frame = frames[t], page = frame ? frame.slots[slot] : -1;
      if (!frame) return cell;
      const look = page < 0 ? "" : frame.absent.includes(page) ? "held load" : frame.hits.includes(page) ? "held hit" : "held";
      cell.append(make("div", { class: "cell " + look }, page < 0 ? "" : layout.label(page)));
      return cell;
    });
  }
  line(body, "missed", t => make("td", { class: klass(t, "missed") }, !frames[t] ? "" : "✕".repeat(frames[t].absent.length) || "·"));
  line(body, "evicted", t => make("td", { class: klass(t, "went") }, frames[t] ? names(frames[t].evicted) : ""));
  if (marks) line(body, "you said", t => make("td", { class: klass(t, !marks.has(t) ? "" : marks.get(t) ? "said yes" : "said no") }, !marks.has(t) ? "" : marks.get(t) ? "✓" : "✗"));
  return body;
}

// arrows move over the requests; the caller presses
function boardKeys(table, press, removeLast) {
  table.addEventListener("keydown", event => {
    const at = event.target.dataset.at;
    if (!at || event.altKey) return;
    const [t, expert] = at.split(":").map(Number);
    const moves = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };
    if (event.key in moves) {
      let [x, y] = [t + moves[event.key][0], expert + moves[event.key][1]], to = null;
      while (!(to = table.querySelector(`[data-at="${x}:${y}"]`)) && y > 0 && moves[event.key][0]) y--; // a layer with fewer experts
      if (to) { event.target.tabIndex = -1; to.tabIndex = 0; to.focus(); }
    } else if (event.key === "+") press(t, expert);
    else if (event.key === "Delete" || event.key === "Backspace") removeLast();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
}

// Ratio so far and since the cycle began, with the bounds, as lines over the steps.
function drawChart(place, { cost, optimum, cycle, lower, upper, target }) {
  const width = Math.max(270, place.clientWidth || 600), height = 210, left = 34, right = 74, bottom = 24, top = 10;
  const N = cost.length - 1, ratios = (from, t) => optimum[t] > optimum[from] ? (cost[t] - cost[from]) / (optimum[t] - optimum[from]) : null;
  const so = [], since = [];
  for (let t = 1; t <= N; t++) {
    if (ratios(0, t) !== null) so.push([t, ratios(0, t)]);
    if (cycle && t > cycle && ratios(cycle, t) !== null) since.push([t, ratios(cycle, t)]);
  }
  const most = Math.max(2, upper || 0, ...so.map(p => p[1]), ...since.map(p => p[1])) * 1.08;
  const x = t => left + (width - left - right) * t / Math.max(1, N), y = r => top + (height - top - bottom) * (1 - r / most);
  const svg = drawn("svg", { viewBox: `0 0 ${width} ${height}`, height, role: "img", "aria-label": `ratio of ${target} to the optimum over ${counted(N, "step")}` });
  const line = (points, name) => svg.append(drawn("polyline", { class: name, points: points.map(p => `${x(p[0]).toFixed(1)},${y(p[1]).toFixed(1)}`).join(" ") }));
  for (let r = 0; r <= most; r += most > 12 ? 5 : most > 6 ? 2 : 1) {
    svg.append(drawn("line", { class: "axis", x1: left, x2: width - right, y1: y(r), y2: y(r) }), drawn("text", { x: left - 6, y: y(r) + 4, "text-anchor": "end" }, String(r)));
  }
  const bounds = [[upper, "k"], [lower, "k − l + 1"]].filter(([value]) => value !== null);
  const merged = bounds.length === 2 && upper === lower ? [[upper, "k = k − l + 1"]] : bounds;
  for (const [value, name] of merged) svg.append(drawn("line", { class: "bound", x1: left, x2: width - right, y1: y(value), y2: y(value) }), drawn("text", { x: width - right + 6, y: y(value) + 4 }, name));
  line(so, "ratio");
  if (since.length) line(since, "recent");
  svg.append(drawn("text", { x: left, y: height - 6 }, "step 0"), drawn("text", { x: width - right, y: height - 6, "text-anchor": "end" }, `step ${N}`));
  place.replaceChildren(svg);
}

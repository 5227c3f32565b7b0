// The playground: reads the address, draws, and answers to clicks and keys.
"use strict";

const shipped = JSON.parse($("data").textContent); // examples, each a name and a fragment
let game = START, past = [], timer = null, marked = null;

const TASKS = {
  watch: "Type or draw a sequence, and step through it: what each policy holds, and why a page had to go.",
  predict: "Before every step, say whether the policy hits or misses, and which page it evicts. One point for each right answer.",
  cache: "You are the cache. Whenever all slots are taken, give up a page. The requests to come are hidden unless you ask for them.",
  adversary: "You choose every request. Make the policy pay more often than the optimum, which knows your whole sequence.",
};
const timelineOf = g => { const layout = new Layout(g.experts); return new Timeline(layout, g.steps); };
const asRatio = (a, b) => b === 0 ? (a === 0 ? "–" : `${a} / 0`) : `${a} / ${b} = ${(a / b).toFixed(2)}`;
const button = (words, act, attributes = {}) => { const b = make("button", attributes, ...[words].flat()); b.addEventListener("click", act); return b; };

// every change goes through here: what cannot be played is refused and said
function change(fields, { quiet = false, keep = false } = {}) {
  try {
    const wanted = checked({ ...game, ...fields });
    draw(wanted);
    if (!keep) past.push(game);
    game = wanted;
    if (!quiet) setFragment(writeFragment(game));
    say("");
  } catch (error) {
    if (!(error instanceof Wrong) && !(error instanceof RangeError)) throw error;
    draw(game);
    say(error.message);
  }
  $("undo").disabled = !past.length;
}
function say(words) { $("wrong").textContent = words; $("wrong").hidden = !words; }
function undo() { if (!past.length) return; const last = past.pop(); change(last, { keep: true }); }
const fresh = steps => ({ steps, step: 0, answers: [], victims: [], cycle: 0 });

// drawing: what is asked for at a step, and later than the last step nothing
function press(t, page, add) {
  const steps = game.steps.map(s => s.slice());
  while (steps.length <= t) steps.push([]);
  const on = steps[t].includes(page);
  steps[t] = add || $("several").checked ? (on ? steps[t].filter(p => p !== page) : [...steps[t], page].sort((a, b) => a - b)) : on ? [] : [page];
  while (steps.length && !steps[steps.length - 1].length) steps.pop();
  change({ steps, step: Math.min(Math.max(game.step, t + 1), steps.length), answers: [], victims: [], cycle: 0 });
}
function removeLast() { if (game.steps.length) change({ steps: game.steps.slice(0, -1), answers: [], victims: [] }); }

function draw(g) {
  const timeline = timelineOf(g), view = VIEWS[g.mode](g, timeline);
  for (const tab of $("modes").children) { tab.setAttribute("aria-selected", String(tab.dataset.mode === g.mode)); tab.tabIndex = tab.dataset.mode === g.mode ? 0 : -1; }
  $("task").textContent = TASKS[g.mode];
  setValue("layers", g.experts.length); setValue("experts", writeExperts(g.experts)); setValue("slots", g.slots);
  setValue("sequence", view.secret ? "" : writeSequence(g.steps, g.experts)); $("sequence").placeholder = view.secret ? "hidden: show what comes to read it, or type another" : "0,0 1,1 0,2";
  $("target").value = g.target;
  for (const box of $("players").querySelectorAll("input")) box.checked = g.players.includes(box.value);
  if ($("more").querySelector("input:checked")) $("more").open = true;
  $("target-field").hidden = !["predict", "adversary"].includes(g.mode);
  $("players").hidden = !["watch", "cache"].includes(g.mode);
  $("target").querySelector("[value=opt]").disabled = g.mode === "adversary";
  $("grammar").hidden = g.mode !== "watch";
  $("transport").hidden = g.mode !== "watch";
  $("again").hidden = g.mode === "watch";
  const end = g.steps.length;
  $("first").disabled = $("back").disabled = g.step === 0; $("next").disabled = $("last").disabled = g.step === end;
  $("play").disabled = !end;
  const answering = $("card").contains(document.activeElement);
  $("card").hidden = !view.card; $("card").replaceChildren(...(view.card || []));
  if (answering) { const first = $("card").querySelector(".row-of-buttons button"); if (first) first.focus(); }
  if ($("now").textContent !== view.now) $("now").textContent = view.now;
  drawBoard($("board"), { timeline, press, editable: false, hidden: () => false, ...view });
  keepInSight();
  $("reasons").replaceChildren(...(view.reasons || []));
  $("chart-place").hidden = !view.chart;
  if (view.chart) { drawChart($("chart"), view.chart); $("chart-note").textContent = view.chartNote; }
  marked = view;
}
function setValue(id, value) { if (document.activeElement !== $(id) || !$("wrong").textContent) $(id).value = value; }
function keepInSight() {
  const place = $("board-place"), cell = $("board").querySelector("thead .here");
  if (!cell) return;
  const head = $("board").querySelector("thead th").offsetWidth;
  if (cell.offsetLeft - head < place.scrollLeft || cell.offsetLeft + cell.offsetWidth > place.scrollLeft + place.clientWidth) place.scrollLeft = cell.offsetLeft - head - (place.clientWidth - head) / 2;
}

// what a policy did at a step, in words, with all that it could have evicted
function reasonPanel(timeline, name, frames, t) {
  const { label, rule, params } = PLAYERS[name], frame = frames[t], rows = considered(timeline, frame, t, RULES[rule], params);
  const panel = make("section", { class: "panel", "aria-label": label }, make("h2", {}, label), make("p", { class: "soft" }, RULES[rule].text));
  panel.append(make("p", {}, inWords(timeline, name, frame, t)));
  if (rows.length) {
    const table = make("table", { class: "why-table" });
    fillCandidates(table, rows, frame.evicted);
    panel.append(make("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": `what ${label} could evict` }, table));
  }
  return panel;
}
function inWords(timeline, name, frame, t) {
  const { layout } = timeline, { rule, params } = PLAYERS[name], list = pages => pages.map(p => layout.label(p)).join(", ");
  if (!frame.hits.length && !frame.absent.length) return "nothing is asked for";
  if (!frame.absent.length) return `${list(frame.hits)}: a hit`;
  const gone = frame.evicted.map((page, i) => `${layout.label(page)} goes (${RULES[rule].why(timeline.facts(page, t, params, { loaded: frame.loaded.get(page), phase: frame.asked[Math.min(i, frame.asked.length - 1)].phase }))})`);
  return `${list(frame.absent)}: a miss; ${gone.join(", ") || "there is a free slot"}`;
}
const asksFor = (timeline, t) => `${timeline.layout.layerName(timeline.at[t])} asks for ${timeline.steps[t].map(p => timeline.layout.label(p)).join(", ") || "nothing"}`;
const missesOf = (frames, total) => `${counted(frames.length ? frames[frames.length - 1].misses : 0, "miss", "misses")} of ${counted(total, "request")}`;
const asked = (timeline, t) => timeline.steps.slice(0, t).reduce((sum, s) => sum + s.length, 0);
const bodyOf = (timeline, name, frames, slots) => ({ label: PLAYERS[name].label, said: missesOf(frames, asked(timeline, frames.length)), frames, slots });

const VIEWS = {
  watch(g, timeline) {
    const plays = g.players.map(name => [name, playerPlays(timeline, g.slots, name).frames]), t = g.step - 1;
    const said = t < 0 ? (g.steps.length ? "Nothing is played yet: step forward." : "The board is empty: click it, type a sequence or choose an example.") : `Step ${t}: ${asksFor(timeline, t)}. ${plays.map(([name, frames]) => `${PLAYERS[name].label}: ${frames[t].absent.length ? "miss" : "hit"}`).join(", ")}.`;
    return { bodies: plays.map(([name, frames]) => bodyOf(timeline, name, frames.slice(0, g.step), g.slots)), here: t, editable: true, now: said, reasons: t < 0 ? [] : plays.map(([name, frames]) => reasonPanel(timeline, name, frames, t)) };
  },

  predict(g, timeline) {
    const { layout } = timeline, q = quiz(g, timeline), label = PLAYERS[g.target].label, done = q.t >= g.steps.length && !q.open;
    const last = q.marks[q.marks.length - 1], shown = q.frames.slice(0, q.t), card = [];
    const answer = word => change({ answers: [...g.answers, word] }), finish = page => change({ answers: [...g.answers.slice(0, -1), `${g.answers[g.answers.length - 1]}:${page}`] });
    if (last && !q.open) card.push(verdict(timeline, g.target, last, q.frames[last.t]));
    if (q.open) {
      card.push(make("p", { class: last.good ? "right" : "wrong" }, last.good ? "Right: a miss." : `No: ${label} misses.`), make("h2", {}, `Step ${q.t}: ${asksFor(timeline, q.t)}, and the cache is full. Who goes${q.open.frame.evicted.length > 1 ? " first" : ""}?`));
      card.push(make("div", { class: "row-of-buttons" }, ...q.open.frame.asked[0].candidates.map(p => button(layout.label(p), () => finish(p)))));
    } else if (done) card.push(make("h2", {}, g.steps.length ? `The end: ${q.right} of ${q.asked} right` : "There is no sequence yet: type one, or choose an example."));
    else {
      const held = q.t ? q.frames[q.t - 1].slots.filter(p => p >= 0).map(p => layout.label(p)).join(" ") : "", n = timeline.steps[q.t].length;
      card.push(make("h2", {}, `Step ${q.t}: ${asksFor(timeline, q.t)}`), make("p", {}, held ? `${label} holds ${held}.` : `${label} holds nothing yet.`));
      card.push(make("div", { class: "row-of-buttons" }, ...(n === 1 ? [button("hit", () => answer("0")), button("miss", () => answer("1"))] : Array.from({ length: n + 1 }, (_, i) => button(counted(i, "miss", "misses"), () => answer(String(i)))))));
    }
    card.push(make("p", { class: "score" }, make("span", {}, "right ", make("b", {}, `${q.right} of ${q.asked}`)), make("span", {}, "step ", make("b", {}, `${Math.min(q.t, g.steps.length)} of ${g.steps.length}`))));
    const spoken = card.map(node => node.matches(".row-of-buttons") ? "" : node.textContent).filter(Boolean).slice(0, 2).join(" ");
    return { bodies: [{ ...bodyOf(timeline, g.target, shown, g.slots), marks: new Map(q.marks.filter(m => m.t < q.t).map(m => [m.t, m.good && m.victim !== false])) }], here: Math.min(q.t, g.steps.length - 1), now: "", card: spokenCard(card, spoken), reasons: last && !q.open && q.frames[last.t].evicted.length ? [reasonPanel(timeline, g.target, q.frames, last.t)] : [] };
  },

  cache(g, timeline) {
    const { layout } = timeline, own = turn(g, timeline), wait = own.waiting, t = wait ? wait.t : g.steps.length, over = !wait;
    const rivals = g.players.map(name => [name, playerPlays(timeline, g.slots, name).frames]), card = [];
    const give = page => change({ victims: [...g.victims, page] });
    if (wait) {
      card.push(make("h2", {}, `Step ${t}: ${asksFor(timeline, t)}. What do you give up?`));
      card.push(make("div", { class: "row-of-buttons" }, ...wait.candidates.map(p => button(layout.label(p), () => give(p)))));
    } else card.push(make("h2", {}, !g.steps.length ? "There is no sequence yet: type one, or choose an example." : outcome(own.misses, rivals)));
    const far = frames => t ? frames[t - 1].misses : 0;
    card.push(make("p", { class: "score" }, make("span", {}, "you ", make("b", {}, String(own.misses))), ...rivals.map(([name, frames]) => make("span", {}, `${PLAYERS[name].label} `, make("b", {}, String(far(frames))))), make("span", { class: "soft" }, over ? "misses in the end" : `misses after ${counted(t, "step")}`)));
    const look = make("label", {}, make("input", { type: "checkbox", id: "future", ...(g.future ? { checked: "" } : {}) }), " show what comes");
    look.firstChild.addEventListener("change", event => change({ future: event.target.checked }));
    if (!over) card.push(make("p", { class: "noprint" }, look));
    const mine = { label: "You", said: missesOf(own.frames, asked(timeline, t)), frames: own.frames, slots: g.slots };
    return { bodies: [mine, ...(over && g.steps.length ? rivals.map(([name, frames]) => bodyOf(timeline, name, frames, g.slots)) : [])], here: Math.min(t, g.steps.length - 1), hidden: s => !g.future && s > t, secret: !g.future && !over, now: "", card: spokenCard(card, card[0].textContent) };
  },

  adversary(g, timeline) {
    const { layout } = timeline, d = duel(g, timeline), N = g.steps.length, layer = N % layout.layers, { label } = PLAYERS[g.target];
    const held = N ? d.policy.frames[N - 1].slots : [], pages = Array.from({ length: g.experts[layer] }, (_, e) => layout.first[layer] + e);
    const rises = page => duel({ ...g, steps: [...g.steps, [page]] }, new Timeline(layout, [...g.steps, [page]])).optimum[N + 1] - d.optimum[N];
    const card = [make("h2", {}, `Step ${N}: ask ${layout.layerName(layer)} for`)];
    const full = N >= LIMITS.steps;
    card.push(make("div", { class: "row-of-buttons" }, ...pages.map(p => button([layout.label(p), make("small", {}, held.includes(p) ? "held" : "absent"), ...(g.hints && !full ? [make("small", {}, `optimum +${rises(p)}`)] : [])], () => change({ steps: [...g.steps, [p]] }), full ? { disabled: "" } : {}))));
    card.push(make("p", { class: "score" }, make("span", {}, `${label} `, make("b", {}, String(d.cost[N]))), make("span", {}, "optimum ", make("b", {}, String(d.optimum[N]))), make("span", {}, "ratio ", make("b", {}, asRatio(d.cost[N], d.optimum[N]))), ...(g.cycle ? [make("span", {}, "in the cycle ", make("b", {}, asRatio(d.cost[N] - d.cost[g.cycle], d.optimum[N] - d.optimum[g.cycle])))] : [])));
    card.push(cycleTools(g, layout, N, d.lower !== null && N + layout.layers <= LIMITS.steps));
    const note = [d.lower === null ? "" : `k − l + 1 = ${d.lower}: what an adversary can force on every deterministic policy.`, d.upper === null ? "" : `k = ${d.upper}: what LRU, FIFO and FWF never exceed in the long run.`, "The solid line is the ratio from the start, the dotted one the ratio since the cycle began. Only the long run counts: a constant number of misses is free."].filter(Boolean).join(" ");
    const moved = N ? `Step ${N - 1}: ${asksFor(timeline, N - 1)}. ${inWords(timeline, g.target, d.policy.frames[N - 1], N - 1)}.` : "";
    return { bodies: [bodyOf(timeline, g.target, d.policy.frames, g.slots), bodyOf(timeline, "opt", d.best.frames, g.slots)], here: N - 1, now: moved, card, chart: { ...d, cycle: g.cycle, target: label }, chartNote: note, reasons: N ? [reasonPanel(timeline, g.target, d.policy.frames, N - 1)] : [] };
  },
};

// the question is read out with the verdict on the last answer
function spokenCard(card, words) { card.push(make("p", { class: "unseen", role: "status" }, words)); return card; }
function verdict(timeline, name, mark, frame) {
  const right = mark.good && mark.victim !== false, words = `${right ? "Right" : "No"}: ${inWords(timeline, name, frame, mark.t)}.`;
  return make("p", { class: right ? "right" : "wrong" }, `Step ${mark.t}. ${words}`);
}
function outcome(mine, rivals) {
  const opt = rivals.find(([name]) => name === "opt"), totals = rivals.filter(([name]) => name !== "opt").map(([name, frames]) => [PLAYERS[name].label, frames[frames.length - 1].misses]);
  const beaten = totals.filter(([, n]) => mine < n).map(([label]) => label), best = opt && mine === opt[1][opt[1].length - 1].misses;
  return best ? "The end: you are as good as the optimum." : beaten.length ? `The end: you beat ${beaten.join(" and ")}.` : `The end: ${counted(mine, "miss", "misses")}.`;
}
function cycleTools(g, layout, N, provable) {
  const place = make("div", { class: "row-of-buttons" }), times = 10, length = N - g.cycle;
  const fits = length > 0 && length % layout.layers === 0 && N + length * times <= LIMITS.steps && g.cycle % layout.layers === N % layout.layers;
  place.append(button(`a cycle begins here (step ${N})`, () => change({ cycle: N }), N && N % layout.layers === 0 ? {} : { disabled: "" }));
  const proof = { title: "the adversary that forces k − l + 1 on every deterministic policy", ...(provable ? {} : { disabled: "" }) };
  place.prepend(button("a round of the proof", () => change({ steps: proofRound(g) }), proof));
  const loop = g.steps.slice(g.cycle);
  place.append(button(`repeat steps ${g.cycle} to ${Math.max(g.cycle, N - 1)} ten times`, () => change({ steps: [...g.steps, ...Array.from({ length: times }, () => loop).flat()] }), fits ? {} : { disabled: "" }));
  const hint = make("label", {}, make("input", { type: "checkbox", ...(g.hints ? { checked: "" } : {}) }), " hints");
  hint.firstChild.addEventListener("change", event => change({ hints: event.target.checked }));
  place.append(hint);
  return place;
}

// setting up
function setUp() {
  for (const [mode, label] of Object.entries(MODES)) $("modes").append(button(label, () => { pause(); change({ mode, target: mode === "adversary" && game.target === "opt" ? "lru" : game.target }); }, { role: "tab", "data-mode": mode, "aria-controls": "board-place" }));
  $("modes").addEventListener("keydown", event => {
    const tabs = [...$("modes").children], to = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!to) return;
    event.stopPropagation();
    const next = tabs[(tabs.indexOf(event.target) + to + tabs.length) % tabs.length];
    next.click();
    next.focus();
  });
  for (const [name, { label, rule }] of Object.entries(PLAYERS)) {
    $("target").append(make("option", { value: name }, label));
    const box = make("input", { type: "checkbox", value: name });
    box.addEventListener("change", () => change({ players: Object.keys(PLAYERS).filter(p => p === name ? box.checked : game.players.includes(p)) }));
    const place = $("players").querySelectorAll("label").length < 6 ? $("players") : $("more");
    const at = place === $("more") ? null : $("more");
    place.insertBefore(make("label", { title: RULES[rule].text }, box, label), at);
  }
  $("example").append(make("option", { value: "" }, "choose …"), ...shipped.examples.map(([label], i) => make("option", { value: i }, label)), make("option", { value: "random" }, "a random sequence"));
  $("example").onchange = () => {
    const chosen = $("example").value;
    $("example").value = "";
    if (chosen === "random") change(fresh(randomSteps(game.experts, 8 * game.experts.length)));
    else if (chosen !== "") change(readFragment(shipped.examples[chosen][1]));
  };
  const size = () => attempt(() => {
    const layers = whole($("layers").value.trim(), "layers", 1, LIMITS.layers), text = $("experts").value.trim();
    const experts = readExperts(text.includes(",") && text.split(",").length !== layers ? text.split(",")[0] : text, layers);
    const same = writeExperts(experts) === writeExperts(game.experts) && layers === game.experts.length;
    change({ experts, slots: whole($("slots").value.trim(), "slots", 1, LIMITS.pages), ...(same ? { answers: [], victims: [] } : fresh(kept(game.steps, game.experts, experts))) });
  });
  $("layers").onchange = $("experts").onchange = $("slots").onchange = size;
  $("sequence").onchange = () => attempt(() => { const steps = readSequence($("sequence").value, game.experts); change({ ...fresh(steps), step: game.mode === "watch" ? steps.length : 0 }); });
  $("target").onchange = () => change({ target: $("target").value, answers: [] });
  $("first").onclick = () => go(0); $("back").onclick = () => go(game.step - 1); $("next").onclick = () => go(game.step + 1); $("last").onclick = () => go(game.steps.length);
  $("play").onclick = playOn; $("undo").onclick = undo; $("theme").onclick = switchTheme;
  $("again").onclick = () => change(game.mode === "adversary" ? fresh([]) : { answers: [], victims: [] });
  $("link").onclick = () => copy(location.href, $("link"));
  $("svg").onclick = () => take("svg"); $("tikz").onclick = () => take("tex");
  $("export-close").onclick = () => $("export").close();
  $("export-copy").onclick = () => copy($("export-text").value, $("export-copy"));
  boardKeys($("board"), (t, expert) => marked.editable && press(t, new Layout(game.experts).first[t % game.experts.length] + expert, true), () => marked.editable && removeLast());
  document.addEventListener("keydown", keys);
  addEventListener("hashchange", open);
  addEventListener("resize", keepInSight);
  new ResizeObserver(() => { if (marked && marked.chart) drawChart($("chart"), marked.chart); }).observe($("chart-place"));
  legend($("legend"), LOOKS.filter(([look]) => look !== "gone"));
  $("columns").textContent = COLUMNS_READ;
  if (new URLSearchParams(location.search).has("embed")) document.documentElement.dataset.embed = "";
}
function attempt(act) { try { act(); } catch (error) { if (!(error instanceof Wrong)) throw error; say(error.message); } }
// other sizes keep the sequence where it still fits
function kept(steps, before, after) { try { return readSequence(writeSequence(steps, before), after); } catch (error) { return []; } }
const randomSteps = (experts, length) => { const layout = new Layout(experts); return Array.from({ length }, (_, t) => [layout.first[t % experts.length] + Math.floor(Math.random() * experts[t % experts.length])]); };

function go(t) { change({ step: Math.max(0, Math.min(game.steps.length, t)) }, { keep: true }); }
function pause() { clearInterval(timer); timer = null; $("play").textContent = "▶ play"; $("play").setAttribute("aria-label", "Play"); }
function playOn() {
  if (timer) return pause();
  if (game.step === game.steps.length) go(0);
  timer = setInterval(() => { if (game.step >= game.steps.length) pause(); else go(game.step + 1); }, 700);
  $("play").textContent = "❚❚ pause"; $("play").setAttribute("aria-label", "Pause");
}
function keys(event) {
  if (event.altKey || event.target.matches("input:not([type=checkbox]), select, textarea") || $("export").open) return;
  if ((event.ctrlKey || event.metaKey) && event.key === "z") { event.preventDefault(); return undo(); }
  if (event.ctrlKey || event.metaKey) return;
  if (/^[1-9]$/.test(event.key)) { const choice = $("card").querySelectorAll(".row-of-buttons button")[event.key - 1]; if (choice) choice.click(); return; }
  const steps = { ArrowRight: () => go(game.step + 1), ArrowLeft: () => go(game.step - 1), Home: () => go(0), End: () => go(game.steps.length), " ": playOn };
  const any = { u: undo, t: switchTheme };
  if (event.key === " " && event.target.matches("button, input, summary, a")) return;
  const act = any[event.key] || (game.mode === "watch" && steps[event.key]);
  if (act) { event.preventDefault(); act(); }
}

// taking it along
async function copy(text, from) {
  const words = from.textContent;
  try { await navigator.clipboard.writeText(text); from.textContent = "copied"; }
  catch (error) { // where a page may not write: show it, selected
    $("export-title").textContent = "Copy this"; $("export-text").value = text; $("export-note").textContent = "";
    if (!$("export").open) $("export").showModal();
    $("export-text").select();
  }
  setTimeout(() => { from.textContent = words; }, 1500);
}
function picture(kind) {
  const timeline = timelineOf(game), { layout } = timeline, until = game.mode === "watch" ? game.step || game.steps.length : Math.max(...marked.bodies.map(b => b.frames.length));
  const bodies = game.mode === "watch" && !game.step ? game.players.map(name => bodyOf(timeline, name, playerPlays(timeline, game.slots, name).frames, game.slots)) : marked.bodies;
  const plays = bodies.map(({ label, frames }) => ({ label, frames: frames.slice(0, until), total: asked(timeline, until) }));
  const title = `${plays.map(p => p.label).join(", ")}: ${counted(game.slots, "slot")}, ${writeSequence(game.steps.slice(0, until), game.experts)}`;
  return (kind === "svg" ? figureAsSVG : figureAsTikZ)(figure(layout, game.steps.slice(0, until), timeline.at, plays), title);
}
function command() {
  const uniform = game.experts.every(n => n === game.experts[0]), names = (["watch", "cache"].includes(game.mode) ? game.players : [game.target, "opt"]).map(n => PLAYERS[n].python);
  const quoted = names.map(n => /^[\w-]+$/.test(n) ? n : `"${n}"`).join(" "), whole = game.steps.length % game.experts.length === 0;
  return uniform && whole && game.steps.length ? `layered-paging show --sequence "${writeSequence(game.steps, game.experts)}" --experts ${game.experts[0]} --slots ${game.slots} --policy ${quoted} -o replay.html` : "";
}
function take(kind) {
  const text = picture(kind), line = command();
  $("export-title").textContent = kind === "svg" ? "The board as SVG" : "The board as TikZ";
  $("export-text").value = text;
  $("export-note").textContent = line ? `The same as a replay page: ${line}` : "";
  $("export-save").href = URL.createObjectURL(new Blob([text], { type: kind === "svg" ? "image/svg+xml" : "application/x-tex" }));
  $("export-save").download = `board.${kind}`;
  $("export").showModal();
}

function open() {
  pause();
  let wanted = null, wrong = "";
  try { wanted = readFragment(location.hash.length > 1 ? location.hash : shipped.examples[0][1]); }
  catch (error) { if (!(error instanceof Wrong) && !(error instanceof URIError)) throw error; wrong = `The address cannot be played: ${error.message}`; wanted = readFragment(shipped.examples[0][1]); }
  change(wanted, { quiet: true, keep: true });
  if (wrong) say(wrong);
  $("full").firstChild.href = location.href.replace(/\?embed[^#]*/, "");
}
setUp();
open();

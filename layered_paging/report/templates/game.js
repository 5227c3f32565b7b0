// The playground's state: what is played, by whom, how far; its text in the address; nothing of the document.
"use strict";

const LIMITS = { layers: 8, experts: 16, pages: 48, steps: 600 };
const PLAYERS = {
  lru: { label: "LRU", rule: "lru", python: "lru" },
  llru: { label: "LLRU", rule: "llru", python: "llru" },
  opt: { label: "OPT", rule: "belady", python: "opt" },
  fifo: { label: "FIFO", rule: "fifo", python: "fifo" },
  lfu: { label: "LFU", rule: "lfu", python: "lfu" },
  "mark-far": { label: "MARK-FAR", rule: "mark-far", python: "mark-far" },
  clock: { label: "CLOCK", rule: "clock", python: "clock" },
  "lru-2": { label: "LRU-2", rule: "lru-2", python: "lru-2" },
  "least-stale": { label: "LEAST-STALE", rule: "least-stale", python: "least-stale" },
  lifo: { label: "LIFO", rule: "lifo", python: "lifo" },
  fwf: { label: "FWF", rule: "fwf", python: "fwf" },
  "llru-absolute": { label: "LLRU, absolute rounds", rule: "llru", params: { rounds: "absolute" }, python: "llru(rounds='absolute')" },
  "llru-near": { label: "LLRU, near", rule: "llru", params: { same_layer: "near" }, python: "llru(same_layer='near')" },
  "llru-absolute-near": { label: "LLRU, absolute, near", rule: "llru", params: { rounds: "absolute", same_layer: "near" }, python: "llru(rounds='absolute', same_layer='near')" },
};
for (const player of Object.values(PLAYERS)) player.params = player.params || {};
const MODES = { watch: "Watch", predict: "Predict", cache: "Be the cache", adversary: "Be the adversary" };

const playerPlays = (timeline, slots, name, until) => play(timeline, slots, { rule: RULES[PLAYERS[name].rule], params: PLAYERS[name].params, until });

class Wrong extends Error {}
const whole = (text, what, low, high) => {
  if (!/^\d{1,6}$/.test(text) || Number(text) < low || Number(text) > high) throw new Wrong(`${what} must be a number from ${low} to ${high}; got "${text}"`);
  return Number(text);
};

// rounds separated by blanks, layers by commas, experts of an event by +, - for none; the last round may be unfinished
function readSequence(text, experts) {
  const layout = new Layout(experts), steps = [], rounds = text.trim().split(/[\s_]+/).filter(Boolean);
  rounds.forEach((round, r) => {
    const events = round.split(",");
    if (events.length > layout.layers || (events.length < layout.layers && r < rounds.length - 1)) throw new Wrong(`round ${r}, "${round}", names ${counted(events.length, "layer")}; there are ${layout.layers}`);
    events.forEach((event, layer) => {
      if (!/^(-|\d{1,6}(\+\d{1,6})*)$/.test(event)) throw new Wrong(`round ${r}, ${layout.layerName(layer)}: write experts as numbers joined by +, or -; got "${event}"`);
      const chosen = event === "-" ? [] : event.split("+").map(Number);
      const beyond = chosen.find(e => e >= experts[layer]);
      if (beyond !== undefined) throw new Wrong(`round ${r}, ${layout.layerName(layer)}: experts are 0 to ${experts[layer] - 1}; got ${beyond}`);
      if (new Set(chosen).size < chosen.length) throw new Wrong(`round ${r}, ${layout.layerName(layer)}: an expert is named twice; got "${event}"`);
      steps.push(chosen.map(e => layout.first[layer] + e).sort((a, b) => a - b));
    });
  });
  if (steps.length > LIMITS.steps) throw new Wrong(`a sequence has at most ${LIMITS.steps} steps here; got ${steps.length}`);
  return steps;
}

function writeSequence(steps, experts, blank = " ") {
  const layout = new Layout(experts), events = steps.map((step, t) => step.map(p => p - layout.first[t % layout.layers]).join("+") || "-");
  const rounds = [];
  for (let t = 0; t < events.length; t += layout.layers) rounds.push(events.slice(t, t + layout.layers).join(","));
  return rounds.join(blank);
}

// sizes such as "3" for every layer, or "3,2"
function readExperts(text, layers) {
  const sizes = text.split(",").map(n => whole(n.trim(), "experts of a layer", 1, LIMITS.experts));
  if (sizes.length !== 1 && sizes.length !== layers) throw new Wrong(`experts must be one number, or one of each of the ${layers} layers; got ${sizes.length}`);
  const experts = sizes.length === 1 ? new Array(layers).fill(sizes[0]) : sizes, pages = experts.reduce((a, b) => a + b, 0);
  if (pages > LIMITS.pages) throw new Wrong(`at most ${LIMITS.pages} pages fit on this page; got ${pages}`);
  return experts;
}
const writeExperts = experts => experts.every(n => n === experts[0]) ? String(experts[0]) : experts.join(",");

const START = { mode: "watch", experts: [3, 3], slots: 3, players: ["lru", "llru", "opt"], target: "lru", steps: [], step: 0, answers: [], victims: [], cycle: 0, future: false, hints: false };

// what cannot be played is refused: an event that does not fit, a policy that is not there
function checked(game) {
  const most = Math.max(1, ...game.steps.map(s => s.length));
  if (game.slots < most) throw new Wrong(`slots must hold the largest event, ${most}; got ${game.slots}`);
  const unknown = [...game.players, game.target].find(name => !PLAYERS[name]);
  if (unknown !== undefined) throw new Wrong(`policies are ${Object.keys(PLAYERS).join(", ")}; got "${unknown}"`);
  if (!(game.mode in MODES)) throw new Wrong(`mode must be ${Object.keys(MODES).join(", ")}; got "${game.mode}"`);
  if (!game.players.length) throw new Wrong("choose at least one policy");
  if (game.mode === "adversary" && game.target === "opt") throw new Wrong("the adversary plays against a policy that does not know the future; got opt");
  return { ...game, step: Math.min(game.step, game.steps.length), cycle: Math.min(game.cycle, game.steps.length) };
}

function readFragment(fragment) {
  const fields = new Map(fragment.replace(/^#/, "").split("&").filter(Boolean).map(part => { const [key, ...rest] = part.split("="); return [key, decodeURIComponent(rest.join("="))]; }));
  const known = ["mode", "layers", "experts", "slots", "policies", "policy", "sequence", "step", "answers", "victims", "cycle", "future", "hints"];
  const odd = [...fields.keys()].find(key => !known.includes(key));
  if (odd !== undefined) throw new Wrong(`the address may name ${known.join(", ")}; got "${odd}"`);
  const get = (key, otherwise, read) => fields.has(key) ? read(fields.get(key)) : otherwise;
  const layers = get("layers", 2, text => whole(text, "layers", 1, LIMITS.layers));
  const experts = get("experts", new Array(layers).fill(3), text => readExperts(text, layers));
  const list = text => text ? text.split(",") : [], pages = experts.reduce((a, b) => a + b, 0);
  const steps = get("sequence", [], text => readSequence(text, experts));
  return checked({
    mode: get("mode", START.mode, text => text), experts, steps, slots: get("slots", START.slots, text => whole(text, "slots", 1, LIMITS.pages)),
    players: get("policies", START.players, list), target: get("policy", START.target, text => text),
    step: get("step", 0, text => whole(text, "step", 0, LIMITS.steps)), cycle: get("cycle", 0, text => whole(text, "cycle", 0, LIMITS.steps)),
    answers: get("answers", [], text => list(text).map(word => { if (!/^\d+(:\d+)?$/.test(word)) throw new Wrong(`answers are misses, or misses:page; got "${word}"`); return word; })),
    victims: get("victims", [], text => list(text).map(word => whole(word, "a victim", 0, pages - 1))),
    future: get("future", false, text => text === "1"), hints: get("hints", false, text => text === "1"),
  });
}

function writeFragment(game) {
  const { mode } = game, fields = { mode, layers: game.experts.length, experts: writeExperts(game.experts), slots: game.slots };
  if (mode === "watch" || mode === "cache") fields.policies = game.players.join(",");
  if (mode === "predict" || mode === "adversary") fields.policy = game.target;
  if (game.steps.length) fields.sequence = writeSequence(game.steps, game.experts, "_");
  if (mode === "watch" && game.step) fields.step = game.step;
  if (mode === "predict" && game.answers.length) fields.answers = game.answers.join(",");
  if (mode === "cache" && game.victims.length) fields.victims = game.victims.join(",");
  if (mode === "cache" && game.future) fields.future = 1;
  if (mode === "adversary" && game.cycle) fields.cycle = game.cycle;
  if (mode === "adversary" && game.hints) fields.hints = 1;
  return "#" + Object.entries(fields).map(([key, value]) => `${key}=${value}`).join("&");
}

// Predict: which answers were right, and what is asked now
function quiz(game, timeline) {
  const frames = playerPlays(timeline, game.slots, game.target).frames, marks = [];
  let t = 0, right = 0, asked = 0, open = null;
  for (const word of game.answers) {
    while (t < frames.length && !timeline.steps[t].length) t++; // nothing is asked for, nothing to guess
    if (t >= frames.length || open) throw new Wrong(`there are more answers than questions; got ${game.answers.length}`);
    const [misses, page] = word.split(":").map(Number), frame = frames[t], good = misses === frame.absent.length;
    marks.push({ t, good, guess: misses, page: page ?? null, victim: null });
    asked++; right += good;
    if (frame.evicted.length) {
      if (page === undefined) open = { t, frame };
      else { marks[marks.length - 1].victim = page === frame.evicted[0]; asked++; right += page === frame.evicted[0]; }
    }
    if (!open) t++;
  }
  while (!open && t < frames.length && !timeline.steps[t].length) t++;
  return { frames, marks, right, asked, t, open };
}

// Be the cache: play the victims that were chosen, then wait
function turn(game, timeline) {
  let at = 0;
  const played = play(timeline, game.slots, { choose: (candidates, t) => {
    const page = game.victims[at++];
    if (page !== undefined && !candidates.includes(page)) throw new Wrong(`step ${t}: ${timeline.layout.label(page)} cannot be given up there`);
    return page;
  } });
  if (at < game.victims.length) throw new Wrong(`there are more victims than evictions; got ${game.victims.length}`);
  return played;
}

// Be the adversary: what it cost so far, and since the cycle began
function duel(game, timeline) {
  const policy = playerPlays(timeline, game.slots, game.target), best = playerPlays(timeline, game.slots, "opt");
  const cost = [0, ...policy.frames.map(f => f.misses)], optimum = [0, ...best.frames.map(f => f.misses)];
  const pages = timeline.layout.pages, k = game.slots, l = timeline.layout.layers;
  const single = game.steps.every(s => s.length === 1);
  return { policy, best, cost, optimum, lower: single && k >= l && k < pages ? k - l + 1 : null, upper: single && k < pages ? k : null };
}

// The next round of the adversary that proves k - l + 1.  It plays on k + 1 pages, at least one in each layer: it asks
// for the page that the policy lacks where that is in the layer, and otherwise again for what the layer asked for last.
function proofRound(game) {
  const layout = new Layout(game.experts), l = layout.layers, take = game.experts.map(() => 1);
  for (let left = game.slots + 1 - l, j = 0; left > 0; j = (j + 1) % l) if (take[j] < game.experts[j]) { take[j]++; left--; }
  const steps = game.steps.slice();
  do {
    const layer = steps.length % l, pages = Array.from({ length: take[layer] }, (_, e) => layout.first[layer] + e);
    const frames = playerPlays(new Timeline(layout, steps), game.slots, game.target).frames;
    const held = frames.length ? frames[frames.length - 1].slots : [], absent = pages.find(p => !held.includes(p));
    steps.push([absent ?? steps[steps.length - l][0]]);
  } while (steps.length % l);
  return steps;
}

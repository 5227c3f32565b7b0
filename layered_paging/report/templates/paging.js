// Sequences, what is known about a page at a step, and policies as orders of eviction.
// The replay page explains evictions by these rules; the playground plays by them.
"use strict";

const counted = (n, noun, many) => `${n.toLocaleString("en")} ${n === 1 ? noun : many || noun + "s"}`;

// pages are numbered layer by layer, as in Python
class Layout {
  constructor(experts) {
    this.experts = experts;
    this.layers = experts.length;
    this.first = [];
    this.pages = 0;
    for (const n of experts) { this.first.push(this.pages); this.pages += n; }
    this.layerOf = new Int32Array(this.pages);
    experts.forEach((n, layer) => this.layerOf.fill(layer, this.first[layer], this.first[layer] + n));
  }

  letter(layer) { return this.layers <= 26 ? String.fromCharCode(97 + layer) : String(layer); }

  label(page) {
    const layer = this.layerOf[page], expert = page - this.first[layer];
    if (this.layers === 1) return String(expert);
    return this.layers <= 26 ? this.letter(layer) + expert : layer + ":" + expert;
  }

  layerName(layer) { return this.layers === 1 ? "the layer" : "layer " + this.letter(layer); }
}

// number of entries of a sorted list below x
const below = (list, x) => {
  let low = 0, high = list.length;
  while (low < high) { const middle = (low + high) >> 1; if (list[middle] < x) low = middle + 1; else high = middle; }
  return low;
};

// a sequence of events (lists of pages), and when each page was and will be requested
class Timeline {
  constructor(layout, steps, { rounds, at, sessions = [], reset = "never" } = {}) {
    const layers = layout.layers;
    Object.assign(this, { layout, steps, sessions, reset, length: steps.length });
    this.rounds = rounds || steps.map((_, t) => Math.floor(t / layers));
    this.at = at || steps.map((_, t) => t % layers);
    this.emptied = reset !== "never";
    this.uses = Array.from({ length: layout.pages }, () => []);
    steps.forEach((step, t) => step.forEach(page => this.uses[page].push(t)));
    this.start = new Int32Array(steps.length);
    for (let t = 0, start = 0, k = 0; t < steps.length; t++) {
      if (sessions[k] === t) { start = t; k++; }
      this.start[t] = start;
    }
  }

  // does the cache start empty at this step, after others?
  begins(t) { return this.emptied && t > 0 && this.start[t] === t; }

  end(t) { for (const s of this.sessions) if (s > t) return s; return this.length; }

  last(page, t) { const k = below(this.uses[page], t + 1); return k ? this.uses[page][k - 1] : -1; }

  // the request before the last one, -1 if there is none since the policy forgot
  lastButOne(page, t) {
    const k = below(this.uses[page], t + 1), use = k > 1 ? this.uses[page][k - 2] : -1;
    return this.reset === "session" && use < this.start[t] ? -1 : use;
  }

  // the next request, -1 if there is none before the cache is emptied
  next(page, t) {
    const k = below(this.uses[page], t + 1), use = k < this.uses[page].length ? this.uses[page][k] : -1;
    return use >= 0 && this.emptied && use >= this.end(t) ? -1 : use;
  }

  count(page, t) {
    return below(this.uses[page], t + 1) - (this.reset === "session" ? below(this.uses[page], this.start[t]) : 0);
  }

  // LLRU's indices: R, visits (or rounds) since the last request; D, layers forward to the page's own
  indices(page, t, { rounds = "visit", same_layer = "far" } = {}) {
    const last = this.last(page, t), layer = this.at[t], own = this.layout.layerOf[page], L = this.layout.layers;
    const R = this.rounds[t] - this.rounds[last] - (rounds !== "absolute" && own > layer ? 1 : 0);
    return [R, (own - layer + L) % L || (same_layer === "near" ? 0 : L)];
  }

  // everything that a rule may look at; what only a replay knows (loaded, phase) is given to it
  facts(page, t, params, { loaded, phase }) {
    const [R, D] = this.indices(page, t, params), last = this.last(page, t);
    const next = this.next(page, t), own = this.layout.layerOf[page];
    return {
      page, last, R, D, next, loaded, uses: params.history === "cache" ? below(this.uses[page], t + 1) - below(this.uses[page], loaded) : this.count(page, t),
      lastButOne: this.lastButOne(page, t), marked: last >= phase, label: this.layout.label(page),
      stale: this.rounds[last] < this.rounds[t] && own <= this.at[t],
    };
  }
}

// a policy that is not an order: a ring of pages behind a hand, which spares whatever was used since it last came by
class Clock {
  constructor() { this.ring = []; this.waiting = []; this.used = new Map(); }

  hit(page) { this.used.set(page, true); }

  miss(page, t) { this.waiting.push([page, t]); this.used.set(page, true); }

  // pages enter behind the hand when their own event's evictions are over
  victim(candidates, t) {
    const early = this.waiting.filter(([, at]) => at < t), mayGo = page => candidates.includes(page);
    this.ring.push(...early.map(([page]) => page));
    this.waiting = this.waiting.filter(([, at]) => at >= t);
    for (;;) {
      const page = this.ring.shift();
      if (mayGo(page) && !this.used.get(page)) return page;
      if (mayGo(page)) this.used.set(page, false);
      this.ring.push(page);
    }
  }
}

// the first candidate in ascending order goes; the last entry of every order is the page number
const never = f => f.next < 0 ? Infinity : f.next;
const again = f => f.next < 0 ? "never requested again" : `next requested at step ${f.next}`;
const used = f => `last requested at step ${f.last}`;
const RULES = {
  lru: { order: f => [f.last, f.page], why: f => `${used(f)}, longest ago`, text: "the page requested longest ago goes" },
  llru: { order: f => [-f.R, -f.D, f.page], why: f => `R = ${f.R}, D = ${f.D}: largest R, then largest D`, text: "largest R goes, then largest D" },
  fifo: { order: f => [f.loaded, f.page], why: f => `loaded at step ${f.loaded}, longest ago`, text: "the page loaded longest ago goes" },
  lfu: { order: f => [f.uses, f.last, f.page], why: f => `${counted(f.uses, "use")}, fewest`, text: "the page with the fewest uses goes, then the one requested longest ago" },
  belady: { order: f => [-never(f), f.page], why: f => f.next < 0 ? again(f) : `${again(f)}, furthest`, text: "the page whose next request is furthest goes: the optimum" },
  lifo: { order: f => [-f.loaded, -f.page], why: f => `loaded at step ${f.loaded}, last`, text: "the page loaded last goes" },
  "lru-2": { order: f => [f.lastButOne, f.last, f.page], why: f => f.lastButOne < 0 ? `used once, ${used(f)}` : `last use but one at step ${f.lastButOne}, oldest`, text: "the page whose last use but one is oldest goes" },
  "mark-lru": { phases: true, order: f => [f.marked, f.last, f.page], why: f => `unmarked, ${used(f)}, longest ago`, text: "of the pages not requested in this phase, the one requested longest ago goes" },
  "mark-far": { phases: true, order: f => [f.marked, -f.D, f.last, f.page], why: f => `unmarked, ${counted(f.D, "layer")} ahead, furthest`, text: "of the pages not requested in this phase, the one whose layer comes round last goes" },
  "least-stale": { order: f => [!f.stale, f.last, f.page], why: f => f.stale ? `its layer has passed without it, ${used(f)}` : `${used(f)}, longest ago`, text: "pages that their layer has passed over in this round go first, then the oldest" },
  clock: { machine: Clock, why: () => "the first that the hand met and that was not used since it last came by", text: "a hand goes round: a page used since the last time is spared once, the first other one goes" },
  fwf: { flush: true, order: f => [f.page], why: () => "everything outside the event goes", text: "everything goes when the cache is full" },
};
const compared = (a, b) => {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return a[i] < b[i] ? -1 : 1;
  return 0;
};

// candidates in the order in which a rule would let them go
const ordered = (rule, rows) => rows.map(f => [rule.order(f), f]).sort((x, y) => compared(x[0], y[0])).map(x => x[1]);

const plainRule = { order: f => [f.last, f.page], why: f => `${used(f)}, ${counted(f.uses, "use")}, ${again(f)}` };

// the step at which the present phase began, after the policy was asked for a victim among these at step t
const phaseAfter = (timeline, candidates, t, phase) => candidates.every(page => timeline.last(page, t) >= phase) ? t : phase;

// Play a rule on a timeline: one frame a step, with what is held in which slot afterwards.
// `choose(candidates, t)` in place of a rule lets a person decide; undefined ends the play there.
function play(timeline, slots, { rule, params = {}, choose, until = timeline.length } = {}) {
  const held = new Array(slots).fill(-1), loaded = new Map(), frames = [], machine = rule && rule.machine ? new rule.machine() : null;
  let phase = 0, misses = 0;
  for (let t = 0; t < until; t++) {
    const event = timeline.steps[t], hits = event.filter(p => held.includes(p)), absent = event.filter(p => !held.includes(p));
    absent.forEach(p => loaded.set(p, t));
    if (machine) { hits.forEach(p => machine.hit(p)); absent.forEach(p => machine.miss(p, t)); }
    const evicted = [], asked = [];
    let over = held.filter(p => p >= 0).length + absent.length - slots;
    while (over > 0) {
      const candidates = held.filter(p => p >= 0 && !event.includes(p)).sort((a, b) => a - b);
      if (!candidates.length) throw new RangeError(`step ${t}: ${counted(event.length, "page")} cannot stay together in ${counted(slots, "slot")}`);
      if (rule && rule.phases) phase = phaseAfter(timeline, candidates, t, phase);
      asked.push({ candidates, phase });
      const rows = () => candidates.map(p => timeline.facts(p, t, params, { loaded: loaded.get(p), phase }));
      const gone = choose ? [choose(candidates, t)] : machine ? [machine.victim(candidates, t)] : rule.flush ? candidates : [ordered(rule, rows())[0].page];
      if (gone[0] === undefined) return { frames, misses, waiting: { t, candidates, hits, absent } };
      for (const page of gone) { held[held.indexOf(page)] = -1; evicted.push(page); }
      over -= gone.length;
    }
    for (const page of absent) held[held.indexOf(-1)] = page;
    misses += absent.length;
    frames.push({ hits, absent, evicted, asked, slots: held.slice(), loaded: new Map(loaded), misses });
  }
  return { frames, misses, waiting: null };
}

// what a policy could have evicted at a step of a play, in its order, with what it knew
function considered(timeline, frame, t, rule, params) {
  if (!frame.asked.length || !rule.order) return [];
  const { candidates, phase } = frame.asked[0];
  return ordered(rule, candidates.map(p => timeline.facts(p, t, params, { loaded: frame.loaded.get(p), phase })));
}

// A short replay as a picture for a slide: SVG and TikZ.  `layered-paging show --static` writes the same bytes.
"use strict";

const FIGURE = { label: 74, height: 24, gap: 10, ink: "#1b1b1b", soft: "#5b5b5b", line: "#c9c9c9", edge: "#7d7d7d", held: "#cfd8e3", hit: "#0072b2", load: "#b34700", gone: "#6b3fa0", mark: "#ffffff" };

// Shapes of a figure, from top to bottom.  `plays`: label, requests so far, frames; one column a step.
function figure(layout, steps, at, plays) {
  const F = FIGURE, names = list => list.map(page => layout.label(page)).join(" ");
  const written = [...steps.map(names), ...plays.flatMap(p => p.frames.map(f => names(f.evicted)))];
  const longest = Math.max(2, ...written.map(text => text.length));
  const width = 14 + 8 * longest, shapes = [];
  const x = t => F.label + t * width, text = (x, y, words, style, color = F.ink, anchor = "middle") => { if (words) shapes.push({ kind: "text", x, y, words, style, color, anchor }); };
  const row = (y, label, cell) => {
    text(0, y + 12, label, "plain", F.soft, "start");
    steps.forEach((_, t) => cell(t, x(t), x(t) + width / 2, y));
  };
  const rules = (top, bottom) => { if (layout.layers > 1) steps.forEach((_, t) => { if (t && at[t] === 0) shapes.push({ kind: "line", x: x(t), top, bottom }); }); };
  let y = 0, wide = x(steps.length);
  row(y, "asks for", (t, left, middle) => text(middle, y + 12, names(steps[t]) || "–", "bold"));
  y += F.height;
  rules(0, y);
  for (const { label, total, frames } of plays) {
    y += F.gap;
    text(0, y + 12, label, "bold", F.ink, "start");
    const paid = `${frames.length ? frames[frames.length - 1].misses : 0} of ${total} missed`, beside = Math.max(F.label, 4 + 10 * label.length);
    text(beside, y + 12, paid, "plain", F.ink, "start");
    wide = Math.max(wide, beside + 7 * paid.length);
    y += F.height;
    const top = y, slots = frames.length ? frames[0].slots.length : 0;
    for (let slot = 0; slot < slots; slot++) {
      row(y, `slot ${slot + 1}`, (t, left, middle) => {
        const frame = frames[t];
        if (!frame) return;
        const page = frame.slots[slot], look = page < 0 ? "empty" : frame.absent.includes(page) ? "load" : frame.hits.includes(page) ? "hit" : "held";
        shapes.push({ kind: "cell", look, x: left + 2, y: y + 2, width: width - 4, height: F.height - 4 });
        if (page >= 0) text(middle, y + 12, layout.label(page), look === "held" ? "plain" : "bold", look === "held" ? F.ink : F.mark);
      });
      y += F.height;
    }
    row(y, "missed", (t, left, middle) => { if (frames[t]) text(middle, y + 12, "✕".repeat(frames[t].absent.length) || "·", "bold"); });
    y += F.height;
    row(y, "evicted", (t, left, middle) => { if (frames[t]) text(middle, y + 12, names(frames[t].evicted), "plain", F.gone); });
    y += F.height;
    rules(top, y);
  }
  return { width: wide, height: y, shapes };
}

// the outline of a loaded page's house
const house = s => [[s.x, s.y + 7], [s.x + s.width / 2, s.y], [s.x + s.width, s.y + 7], [s.x + s.width, s.y + s.height], [s.x, s.y + s.height]];

const escaped = text => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/"/g, "&quot;").replace(/'/g, "&#x27;");

function figureAsSVG({ width, height, shapes }, title) {
  const F = FIGURE, lines = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="-4 -4 ${width + 8} ${height + 8}" width="${width + 8}" height="${height + 8}" font-family="Helvetica, Arial, sans-serif" font-size="13" role="img">`,
    `<title>${escaped(title)}</title>`,
  ];
  for (const s of shapes) {
    if (s.kind === "line") lines.push(`<line x1="${s.x}" y1="${s.top}" x2="${s.x}" y2="${s.bottom}" stroke="${F.edge}"/>`);
    else if (s.kind === "text") lines.push(`<text x="${s.x}" y="${s.y}" fill="${s.color}" text-anchor="${s.anchor}" dominant-baseline="central"${s.style === "bold" ? ' font-weight="bold"' : ""}>${escaped(s.words)}</text>`);
    else if (s.look === "load") lines.push(`<polygon points="${house(s).map(p => p.join(",")).join(" ")}" fill="${F.load}" stroke="${F.ink}"/>`);
    else if (s.look === "hit") lines.push(`<rect x="${s.x}" y="${s.y}" width="${s.width}" height="${s.height}" rx="10" fill="${F.hit}" stroke="${F.ink}"/>`);
    else lines.push(`<rect x="${s.x}" y="${s.y}" width="${s.width}" height="${s.height}" rx="2" fill="${s.look === "held" ? F.held : "none"}" stroke="${s.look === "held" ? F.edge : F.line}"/>`);
  }
  return [...lines, "</svg>", ""].join("\n");
}

const LATEX = { "\\": "\\textbackslash{}", "{": "\\{", "}": "\\}", "$": "\\$", "&": "\\&", "#": "\\#", "%": "\\%", "_": "\\_", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "✕": "$\\times$", "·": "$\\cdot$", "–": "--" };
const asLatex = text => [...text].map(c => LATEX[c] || c).join("");

function figureAsTikZ({ shapes }, title) {
  const F = FIGURE, named = ["ink", "soft", "line", "edge", "held", "hit", "load", "gone", "mark"];
  const name = color => "lp" + named.find(key => F[key] === color);
  const lines = [
    `% ${title.replace(/\s+/g, " ")}`, "% needs \\usepackage{tikz}",
    ...named.map(key => `\\definecolor{lp${key}}{HTML}{${F[key].slice(1).toUpperCase()}}`),
    "\\begin{tikzpicture}[x=0.75pt, y=-0.75pt, font=\\sffamily\\scriptsize, inner sep=0pt]",
  ];
  for (const s of shapes) {
    const corner = `(${s.x},${s.y}) rectangle (${s.x + s.width},${s.y + s.height});`;
    if (s.kind === "line") lines.push(`\\draw[lpedge] (${s.x},${s.top}) -- (${s.x},${s.bottom});`);
    else if (s.kind === "text") lines.push(`\\node[text=${name(s.color)}, anchor=${s.anchor === "start" ? "west" : "center"}] at (${s.x},${s.y}) {${s.style === "bold" ? `\\textbf{${asLatex(s.words)}}` : asLatex(s.words)}};`);
    else if (s.look === "load") lines.push(`\\filldraw[fill=lpload, draw=lpink] ${house(s).map(p => `(${p.join(",")})`).join(" -- ")} -- cycle;`);
    else if (s.look === "hit") lines.push(`\\filldraw[fill=lphit, draw=lpink, rounded corners=7pt] ${corner}`);
    else if (s.look === "held") lines.push(`\\filldraw[fill=lpheld, draw=lpedge] ${corner}`);
    else lines.push(`\\draw[lpline] ${corner}`);
  }
  return [...lines, "\\end{tikzpicture}", ""].join("\n");
}

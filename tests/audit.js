() => {
  // What is wrong with a page as it stands, as a list of lines: content beyond the window or its container, text that is
  // cut, panels on one another, too little contrast, fills that paper loses.
  const found = [], canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true }), known = new Map();
  const printed = matchMedia("print").matches;

  function rgba(text) {
    if (!known.has(text)) {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = text;
      canvas.fillRect(0, 0, 1, 1);
      known.set(text, [...canvas.getImageData(0, 0, 1, 1).data]);
    }
    return known.get(text);
  }
  const over = (front, back) => [0, 1, 2].map(i => (front[i] * front[3] + back[i] * (255 - front[3])) / 255).concat(255);
  const linear = v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => .2126 * linear(r) + .7152 * linear(g) + .0722 * linear(b);
  function contrast(one, other) {
    const [a, b] = [light(one), light(other)];
    return (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
  }
  function say(e, words) {
    const kind = typeof e.className === "string" && e.className ? "." + e.className.trim().split(/\s+/).join(".") : "";
    const text = JSON.stringify((e.textContent || "").trim().slice(0, 30));
    found.push(`${e.tagName.toLowerCase()}${e.id ? "#" + e.id : ""}${kind} ${text}${words}`);
  }
  const typed = e => e.matches("input:not([type=range], [type=checkbox], [type=radio]), textarea");
  const holds = (o, b) => b.left >= o.left - 1 && b.right <= o.right + 1 && b.top >= o.top - 1 && b.bottom <= o.bottom + 1;

  // the last shape drawn under the middle of a box is what a word of a picture is read on
  function shapes(svg) {
    const all = [...svg.querySelectorAll("rect, polygon")].reverse().map(s => [s.getBoundingClientRect(), getComputedStyle(s)]);
    return all.filter(([, style]) => style.fill !== "none").map(([box, style]) => [box, rgba(style.fill)]);
  }
  function under(drawn, box) {
    const x = (box.left + box.right) / 2, y = (box.top + box.bottom) / 2;
    return drawn.find(([b]) => b.left <= x && x <= b.right && b.top <= y && y <= b.bottom)?.[1];
  }

  // at: whether something around it scrolls sideways, what is behind it (null: unknown), its picture, its opacity
  function walk(e, wide, at) {
    if (e.matches(".unseen, .visually-hidden, script, style, noscript, option, template, title, defs")) return;
    const style = getComputedStyle(e);
    if (style.display === "none" || style.opacity === "0") return;
    const svg = e instanceof SVGElement, box = e.getBoundingClientRect();
    let { back } = at;
    const fill = rgba(style.backgroundColor), exact = style.printColorAdjust === "exact";
    if (style.backgroundImage !== "none" && !/^url/.test(style.backgroundImage)) back = null;
    else if (fill[3] && back && (!printed || exact) && (!svg || e.tagName === "svg")) back = over(fill, back);
    const scrolls = !printed && (at.scrolls || /auto|scroll/.test(style.overflowX));
    const seen = style.visibility === "visible" && box.width && box.height && box.right > 0 && box.left < wide; // drawers wait beside the window
    if (seen) look(e, style, box, svg, back, wide, at);
    if (seen && printed && !exact && !svg && fill[3] && at.back && !e.textContent.trim() && !e.children.length && contrast(over(fill, at.back), at.back) > 1.1)
      say(e, ": paper loses its fill");
    const inner = { scrolls, back, picture: at.picture, opacity: at.opacity * style.opacity };
    if (e.tagName === "svg") inner.picture = { box, open: style.overflow === "visible", drawn: null, e };
    const shut = e.tagName === "DETAILS" && !e.open;
    for (const child of e.children) if (!shut || child.tagName === "SUMMARY") walk(child, wide, inner);
  }

  function look(e, style, box, svg, back, wide, at) {
    if (!at.scrolls && box.right > wide + 1) say(e, ` ends at ${Math.round(box.right)} of ${wide}`);
    if (!at.scrolls && box.left < -1) say(e, ` begins at ${Math.round(box.left)}`);
    const size = parseFloat(style.fontSize), hides = /hidden|clip/;
    if (!svg && style.display !== "inline" && e.clientWidth && size && !e.matches("input, select, textarea")) {
      const beyond = e.scrollWidth > e.clientWidth + 1;
      if (beyond && !at.scrolls && !/auto|scroll/.test(style.overflowX)) say(e, `: ${e.scrollWidth} wide in ${e.clientWidth}`);
      if (beyond && /auto|scroll/.test(style.overflowX) && style.scrollbarWidth === "none") say(e, " scrolls, and does not show it");
      if (beyond && printed && /auto|scroll/.test(style.overflowX)) say(e, `: ${e.scrollWidth} wide in ${e.clientWidth}, and paper does not scroll`);
      if (hides.test(style.overflowY) && e.scrollHeight > e.clientHeight + 1 + size / 4 && e.textContent.trim()) say(e, `: ${e.scrollHeight} high in ${e.clientHeight}`);
    }
    const text = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) || (!svg && typed(e) && e.value);
    if (!text || !size) return;
    if (!svg && !e.matches("input, textarea") && hides.test(style.overflowX) && e.scrollWidth > e.clientWidth + 1) say(e, " is cut");
    const picture = svg && at.picture;
    if (picture && !picture.open && !holds(picture.box, box)) say(e, " is cut by its picture");
    if (picture) back = under(picture.drawn ??= shapes(picture.e), box) ?? back;
    if (!back) return;
    const [r, g, b, alpha] = rgba(picture ? style.fill : style.color);
    const ratio = contrast(over([r, g, b, alpha * at.opacity * style.opacity], back), back);
    if (ratio < 4.5) say(e, `: contrast ${ratio.toFixed(2)}`);
  }

  const root = document.documentElement, wide = root.clientWidth, own = getComputedStyle(root);
  if (root.scrollWidth > wide) found.push(`the page is ${root.scrollWidth} wide in a window of ${wide}`);
  const dark = own.colorScheme.includes("dark") && (!own.colorScheme.includes("light") || matchMedia("(prefers-color-scheme: dark)").matches);
  const ground = rgba(dark && !printed ? "#121212" : "#fff"); // what the browser itself paints
  const back = printed && own.printColorAdjust !== "exact" ? rgba("#fff") : over(rgba(own.backgroundColor), ground);
  walk(document.body, wide, { scrolls: false, back, picture: null, opacity: 1 });
  const panels = [...document.querySelectorAll(".panel")].filter(e => e.checkVisibility()).map(e => [e, e.getBoundingClientRect()]);
  for (const [i, [one, a]] of panels.entries())
    for (const [other, b] of panels.slice(i + 1))
      if (!one.contains(other) && a.right > b.left + 1 && b.right > a.left + 1 && a.bottom > b.top + 1 && b.bottom > a.top + 1)
        say(one, ` lies on ${other.tagName.toLowerCase()}.${other.className}`);
  return found;
}

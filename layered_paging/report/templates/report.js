"use strict";
// The slider and the pointer choose a budget; the table below the picture then says what was counted there.
const told = JSON.parse(document.getElementById("data").textContent).budgets;
const slider = document.getElementById("budget"), chart = document.getElementById("curve"), now = chart.querySelector(".now");
const size = document.getElementById("size"), body = document.querySelector("#counted tbody");

function show(at) {
  slider.value = at;
  slider.setAttribute("aria-valuetext", told.labels[at]);
  size.textContent = told.labels[at];
  now.setAttribute("x1", told.places[at]);
  now.setAttribute("x2", told.places[at]);
  [...body.rows].forEach((row, n) => [...row.cells].forEach((cell, m) => { if (m) cell.textContent = told.cells[at][n][m - 1]; }));
}

function nearest(event) {
  const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(chart.getScreenCTM().inverse());
  let best = 0;
  told.places.forEach((x, n) => { if (Math.abs(x - point.x) < Math.abs(told.places[best] - point.x)) best = n; });
  show(best);
}

function unfold() {
  if (location.hash === "#all") document.querySelectorAll("details").forEach(part => { part.open = true; });
}

addEventListener("hashchange", unfold);
unfold();
slider.addEventListener("input", () => show(Number(slider.value)));
chart.addEventListener("pointermove", nearest);
chart.addEventListener("pointerdown", nearest);
show(told.here);

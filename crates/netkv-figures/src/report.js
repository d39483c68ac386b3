"use strict";
// Tips, sorting and hints of the report; the page is whole without it. Figures say what their marks are in <title>s.
const tip = document.getElementById("tip");
let marked = null;

function show(words, x, y) {
  tip.textContent = words;
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  tip.style.left = Math.max(4, Math.min(x + 14, innerWidth - box.width - 4)) + "px";
  tip.style.top = (y + 18 + box.height > innerHeight ? Math.max(4, y - box.height - 10) : y + 18) + "px";
}

function hide() {
  tip.hidden = true;
  if (marked) marked.classList.remove("at");
  marked = null;
}

// The mark that is nearest to a place on the screen, within reach of a finger.
function nearest(marks, x, y) {
  let best = null, least = 26;
  for (const mark of marks) {
    const box = mark.getBoundingClientRect();
    const dx = Math.max(box.left - x, 0, x - box.right), dy = Math.max(box.top - y, 0, y - box.bottom);
    const inside = dx === 0 && dy === 0;
    const centre = Math.hypot((box.left + box.right) / 2 - x, (box.top + box.bottom) / 2 - y);
    const distance = mark.tagName === "rect" ? (inside ? 0 : Infinity) : centre;
    if (distance < least) [best, least] = [mark, distance];
  }
  return best;
}

// What a field of a map says: the place is in its heads, what it means in its class.
const MEANS = { p: "pays", s: "no difference", h: "harms", o: "open" };
function told(field) {
  const row = field.parentNode, fields = [...row.children].filter((one) => one.tagName === "TD");
  const heads = field.closest("table").querySelectorAll("thead th[data-p]");
  const names = field.closest("table").tHead.rows[0].cells;
  const place = [...row.children].filter((one) => one.tagName === "TH").map((one) => names[one.cellIndex].textContent + ": " + one.textContent.trim());
  const lines = [heads[fields.indexOf(field)].dataset.p, row.dataset.p || place.join("\n")];
  const means = MEANS[field.className[0]];
  if (field.dataset.t) {
    const unit = field.closest(".of-slo") ? " points" : "", name = unit ? "" : "ratio ";
    const seeds = field.dataset.s === "many" ? "over 1000" : "some " + field.dataset.s;
    lines.push(name + field.dataset.t.replace(/(?= \[|$)/, unit) + ": " + means);
    if (field.dataset.s) lines.push(seeds + " seeds in all would settle it");
  }
  else if (field.className === "overloaded") {
    lines.push(field.textContent.trim() === "–" ? "it is overloaded" : "what it is compared with is overloaded, it is not");
  }
  return lines.filter((line) => line).join("\n");
}

// What is told about something; a term is explained where it stands first.
const terms = {};
for (const term of document.querySelectorAll("abbr[data-tip]")) terms[term.textContent.toLowerCase()] = term.dataset.tip;
const meaning = (one) => one.dataset.tip || (one.tagName === "ABBR" ? terms[one.textContent.toLowerCase()] : "");

// Says what is pointed at; the titles give way, or the browser would say it again.
function point(event) {
  const drawing = event.target.closest(".drawing");
  const words = event.target.closest("[data-tip], abbr");
  hide();
  if (drawing) {
    for (const title of drawing.querySelectorAll(".tips title")) {
      title.parentNode.dataset.tip = title.textContent;
      title.remove();
    }
    marked = nearest(drawing.querySelectorAll(".tips > *"), event.clientX, event.clientY);
    if (marked) {
      marked.classList.add("at");
      show(marked.dataset.tip, event.clientX, event.clientY);
    }
  } else if (event.target.closest(".map td")) {
    show(told(event.target.closest(".map td")), event.clientX, event.clientY);
  } else if (words) {
    show(meaning(words), event.clientX, event.clientY);
  }
}
document.addEventListener("pointermove", point);
document.addEventListener("pointerdown", point);
document.addEventListener("scroll", hide, true);
document.addEventListener("focusin", (event) => {
  const box = event.target.getBoundingClientRect();
  if (meaning(event.target)) show(meaning(event.target), box.left, box.bottom - 12);
});
document.addEventListener("focusout", hide);
document.addEventListener("keydown", (event) => event.key === "Escape" && hide());

// What a cell is sorted by: its number if it begins with one, else its words.
function key(row, column) {
  const cell = row.cells[column];
  if (!cell) return "";
  const words = cell.dataset.v || cell.textContent.trim();
  const number = parseFloat(words.replace("−", "-"));
  return Number.isNaN(number) ? words : number;
}

function sort(head) {
  const body = head.closest("table").tBodies[0];
  const up = head.getAttribute("aria-sort") !== "ascending";
  for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  const rows = [...body.rows].map((row) => [key(row, head.cellIndex), row]);
  // What is no number stands last, either way.
  const order = (one, two) => {
    const [a, b] = [one[0], two[0]];
    if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
    return (up ? 1 : -1) * (typeof a === "number" ? a - b : a.localeCompare(b));
  };
  body.append(...rows.sort(order).map((row) => row[1]));
}

for (const table of document.querySelectorAll("table.sort")) {
  for (const head of table.tHead.rows[0].cells) {
    if (!head.textContent.trim()) continue;
    head.tabIndex = 0;
    head.addEventListener("click", () => sort(head));
    head.addEventListener("keydown", (event) => event.key === "Enter" && sort(head));
  }
  if (table.tBodies[0].rows.length < 13) continue;
  const filter = document.createElement("input");
  filter.className = "filter";
  filter.type = "search";
  filter.placeholder = "only rows with these words";
  filter.setAttribute("aria-label", filter.placeholder);
  filter.addEventListener("input", () => {
    const words = filter.value.toLowerCase().split(/\s+/);
    for (const row of table.tBodies[0].rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
  });
  table.parentNode.before(filter);
}

// Says where something goes on to the right.
const wide = new ResizeObserver((entries) => {
  for (const { target } of entries) target.hint.classList.toggle("on", target.scrollWidth > target.clientWidth + 2);
});
for (const box of document.querySelectorAll(".scroll")) {
  box.hint = document.createElement("div");
  box.hint.className = "hint";
  box.hint.textContent = "scrolls sideways →";
  box.after(box.hint);
  wide.observe(box);
}

// On a wide screen the contents stand beside the page.
if (matchMedia("(min-width: 1560px)").matches) document.querySelector("nav details").open = true;

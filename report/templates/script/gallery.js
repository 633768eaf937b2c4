// The gallery: filters, order, cards.
const WORDS = {
  solved: "solved", lost: "lost again", low: "ranked too low", near: "near miss", wrong: "wrong", nothing: "nothing found",
  unscored: "not scored", absent: "not in this source",
};
const ORDER = ["solved", "lost", "low", "near", "wrong", "unscored", "nothing", "absent"];
const NEAR = 0.5;
const filters = $("filters"), gallery = $("gallery");
const FIELDS = ["q", "status", "by", "concept", "origin", "lines", "order", "a", "b", "pair"];
const AT_ONCE = 40;
let shown = [], made = 0;

function solves(result, by) {
  const [method, k] = by.split("-");
  return Boolean(result && result.needed && result.needed[method] && result.needed[method] <= Number(k));
}

function statusOf(result, by) {
  if (!result) return "absent";
  if (result.status === "unscored" || result.status === "nothing") return result.status;
  if (solves(result, by)) return "solved";
  if (result.lost) return "lost";
  if (result.status === "low" || result.status === "solved") return "low";
  return result.performance >= NEAR ? "near" : "wrong";
}

function values() {
  return Object.fromEntries(FIELDS.map((name) => [name, $(name).value]));
}

function matches(task, wanted) {
  const result = task.results[wanted.a], other = wanted.b === "" ? null : task.results[wanted.b];
  const needle = wanted.q.trim().toLowerCase();
  if (needle && !task.id.toLowerCase().includes(needle) && !task.concept.toLowerCase().includes(needle)) return false;
  if (!result && (wanted.b === "" || !other)) return false;
  if (wanted.status === "lost" || wanted.status === "forgotten" ? !(result && result[wanted.status]) : wanted.status && statusOf(result, wanted.by) !== wanted.status) return false;
  if (wanted.concept && task.concept !== wanted.concept) return false;
  if (wanted.origin && (!result || result.origin !== wanted.origin)) return false;
  if (wanted.lines && !(result && result.lines <= Number(wanted.lines))) return false;
  if (wanted.pair && wanted.b !== "") {
    const first = solves(result, wanted.by), second = solves(other, wanted.by);
    const is = first ? (second ? "both" : "first") : second ? "second" : "neither";
    if (is !== wanted.pair || !result || !other) return false;
  }
  return true;
}

function keyOf(task, wanted) {
  const result = task.results[wanted.a] || {};
  switch (wanted.order) {
    case "status": return ORDER.indexOf(statusOf(task.results[wanted.a], wanted.by));
    case "performance": return -(result.performance || 0);
    case "lines": return result.lines || 1e9;
    case "programs": return -(result.programs || 0);
    default: return 0;
  }
}

const eye = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) { eye.unobserve(entry.target); fill(entry.target); }
}, { rootMargin: "400px" });

// Draw the first demonstration of a card that comes into view.
function fill(card) {
  const [input, output] = detailOf(Number(card.dataset.number)).train[0];
  const thumb = card.querySelector(".thumb");
  thumb.replaceChildren(
    drawGrid(input, "input", { size: 84, cell: 12 }),
    el("span", { class: "arrow", "aria-hidden": "true" }, "→"),
    drawGrid(output, "output", { size: 84, cell: 12 }),
  );
  for (const canvas of thumb.querySelectorAll("canvas")) canvas.setAttribute("aria-hidden", "true");
}

function statusNode(result, by, source) {
  const status = statusOf(result, by);
  const letter = source === null ? "" : `${letterOf(source)} `;
  return el("span", { class: "status", "data-status": status }, letter + WORDS[status]);
}

function cardOf(number, wanted) {
  const task = data.tasks[number], result = task.results[wanted.a];
  const two = wanted.b !== "";
  const about = result && result.programs
    ? [`${result.lines} line${result.lines === 1 ? "" : "s"}${result.origin ? " · " + result.origin : ""}`, `${Math.round(100 * result.performance)}% of demos`]
    : [`${task.demonstrations} demonstrations`, ""];
  const label = [task.id, WORDS[statusOf(result, wanted.by)], two && `beside: ${WORDS[statusOf(task.results[wanted.b], wanted.by)]}`, task.concept, ...about].filter(Boolean).join(", ");
  const card = el("button", { type: "button", class: "card", "data-number": number, "aria-label": label, onclick: () => openTask(number) },
    el("span", { class: "top" }, el("span", { class: "id", title: task.id }, task.id), statusNode(result, wanted.by, two ? Number(wanted.a) : null)),
    two && el("span", { class: "top" }, el("span", {}), statusNode(task.results[wanted.b], wanted.by, Number(wanted.b))),
    el("span", { class: "thumb" }),
    el("span", { class: "about" }, ...about.filter(Boolean).map((text) => el("span", {}, text)), task.concept && el("span", {}, task.concept)),
  );
  eye.observe(card);
  return el("li", {}, card);
}

function update() {
  const wanted = values();
  $("pair").disabled = wanted.b === "";
  eye.disconnect();
  const numbers = data.tasks.map((_, number) => number).filter((number) => matches(data.tasks[number], wanted));
  const keys = new Map(numbers.map((number) => [number, keyOf(data.tasks[number], wanted)]));
  shown = numbers.sort((a, b) => keys.get(a) - keys.get(b) || a - b);
  gallery.replaceChildren();
  addCards(0, ++made, wanted);
  const solved = shown.filter((number) => solves(data.tasks[number].results[wanted.a], wanted.by)).length;
  $("count").textContent = `${shown.length} of ${data.tasks.length} tasks, ${solved} of them solved`;
  $("nothing").hidden = shown.length > 0;
  keepState(wanted);
}

// Cards come some at a time, so that the first ones are there at once; a later choice ends what was begun.
function addCards(from, number, wanted) {
  if (number !== made || from >= shown.length) return;
  gallery.append(...shown.slice(from, from + AT_ONCE).map((task) => cardOf(task, wanted)));
  setTimeout(() => addCards(from + AT_ONCE, number, wanted));
}

function keepState(wanted) {
  const state = new URLSearchParams();
  for (const name of FIELDS) {
    const value = name === "q" ? wanted[name].trim() : wanted[name];
    if (value !== $(name).dataset.usual) state.set(name, value);
  }
  const open = readState().get("task");
  if (open !== null) state.set("task", open); // until it is closed
  if (state.size || location.hash.startsWith("#tasks?")) writeState(state);
}

function options(select, names) {
  for (const [value, text] of names) select.append(el("option", { value }, text));
}

function prepare() {
  const several = data.sources.length > 1;
  const names = data.sources.map((source, number) => [String(number), `${letterOf(number)}: ${source.name.slice(0, 60)}`]);
  options($("a"), names);
  options($("b"), names);
  if (several) $("b").value = "1";
  for (const label of document.querySelectorAll(".several")) label.hidden = !several;
  if (!data.tasks.some((task) => task.results.some((result) => result && result.forgotten))) $("status").querySelector("[value=forgotten]").remove();
  const concepts = [...new Set(data.tasks.map((task) => task.concept).filter(Boolean))].sort();
  options($("concept"), concepts.map((name) => [name, name]));
  $("concept").closest("label").hidden = !concepts.length;
  const origins = [...new Set(data.tasks.flatMap((task) => task.results.map((result) => result && result.origin)).filter(Boolean))].sort();
  options($("origin"), origins.map((name) => [name, name]));
  for (const name of FIELDS) $(name).dataset.usual = $(name).value;
}

function restore() {
  const state = readState();
  for (const name of FIELDS) $(name).value = state.has(name) ? state.get(name) : $(name).dataset.usual;
  for (const select of filters.querySelectorAll("select")) if (select.selectedIndex < 0) select.value = select.dataset.usual;
}

// How many cards stand beside each other.
function columns() {
  const cards = [...gallery.children];
  const first = cards.findIndex((card) => card.offsetTop !== cards[0].offsetTop);
  return first < 0 ? cards.length : first;
}

gallery.addEventListener("keydown", (event) => {
  const moves = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns(), ArrowDown: columns(), Home: -1e9, End: 1e9 };
  const card = event.target.closest(".card");
  if (!card || !(event.key in moves)) return;
  event.preventDefault();
  const cards = [...gallery.querySelectorAll(".card")];
  const to = Math.max(0, Math.min(cards.length - 1, cards.indexOf(card) + moves[event.key]));
  cards[to].focus();
});

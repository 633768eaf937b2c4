// One task: its pairs beside what an attempt gives, the program line by line, and its history.
const dialog = $("task");
let opened = null;

function openTask(number) {
  opened = number;
  const task = data.tasks[number], wanted = values();
  $("task-title").replaceChildren(task.id, task.concept ? el("small", {}, ` ${task.concept}`) : "");
  const sources = [Number(wanted.a), ...(wanted.b === "" || wanted.b === wanted.a ? [] : [Number(wanted.b)])];
  $("task-body").className = sources.length > 1 ? "two" : "";
  $("task-body").replaceChildren(...sources.map((source) => columnOf(number, source, sources.length > 1)));
  const place = shown.indexOf(number);
  $("previous").disabled = place <= 0;
  $("next").disabled = place < 0 || place >= shown.length - 1;
  if (!dialog.open) { dialog.showModal(); $("close").focus(); }
  dialog.firstElementChild.scrollTop = 0;
  const state = readState();
  state.set("task", task.id);
  writeState(state);
}

function step(by) {
  const to = shown.indexOf(opened) + by;
  if (shown.includes(opened) && to >= 0 && to < shown.length) openTask(shown[to]);
}

dialog.addEventListener("close", () => {
  const state = readState();
  state.delete("task");
  writeState(state);
  const card = gallery.querySelector(`[data-number="${opened}"]`);
  opened = null;
  if (card) card.focus();
});
for (const box of [dialog, $("help")]) box.addEventListener("click", (event) => { if (event.target === box) box.close(); });
$("close").addEventListener("click", () => dialog.close());
$("previous").addEventListener("click", () => step(-1));
$("next").addEventListener("click", () => step(1));

function columnOf(number, source, titled) {
  const task = data.tasks[number], record = detailOf(number), result = record.results[source];
  const about = task.results[source], by = $("by").value;
  const column = el("div", { class: "column" });
  column.append(el("h3", {}, titled && el("span", { class: "chip", "data-source": source }, letterOf(source)), titled ? ` ${data.sources[source].name} ` : "", statusNode(about, by, null)));
  const body = el("div", { class: "sides" });
  if (!result) {
    body.append(pairsOf(record, null));
    column.append(el("p", { class: "what" }, about ? "No program was found that gives a valid grid here." : "This source has no such task."), body);
    return column;
  }
  const choose = (program) => {
    const chosen = result.programs[program];
    body.replaceChildren(pairsOf(record, chosen), el("div", {}, programOf(record, chosen), historyOf(result, source)));
    for (const button of column.querySelectorAll(".attempts button")) button.setAttribute("aria-pressed", String(Number(button.dataset.program) === program));
  };
  for (const method of data.methods) {
    if (!result[method].length) continue;
    column.append(el("div", { class: "attempts", role: "group", "aria-label": `attempts by the ${method} ranking` }, el("span", { class: "legend" }, method),
      ...result[method].map(([program, votes, right], k) => {
        const verdict = right === null ? "not scored" : right ? "right" : "wrong";
        const text = `${k + 1} ${right === null ? "" : right ? "✓" : "✗"}`;
        return el("button", { type: "button", "data-program": program, "aria-pressed": "false", "aria-label": `attempt ${k + 1} by ${method}, ${verdict}, ${votes} vote${votes === 1 ? "" : "s"}`, title: `${verdict}, ${votes} program${votes === 1 ? "" : "s"} predict${votes === 1 ? "s" : ""} this`, onclick: () => choose(program) }, text);
      })));
  }
  column.append(el("p", { class: "what" }, `${about.programs.toLocaleString("en")} program${about.programs === 1 ? "" : "s"} ranked`), body);
  const wins = result[by.split("-")[0]].find(([, , right]) => right);
  choose(wins ? wins[0] : result[by.split("-")[0]][0][0]);
  return column;
}

function labelled(text, node, note, good) {
  return el("div", { class: "cell" }, el("b", {}, text), node, note && el("span", { class: good ? "good" : "bad" }, note));
}

function absent(text) {
  return el("div", { class: "absent" }, text);
}

// What an attempt gives beside what is wanted, with wrong cells marked.
function givenCell(given, wanted, name, title) {
  if (given === undefined) return null;
  if (given.startsWith("!")) return labelled(title, absent(given.slice(1).replaceAll("_", " ")), "no grid", false);
  if (wanted === null) return labelled(title, drawGrid(given, name, { size: room() }), null, true);
  const wrong = wrongCells(given, wanted);
  if (wrong === null) {
    const [a, b] = [shapeOf(given), shapeOf(wanted)].map((shape) => shape.join("×"));
    return labelled(title, drawGrid(given, name, { size: room() }), `✗ ${a} instead of ${b}`, false);
  }
  return labelled(title, drawGrid(given, name, { wrong, size: room() }), wrong.size ? `✗ ${wrong.size} cell${wrong.size === 1 ? "" : "s"} wrong` : "✓ right", !wrong.size);
}

// The side of a drawn grid: three stand beside each other, on a phone, too.
function room() {
  if (innerWidth < 560) return Math.floor((innerWidth - 84) / 3);
  const isHalf = $("task-body").className === "two" ? innerWidth > 900 : innerWidth >= 1080;
  const width = Math.min(1240, 0.96 * innerWidth) / (isHalf ? 2 : 1) - 96;
  return Math.min(168, Math.floor(width / 3));
}

function pairsOf(record, program) {
  const box = el("div");
  for (const [part, title, side] of [["train", "Demonstration", "outputs"], ["test", "Test", "predictions"]]) {
    box.append(el("h4", {}, part === "train" ? "Demonstrations" : "Tests"));
    box.append(el("div", { class: "pairs" }, ...record[part].map(([input, output], k) => {
      const name = `${title.toLowerCase()} ${k + 1}`;
      return el("div", { class: "pair", role: "group", "aria-label": name },
        labelled(`${title} ${k + 1}`, drawGrid(input, `input of ${name}`, { size: room() })),
        labelled("Output", output === null ? absent("not known") : drawGrid(output, `output of ${name}`, { size: room() })),
        program && givenCell(program[side][k], output, `what the program gives for ${name}`, "Program gives"));
    })));
  }
  return box;
}

function programOf(record, program) {
  const lines = program.code.split("\n");
  const inputs = [...record.train.map(([input], k) => [`demonstration ${k + 1}`, input]), ...record.test.map(([input], k) => [`test ${k + 1}`, input])];
  const list = el("ol", { class: "program" });
  const show = (number) => {
    const trace = program.traces[number], shape = shapeOf(inputs[number][1]);
    list.replaceChildren(...lines.map((line, k) => el("li", {}, codeOf(line), valueOf(trace && trace[k], shape, trace))));
  };
  const select = el("select", { "aria-label": "Input that the values are of" });
  inputs.forEach(([name], number) => { if (program.traces[number]) select.append(el("option", { value: number }, name)); });
  select.addEventListener("change", () => show(Number(select.value)));
  const missing = inputs.length - select.options.length;
  const box = el("div", {}, el("h4", {}, "Program, line by line"));
  if (select.options.length) box.append(el("div", { class: "inputs" }, el("label", {}, "Values on ", select), missing ? el("span", { class: "what" }, `(${missing} more input${missing === 1 ? " is" : "s are"} left out for size)`) : ""));
  else box.append(el("p", { class: "what" }, "The values of its lines are left out for size."));
  show(select.options.length ? Number(select.value) : 0);
  box.append(list);
  const bits = [`${lines.length} line${lines.length === 1 ? "" : "s"}`, `${program.code.length} characters`, `right on ${Math.round(100 * program.performance)}% of the demonstrations`, program.origin && `found by ${program.origin}`];
  box.append(el("p", { class: "what" }, bits.filter(Boolean).join(" · ")));
  return box;
}

function codeOf(line) {
  const code = el("code");
  for (const token of line.split(/(\w+)/)) {
    const kind = /^(x\d+|I|O)$/.test(token) ? "var" : /^[A-Z][A-Z_]*$/.test(token) ? "con" : /^[a-z]\w*$/.test(token) ? "fn" : "";
    code.append(kind ? el("span", { class: kind }, token) : token);
  }
  return code;
}

function valueOf(picture, shape, trace) {
  const box = el("div", { class: "value" });
  if (!picture) { if (trace) box.append(el("span", {}, "not reached")); return box; }
  if (picture.f) { box.append(el("span", { class: "failed" }, picture.f.replaceAll("_", " "))); return box; }
  if (picture.g) box.append(drawGrid(picture.g, "grid", { size: 120, cell: 14 }), el("span", {}, picture.t));
  else if (picture.p || picture.x) box.append(drawPatch(picture, shape, 110), el("span", {}, picture.t));
  else if (picture.l) {
    for (const item of picture.l) box.append(item.g ? drawGrid(item.g, "grid", { size: 76, cell: 10 }) : item.p || item.x ? drawPatch(item, shape, 76) : el("span", { class: "text" }, item.t));
    box.append(el("span", {}, picture.n > picture.l.length ? `${picture.t}, the first ${picture.l.length} drawn` : picture.t));
  } else box.append(el("span", { class: "text" }, picture.t));
  return box;
}

function historyOf(result, source) {
  const clock = data.sources[source].clock, points = data.sources[source].points;
  const box = el("div");
  if (!result.history.length) return box;
  box.append(el("h4", {}, "How the best program changed"));
  for (const [marks, by] of [[result.solved, ""], [result.policy, "by the policy's samples alone: "]]) if (marks.length > 1) box.append(...stripOf(marks, by, clock, points));
  box.append(el("ol", { class: "history" }, ...result.history.map(([when, performance, program]) => el("li", {}, el("details", {},
    el("summary", {}, `${clock} ${when.toLocaleString("en")}: ${Math.round(100 * performance)}% of the demonstrations, ${program.split("\n").length} lines`), el("pre", {}, program))))));
  return box;
}

// When a task was solved: a mark for each point in time.
function stripOf(marks, by, clock, points) {
  const solved = [...marks].map((mark, k) => (mark === "1" ? points[k] : null)).filter((point) => point !== null);
  const words = by + (solved.length ? `solved at ${clock} ${solved.join(", ")}` : "never solved");
  const strip = el("div", { class: "strip", role: "img", "aria-label": words, title: words }, ...[...marks].map((mark) => el("i", { class: mark === "1" ? "on" : "" })));
  return by ? [el("p", { class: "what" }, "solved by the policy's samples alone"), strip] : [strip];
}

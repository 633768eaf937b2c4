// Grids on canvas. A grid is "012/345"; see report/values.py for what else is drawn.
const PALETTES = {
  arc: ["#000000", "#0074d9", "#ff4136", "#2ecc40", "#ffdc00", "#aaaaaa", "#f012be", "#ff851b", "#7fdbff", "#870c25"],
  safe: ["#000000", "#0072b2", "#d55e00", "#009e73", "#f0e442", "#999999", "#cc79a7", "#e69f00", "#56b4e9", "#f5f5f5"],
};
const NAMES = {
  arc: ["black", "blue", "red", "green", "yellow", "grey", "magenta", "orange", "azure", "maroon"],
  safe: ["black", "blue", "vermilion", "green", "yellow", "grey", "pink", "orange", "sky blue", "white"],
};
const look = { palette: "arc", digits: false };

function rowsOf(text) {
  return text.split("/");
}

function shapeOf(text) {
  const rows = rowsOf(text);
  return [rows.length, rows[0].length];
}

// Cells of `given` that are not those of `wanted`, as "row,column"; null where the shapes differ.
function wrongCells(given, wanted) {
  const a = rowsOf(given), b = rowsOf(wanted);
  if (a.length !== b.length || a[0].length !== b[0].length) return null;
  const wrong = new Set();
  a.forEach((row, i) => [...row].forEach((cell, j) => { if (cell !== b[i][j]) wrong.add(i + "," + j); }));
  return wrong;
}

// The words that a screen reader has for a grid: its shape, and its rows where they are few.
function wordsOf(text, name) {
  const [height, width] = shapeOf(text);
  const shape = `${name}, ${height} by ${width}`;
  return height * width <= 100 ? `${shape}: ${rowsOf(text).join(", ")}` : shape;
}

// A canvas that draws itself when `paint` is called, and again when the palette changes.
function canvasOf(height, width, size, words, cell) {
  const canvas = document.createElement("canvas");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", words);
  canvas.title = words.split(":")[0];
  const side = Math.max(2, Math.min(cell, Math.floor(size / Math.max(height, width))));
  canvas.style.width = `${side * width + 1}px`;
  canvas.style.height = `${side * height + 1}px`;
  canvas.side = side;
  return canvas;
}

function start(canvas, height, width) {
  const ratio = Math.min(3, window.devicePixelRatio || 1), side = canvas.side;
  canvas.width = Math.round((side * width + 1) * ratio);
  canvas.height = Math.round((side * height + 1) * ratio);
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  return pen;
}

function paintRows(pen, rows, side, at, colors) {
  rows.forEach((row, i) => [...row].forEach((mark, j) => {
    if (mark === ".") return;
    const x = (at[1] + j) * side, y = (at[0] + i) * side;
    pen.fillStyle = mark === "#" ? colors.mark : mark === "?" ? "#777" : PALETTES[look.palette][mark];
    pen.fillRect(x, y, side, side);
    if (mark === "?") letter(pen, "?", x, y, side, "#fff");
    if (look.digits && side >= 9 && mark !== "#" && mark !== "?") letter(pen, mark, x, y, side, inkOn(PALETTES[look.palette][mark]));
  }));
}

function letter(pen, text, x, y, side, color) {
  pen.fillStyle = color;
  pen.font = `600 ${Math.floor(side * 0.68)}px ui-monospace, monospace`;
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.fillText(text, x + side / 2 + 0.5, y + side / 2 + 1);
}

function inkOn(color) {
  const [r, g, b] = [1, 3, 5].map((k) => parseInt(color.slice(k, k + 2), 16));
  return 0.3 * r + 0.59 * g + 0.11 * b > 130 ? "#000" : "#fff";
}

function paintLines(pen, height, width, side) {
  if (side < 4) { pen.strokeStyle = "rgb(128 128 128 / .6)"; pen.lineWidth = 1; pen.strokeRect(.5, .5, width * side, height * side); return; }
  pen.strokeStyle = "rgb(128 128 128 / .55)";
  pen.lineWidth = 1;
  pen.beginPath();
  for (let i = 0; i <= height; i++) { pen.moveTo(0, i * side + 0.5); pen.lineTo(width * side + 1, i * side + 0.5); }
  for (let j = 0; j <= width; j++) { pen.moveTo(j * side + 0.5, 0); pen.lineTo(j * side + 0.5, height * side + 1); }
  pen.stroke();
}

// A wrong cell: a cross in white on black, which shows on every colour.
function paintWrong(pen, wrong, side) {
  for (const [color, width] of [["#000", Math.max(2.5, side / 5)], ["#fff", Math.max(1, side / 10)]]) {
    pen.strokeStyle = color;
    pen.lineWidth = width;
    pen.beginPath();
    for (const place of wrong) {
      const [i, j] = place.split(",").map(Number), gap = side * 0.22;
      const x = j * side + 0.5, y = i * side + 0.5;
      pen.moveTo(x + gap, y + gap); pen.lineTo(x + side - gap, y + side - gap);
      pen.moveTo(x + side - gap, y + gap); pen.lineTo(x + gap, y + side - gap);
    }
    pen.stroke();
  }
}

function drawGrid(text, name, { size = 200, cell = 22, wrong = null, lazy = false } = {}) {
  const [height, width] = shapeOf(text);
  const words = wordsOf(text, name) + (wrong && wrong.size ? `; ${wrong.size} wrong` : "");
  const canvas = canvasOf(height, width, size, words, cell);
  canvas.paint = () => {
    const pen = start(canvas, height, width);
    paintRows(pen, rowsOf(text), canvas.side, [0, 0], {});
    paintLines(pen, height, width, canvas.side);
    if (wrong) paintWrong(pen, wrong, canvas.side);
  };
  if (!lazy) canvas.paint();
  return canvas;
}

// An object or indices, where they lie on a grid of the input's shape if that holds them.
function drawPatch(picture, shape, size) {
  const rows = rowsOf(picture.p || picture.x);
  const [top, left] = picture.at;
  const inside = shape && top >= 0 && left >= 0 && top + rows.length <= shape[0] && left + rows[0].length <= shape[1];
  const [height, width] = inside ? shape : [rows.length, rows[0].length];
  const canvas = canvasOf(height, width, size, picture.t, 14);
  canvas.paint = () => {
    const pen = start(canvas, height, width);
    const mark = getComputedStyle(document.documentElement).colorScheme.includes("dark") || isDark() ? "#94b4ff" : "#2451c4";
    paintRows(pen, rows, canvas.side, inside ? picture.at : [0, 0], { mark });
    paintLines(pen, height, width, canvas.side);
  };
  canvas.paint();
  return canvas;
}

function repaint() {
  for (const canvas of document.querySelectorAll("canvas")) if (canvas.width && canvas.paint && canvas.dataset.waits === undefined) canvas.paint();
}

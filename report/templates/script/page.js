// Small helpers, the choices that a reader makes for all pages, and the state in the address.
function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") node.className = value;
    else if (name === "onclick") node.addEventListener("click", value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

const $ = (id) => document.getElementById(id);
const data = JSON.parse($("index").textContent);
const details = new Map();

function detailOf(number) {
  if (!details.has(number)) details.set(number, JSON.parse($(`task-${number}`).textContent));
  return details.get(number);
}

function letterOf(source) {
  return String.fromCharCode(65 + source);
}

function remembered(name) {
  try { return localStorage.getItem(`codeit-${name}`); } catch { return null; }
}

function remember(name, value) {
  try { localStorage.setItem(`codeit-${name}`, value); } catch { /* a file may have no storage */ }
}

function isDark() {
  const theme = document.documentElement.dataset.theme;
  return theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function setTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  $("theme").setAttribute("aria-label", isDark() ? "Theme: dark; switch to light" : "Theme: light; switch to dark");
}

function setPalette(name) {
  look.palette = name === "safe" ? "safe" : "arc";
  $("palette").setAttribute("aria-pressed", String(look.palette === "safe"));
}

function setDigits(on) {
  look.digits = on;
  $("digits").setAttribute("aria-pressed", String(on));
}

$("theme").addEventListener("click", () => { const theme = isDark() ? "light" : "dark"; setTheme(theme); remember("theme", theme); repaint(); });
$("palette").addEventListener("click", () => { setPalette(look.palette === "safe" ? "arc" : "safe"); remember("palette", look.palette); repaint(); });
$("digits").addEventListener("click", () => { setDigits(!look.digits); remember("digits", String(look.digits)); repaint(); });
setTheme(remembered("theme"));
setPalette(remembered("palette"));
setDigits(remembered("digits") === "true");
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { setTheme(null); repaint(); });

// The state lies behind "#tasks?": filters by name, and the open task.
function readState() {
  const text = location.hash.startsWith("#tasks?") ? location.hash.slice(7) : "";
  return new URLSearchParams(text);
}

function writeState(state) {
  const text = state.toString();
  history.replaceState(null, "", text ? `#tasks?${text}` : location.pathname + location.search);
}

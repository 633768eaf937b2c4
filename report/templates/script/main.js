// What starts the page: filters, keys, and reloading while a run goes on.
prepare();
restore();
update();

filters.addEventListener("input", update);
filters.addEventListener("submit", (event) => event.preventDefault());
filters.addEventListener("reset", () => setTimeout(() => { for (const name of FIELDS) $(name).value = $(name).dataset.usual; update(); }));
window.addEventListener("hashchange", () => { restore(); update(); openFromState(); });

function openFromState() {
  const id = readState().get("task");
  const number = id === null ? -1 : data.tasks.findIndex((task) => task.id === id);
  if (number >= 0 && number !== opened) openTask(number);
}
openFromState();

function help() {
  if (!$("help").open) $("help").showModal();
}
$("keys").addEventListener("click", help);
$("help-close").addEventListener("click", () => $("help").close());

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
  const inTask = dialog.open;
  switch (event.key) {
    case "/": if (!inTask) { event.preventDefault(); $("q").focus(); $("q").scrollIntoView({ block: "center" }); } break;
    case "ArrowLeft": if (inTask) { event.preventDefault(); step(-1); } break;
    case "ArrowRight": if (inTask) { event.preventDefault(); step(1); } break;
    case "t": $("theme").click(); break;
    case "p": $("palette").click(); break;
    case "d": $("digits").click(); break;
    case "?": help(); break;
  }
});

if (document.body.dataset.watch) {
  setInterval(async () => {
    try {
      const answer = await fetch("version", { cache: "no-store" });
      if (answer.ok && (await answer.text()) !== document.body.dataset.watch) location.reload();
    } catch { /* the server has ended: the page stays as it is */ }
  }, 2000);
}
document.documentElement.dataset.ready = "true";

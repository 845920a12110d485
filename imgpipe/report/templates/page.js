"use strict";
(() => {
  const get = (id) => document.getElementById(id);
  const records = JSON.parse(get("data").textContent);

  // Theme: the system's, until somebody chooses.
  const theme = get("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (document.documentElement.dataset.theme || (system.matches ? "dark" : "light")) === "dark";
  const nameTheme = () => { get("theme-name").textContent = isDark() ? "Light" : "Dark"; theme.title = isDark() ? "Show light" : "Show dark"; };
  const stored = (value) => {
    // A page from a file may have no storage; then the choice lasts as long as the page.
    try { return value === undefined ? localStorage.getItem("imgpipe-theme") : localStorage.setItem("imgpipe-theme", value); } catch { return null; }
  };
  if (["light", "dark"].includes(stored())) document.documentElement.dataset.theme = stored();
  theme.addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    stored(document.documentElement.dataset.theme);
    nameTheme();
  });
  system.addEventListener("change", nameTheme);
  nameTheme();
  theme.hidden = false;

  const filters = get("filters");
  if (!filters) return;
  const entries = Array.from(document.querySelectorAll(".entry"));
  const button = (entry) => entry.querySelector("button");
  const record = (entry) => records[Number(button(entry).dataset.number)];
  const texts = new Map(entries.map((entry) => [entry, record(entry).fields.map((field) => field.join(" ")).concat(entry.textContent).join("\n").toLowerCase()]));
  const fold = (text) => text.trim().toLowerCase();

  // Filters.
  const [kind, host, form, text] = ["kind", "host", "form", "text"].map((name) => get("filter-" + name));
  const isWanted = (entry) => {
    const { status, kind: its } = entry.dataset;
    if (kind.value === "ok" && status !== "ok") return false;
    if (kind.value === "failed" && status === "ok") return false;
    if (kind.value.startsWith("kind ") && its !== kind.value.slice(5)) return false;
    if (host.value && entry.dataset.host !== host.value) return false;
    if (form.value && entry.dataset.form !== form.value) return false;
    return texts.get(entry).includes(fold(text.value));
  };
  const filter = () => {
    let count = 0;
    for (const entry of entries) { entry.hidden = !isWanted(entry); count += !entry.hidden; }
    for (const [list, head] of [["wall", "wall-head"], ["rows", "rows-head"]]) {
      if (!get(list)) continue;
      const empty = !get(list).querySelector(".entry:not([hidden])");
      get(list).hidden = get(head).hidden = empty;
    }
    get("nothing").hidden = count > 0;
    get("filter-count").textContent = count === entries.length ? `${count} in the sample` : `${count} of ${entries.length} in the sample`;
  };
  const clear = () => { filters.reset(); filter(); };
  filters.addEventListener("input", filter);
  filters.addEventListener("reset", () => setTimeout(filter));
  filters.addEventListener("submit", (event) => event.preventDefault());
  get("clear").addEventListener("click", () => { clear(); kind.focus(); });
  for (const show of document.querySelectorAll(".show")) {
    show.hidden = false;
    show.addEventListener("click", () => {
      filters.reset();
      kind.value = "kind " + show.dataset.kind;
      filter();
      get("sample").scrollIntoView();
      kind.focus({ preventScroll: true });
    });
  }
  filters.hidden = false;
  filter();

  // The viewer of one record. Whatever the record holds is put in as text.
  const viewer = get("viewer");
  let current = null;
  const element = (name, content) => { const made = document.createElement(name); made.textContent = content; made.dir = "auto"; return made; };
  const shown = () => entries.filter((entry) => !entry.hidden);
  const fill = (entry) => {
    current = entry;
    const { link, fields } = record(entry);
    const picture = entry.querySelector("img");
    get("viewer-title").textContent = (entry.querySelector(".caption") || entry.querySelector(".kind")).textContent;
    get("viewer-title").dir = "auto";
    get("stage").replaceChildren(...(picture ? [picture.cloneNode()] : []));
    get("fields").replaceChildren(...fields.flatMap(([name, value]) => [element("dt", name), element("dd", value)]));
    get("viewer-link").hidden = !link;
    if (link) get("viewer-link").href = link; else get("viewer-link").removeAttribute("href");
    const all = shown(), place = all.indexOf(entry);
    get("place").textContent = `${place + 1} of ${all.length}`;
    get("previous").disabled = place <= 0;
    get("next").disabled = place >= all.length - 1;
    viewer.scrollTop = 0;
  };
  const step = (by) => {
    const next = shown()[shown().indexOf(current) + by];
    if (next) fill(next);
    if (document.activeElement.disabled) get("close").focus();
  };
  for (const entry of entries) button(entry).addEventListener("click", () => { fill(entry); viewer.showModal(); get("close").focus(); });
  get("close").addEventListener("click", () => viewer.close());
  get("previous").addEventListener("click", () => step(-1));
  get("next").addEventListener("click", () => step(1));
  viewer.addEventListener("click", (event) => { if (event.target === viewer) viewer.close(); });
  viewer.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") step(-1);
    if (event.key === "ArrowRight") step(1);
  });
  viewer.addEventListener("close", () => { if (current) button(current).focus(); });
})();

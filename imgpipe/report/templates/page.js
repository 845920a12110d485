"use strict";
(() => {
  const get = (id) => document.getElementById(id);
  const records = JSON.parse(get("data").textContent);

  // Theme: the system's, until somebody chooses.
  const theme = get("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (document.documentElement.dataset.theme || (system.matches ? "dark" : "light")) === "dark";
  const nameTheme = () => { get("theme-name").textContent = isDark() ? "Light" : "Dark"; theme.title = isDark() ? "Show light" : "Show dark"; };
  const root = document.documentElement.dataset;
  const keep = (work) => {
    // A page from a file may have no storage; then the choice lasts as long as the page.
    try { return work(localStorage); } catch { return null; }
  };
  const kept = keep((storage) => storage.getItem("imgpipe-theme"));
  if (kept === "light" || kept === "dark") root.theme = kept;
  theme.addEventListener("click", () => {
    const wanted = isDark() ? "light" : "dark";
    if (wanted === (system.matches ? "dark" : "light")) {
      delete root.theme;
      keep((storage) => storage.removeItem("imgpipe-theme"));
    } else {
      root.theme = wanted;
      keep((storage) => storage.setItem("imgpipe-theme", wanted));
    }
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
  let wanted = entries;
  const lists = Array.from(document.querySelectorAll("[data-list]"), (part) => ({
    part, own: entries.filter((entry) => part.contains(entry)), more: part.querySelector(".more"), step: Number(part.dataset.list), limit: 0,
  }));
  const show = () => {
    const set = new Set(wanted);
    for (const { part, own, more, limit } of lists) {
      const fit = own.filter((entry) => set.has(entry));
      const first = new Set(fit.slice(0, limit));
      for (const entry of own) entry.hidden = !first.has(entry);
      part.hidden = !fit.length;
      more.hidden = fit.length <= limit;
      more.textContent = `Show ${fit.length - limit} more`;
    }
  };
  const filter = () => {
    wanted = entries.filter(isWanted);
    for (const list of lists) list.limit = list.step;
    show();
    get("nothing").hidden = wanted.length > 0;
    get("filter-count").textContent = wanted.length === entries.length ? `${wanted.length} in the sample` : `${wanted.length} of ${entries.length} in the sample`;
  };
  for (const list of lists) {
    list.more.addEventListener("click", () => {
      const next = list.own.filter((entry) => wanted.includes(entry))[list.limit];
      list.limit = Infinity;
      show();
      button(next).focus();
    });
  }
  const clear = () => { filters.reset(); filter(); };
  filters.addEventListener("input", filter);
  filters.addEventListener("reset", () => setTimeout(filter));
  filters.addEventListener("submit", (event) => event.preventDefault());
  get("clear").addEventListener("click", () => { clear(); kind.focus(); });
  for (const jump of document.querySelectorAll(".show")) {
    jump.hidden = false;
    jump.addEventListener("click", () => {
      filters.reset();
      kind.value = "kind " + jump.dataset.kind;
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
    const place = wanted.indexOf(entry);
    get("place").textContent = `${place + 1} of ${wanted.length}`;
    get("previous").disabled = place <= 0;
    get("next").disabled = place >= wanted.length - 1;
    viewer.scrollTop = 0;
  };
  const step = (by) => {
    const next = wanted[wanted.indexOf(current) + by];
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
  viewer.addEventListener("close", () => {
    // One that was stepped to may wait behind "Show more".
    if (current.hidden) { for (const list of lists) if (list.own.includes(current)) list.limit = Infinity; show(); }
    button(current).focus();
  });
})();

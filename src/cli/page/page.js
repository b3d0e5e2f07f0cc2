
"use strict";
{
  const page = JSON.parse(document.getElementById("data").textContent);

  /** Each kind of answer: how the legend shows it, what it means, and what a screen reader says. */
  const KINDS = {
    "on-demand": ["on demand", "the model's own id", () => "on demand"],
    "profile": ["us, eu …", "the profile of this geography", (label) => `profile ${label}`],
    "global": ["global", "only the global profile", () => "global profile only"],
    "own": ["application", "an application profile of the account", () => "application profile"],
    "forbidden": ["forbidden", "the policy forbids every route", () => "forbidden by the policy"],
    "application": ["application", "only application profiles", () => "application profile only"],
    "inactive": ["inactive", "no profile is active", () => "inactive profiles only"],
    "provisioned": ["provisioned", "only bought throughput", () => "provisioned throughput only"],
    "unstated": ["none", "no way is stated", () => "none: no way is stated"],
    "absent": ["·", "the model is not there", () => "not there"],
  };
  const TIMES = {
    startOfLifeTime: "Available since",
    legacyTime: "Legacy from",
    publicExtendedAccessTime: "Extended access from",
    endOfLifeTime: "End of life",
  };

  const $ = (selector) => document.querySelector(selector);
  /** An element; whatever is put into it is text. */
  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };
  const date = (time) => time.replace("T", " ").replace(/(:\d\d)(:00)?(\.\d+)?Z$/, "$1 UTC").replace(" 00:00 UTC", "");
  const plain = (text) => text.toLowerCase().split(/[^\p{L}\p{N}]+/u).filter(Boolean).join("-");

  const regions = page.regions.map((region, index) => ({ ...region, index, header: undefined, shown: true }));
  /** The rows, and in each the cells, in the order of the regions. */
  const rows = [];
  /** The groups of rows, one a provider. */
  const groups = [];
  let current;

  // What is there.

  const about = [page.title];
  if (page.asOf) about.push(`as of ${date(page.asOf)}`);
  $("#about").textContent = about.join(", ");
  document.title = `Amazon Bedrock models: ${page.title}`;

  for (const failure of page.failures) {
    $("#failures ul").append(make("li", {}, make("bdi", {}, failure.region), ": ", make("bdi", {}, failure.message)));
    $("#failures").hidden = false;
  }

  for (const [kind, [label, meaning]] of Object.entries(KINDS)) {
    if (kind !== "absent" && !page.cells.some((cell) => cell.kind === kind)) continue;
    $("#legend").append(make("li", {}, make("span", { class: `answer ${kind}` }, label), ` ${meaning}`));
  }

  // The table.

  for (const region of regions) {
    const name = make("span", {}, make("bdi", {}, region.name));
    if (region.state === "Stale") name.append(make("small", {}, " stale"));
    region.header = make("th", { scope: "col" }, name);
    $("thead tr").append(region.header);
    $("#regions").append(make("option", { value: region.name }));
  }

  const cell = (model, region, row) => {
    const answer = page.cells[model.cells[region.index]];
    const td = make("td");
    let target = td;
    if (answer) {
      const spoken = `${model.name}, ${region.name}: ${KINDS[answer.kind][2](answer.label)}`;
      target = make("button", { type: "button", class: `answer ${answer.kind}`, "aria-label": spoken, "aria-haspopup": "dialog" }, answer.label);
      td.append(target);
    } else {
      td.className = "absent";
      td.setAttribute("aria-label", `${model.name}, ${region.name}: not there`);
      td.append("·");
    }
    target.tabIndex = -1;
    return { td, target, answer, model, region, row };
  };

  const providers = [...new Set(page.models.map((model) => model.provider))].sort((a, b) => a.localeCompare(b));
  for (const provider of providers) {
    $("#provider").append(make("option", { value: provider }, provider || "not stated"));
    const title = make("th", { scope: "rowgroup", class: "group" }, make("bdi", {}, provider || "not stated"));
    const body = make("tbody", {}, make("tr", {}, title));
    const group = { body, title, rows: [] };
    for (const model of page.models.filter((model) => model.provider === provider)) {
      const name = make("th", { scope: "row" }, make("bdi", {}, model.name));
      if (model.name !== model.id) name.append(make("span", { class: "id" }, model.id));
      const tr = make("tr", {}, name);
      const row = { tr, model, index: rows.length, words: `${plain(model.name)} ${plain(model.id)}`, cells: [] };
      row.cells = regions.map((region) => cell(model, region, row));
      tr.append(...row.cells.map((cell) => cell.td));
      body.append(tr);
      rows.push(row);
      group.rows.push(row);
    }
    groups.push(group);
  }
  const cellOf = new Map(rows.flatMap((row) => row.cells.map((cell) => [cell.target, cell])));

  // Filtering.

  const isShown = (cell) => !cell.row.tr.hidden && cell.region.shown;

  const makeCurrent = (cell) => {
    if (current) current.target.tabIndex = -1;
    current = cell;
    if (current) current.target.tabIndex = 0;
  };

  const filterRegions = () => {
    const wanted = $("#region").value.toLowerCase().split(/[\s,]+/).filter(Boolean);
    for (const region of regions) {
      const shown = wanted.length === 0 || wanted.some((part) => region.name.includes(part));
      if (shown === region.shown) continue;
      region.shown = shown;
      region.header.hidden = !shown;
      for (const row of rows) row.cells[region.index].td.hidden = !shown;
    }
  };

  const filter = () => {
    filterRegions();
    const columns = regions.filter((region) => region.shown).length;
    const provider = $("#provider").selectedIndex === 0 ? undefined : $("#provider").value;
    const words = plain($("#model").value);
    for (const row of rows) {
      const isMeant = (provider === undefined || row.model.provider === provider) && row.words.includes(words);
      row.tr.hidden = !(isMeant && row.cells.some((cell) => cell.answer && cell.region.shown));
    }
    for (const group of groups) {
      group.body.hidden = group.rows.every((row) => row.tr.hidden);
      group.title.colSpan = columns + 1;
    }
    const count = rows.filter((row) => !row.tr.hidden).length;
    const of = (number, name) => `${number} ${name}${number === 1 ? "" : "s"}`;
    $("#count").textContent = count === 0 ? "No model matches" : `${of(count, "model")} in ${of(columns, "region")}`;
    if (!current || !isShown(current)) makeCurrent(rows.flatMap((row) => row.cells).find(isShown));
  };

  // Moving.

  const step = (from, down, right) => {
    let row = from.row.index;
    let column = from.region.index;
    for (;;) {
      row += down;
      column += right;
      const cell = rows[row]?.cells[column];
      if (!cell) return undefined;
      if (isShown(cell)) return cell;
    }
  };
  const MOVES = {
    ArrowUp: (cell) => step(cell, -1, 0),
    ArrowDown: (cell) => step(cell, 1, 0),
    ArrowLeft: (cell) => step(cell, 0, -1),
    ArrowRight: (cell) => step(cell, 0, 1),
    Home: (cell) => cell.row.cells.find(isShown),
    End: (cell) => cell.row.cells.findLast(isShown),
  };

  const table = $("main table");
  table.addEventListener("keydown", (event) => {
    const move = MOVES[event.key];
    const from = cellOf.get(event.target);
    if (!move || !from || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const to = move(from);
    if (!to) return;
    makeCurrent(to);
    to.target.focus({ preventScroll: true });
    reveal(to.td);
  });
  table.addEventListener("focusin", (event) => {
    const cell = cellOf.get(event.target);
    if (cell) makeCurrent(cell);
  });

  /** Scrolls so that the cell is not below the headers, which stay where they are. */
  const reveal = (td) => {
    const view = $("main");
    const corner = $("thead th").getBoundingClientRect();
    const box = td.getBoundingClientRect();
    const outer = view.getBoundingClientRect();
    if (box.left < corner.right) view.scrollLeft -= corner.right - box.left;
    if (box.right > outer.left + view.clientWidth) view.scrollLeft += box.right - outer.left - view.clientWidth;
    if (box.top < corner.bottom) view.scrollTop -= corner.bottom - box.top;
    if (box.bottom > outer.top + view.clientHeight) view.scrollTop += box.bottom - outer.top - view.clientHeight;
  };

  // Details.

  const dialog = $("dialog");

  const copyable = (id) => {
    const code = make("code", {}, id);
    const button = make("button", { type: "button" }, "Copy");
    const status = make("span", { role: "status" });
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(id);
        status.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(code);
        status.textContent = "Selected: copy it with the keyboard";
      }
    });
    return make("div", { class: "pass" }, code, button, status);
  };

  const profilesTable = (profiles) => {
    const columns = ["Id", "Type", "Status", "Geography", "Routes to"];
    const head = make("tr", {}, ...columns.map((name) => make("th", { scope: "col" }, name)));
    const body = make("tbody");
    for (const profile of profiles) {
      const regions = profile.destinationRegions.map((region) => (region === "*" ? "any region" : region));
      body.append(make("tr", {},
        make("th", { scope: "row", class: "id" }, profile.id),
        make("td", {}, profile.type ?? ""),
        make("td", {}, profile.status ?? ""),
        make("td", {}, profile.geography ?? ""),
        make("td", {}, regions.join(", "))));
    }
    return make("div", { class: "scroll" }, make("table", { "aria-label": "Inference profiles" }, make("thead", {}, head), body));
  };

  const lifecycleList = (lifecycle) => {
    const list = make("dl", {}, make("dt", {}, "Status"), make("dd", {}, String(lifecycle.status ?? "not stated")));
    const known = Object.keys(TIMES).filter((key) => key in lifecycle);
    const others = Object.keys(lifecycle).filter((key) => key !== "status" && !(key in TIMES));
    for (const key of [...known, ...others]) {
      const value = lifecycle[key];
      list.append(make("dt", {}, TIMES[key] ?? key), make("dd", {}, typeof value === "string" ? date(value) : JSON.stringify(value)));
    }
    return list;
  };

  const open = ({ answer, model, region }) => {
    $("#details-model").replaceChildren(make("bdi", {}, model.name), " from ", make("bdi", {}, region.name));
    $("#details-id").replaceChildren(make("span", { class: "id" }, model.id));
    const title = (text) => make("h3", {}, text);
    const body = [title("Id to pass")];
    body.push(answer.invokeWith ? copyable(answer.invokeWith) : make("p", {}, "No ID."), make("p", {}, answer.why));
    if (answer.profiles.length > 0) body.push(title("Inference profiles"), profilesTable(answer.profiles));
    body.push(title("Lifecycle"), lifecycleList(answer.lifecycle));
    if (region.state === "Stale") {
      const since = region.staleSince ? ` since ${date(region.staleSince)}` : "";
      body.push(title("Stale"), make("p", {}, `This could not be confirmed${since}.`));
    }
    $("#details-body").replaceChildren(...body);
    dialog.showModal();
  };

  table.addEventListener("click", (event) => {
    const cell = cellOf.get(event.target);
    if (cell?.answer) open(cell);
  });
  $("#close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });

  $("form").addEventListener("input", filter);
  $("form").addEventListener("submit", (event) => event.preventDefault());
  table.append(...groups.map((group) => group.body));
  filter();
}

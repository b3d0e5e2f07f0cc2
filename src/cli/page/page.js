{
  const page = JSON.parse(document.getElementById("data").textContent);

  /** Each kind of cell: how the legend shows it, and what it means. */
  const KINDS = {
    "on-demand": ["region", "on demand: the model's own ID, in this region"],
    "profile": ["us", "the profile of this geography"],
    "global": ["global", "the global profile"],
    "own": ["app", "an application profile of the account"],
    "forbidden": ["no", "the policy forbids every route"],
    "application": ["app", "only application profiles"],
    "inactive": ["off", "no profile is active"],
    "provisioned": ["prov.", "provisioned throughput only"],
    "unstated": ["none", "no route"],
    "absent": ["·", "not offered in the region"],
  };
  /** The kind of the cell of a route or of a reason, and what a screen reader says. */
  const ROUTES = {
    InRegion: ["on-demand", () => "on demand"],
    Geographic: ["profile", (label) => `profile ${label}`],
    Global: ["global", () => "global profile"],
    Application: ["own", () => "application profile"],
  };
  const REASONS = {
    Legacy: ["forbidden", "LEGACY, which the policy avoids", "the model is LEGACY, and the policy avoids such models"],
    DestinationNotAllowed: ["forbidden", "destination not allowed", "each route may run in a region that the policy does not allow"],
    KindNotAllowed: ["forbidden", "kind not allowed", "the policy lists none of the kinds of its routes"],
    ApplicationOnly: ["application", "application profile only", "not on demand; only application profiles invoke it: pass the ARN of yours"],
    ProvisionedOnly: ["provisioned", "provisioned throughput only", "only with provisioned throughput: pass the ARN of the account's Provisioned Throughput"],
    ProfileNotActive: ["inactive", "inactive profiles only", "not on demand; none of its profiles is active"],
    NoRoute: ["unstated", "no route", "AWS returned no route to the model from this region"],
  };
  const GEOGRAPHIES = {
    af: "Africa", ap: "Asia Pacific", ca: "Canada", cn: "China", eu: "Europe", eusc: "EU Sovereign", il: "Israel",
    me: "Middle East", mx: "Mexico", sa: "South America", us: "United States",
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

  const regions = page.regions.map((region, index) => ({ ...region, index, shown: true, geography: region.name.split("-")[0] }));
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

  for (const alias of page.aliases) {
    const id = alias.id ? make("code", {}, alias.id) : `none (${alias.reason})`;
    $("#aliases dl").append(make("dt", {}, make("bdi", {}, alias.name)), make("dd", {}, id, ` in ${alias.regions.join(", ")}`));
    $("#aliases").hidden = false;
  }
  for (const failure of page.failures) {
    $("#failures ul").append(make("li", {}, make("bdi", {}, failure.region), ": ", make("bdi", {}, failure.message)));
    $("#failures").hidden = false;
  }

  // The choice in each cell.

  /** An ARN with the region of its cell, which the data leaves out. */
  const located = (arn, region) => arn?.replace(/^(arn:[^:]*:bedrock:):/, `$1${region}:`);

  /** What the cell says: as published, or under a policy. */
  const chosen = ({ facts, model, region }, policy) => {
    if (policy) return invocation.choose(facts, model.id, region.name, policy);
    if (facts.invokeWith === undefined) return { reason: facts.reason };
    const id = located(facts.invokeWith, region.name);
    return { kind: facts.route, id, profile: facts.profiles.find((profile) => profile.id === id || profile.arn === id) };
  };

  const show = (cell, policy) => {
    const choice = chosen(cell, policy);
    const [kind, spoken] = choice.kind ? ROUTES[choice.kind] : (REASONS[choice.reason] ?? REASONS.NoRoute);
    const isOfGeography = choice.kind === "Geographic" && choice.profile?.geography;
    const label = isOfGeography ? choice.profile.geography : KINDS[kind][0];
    cell.choice = choice;
    cell.target.className = `answer ${kind}`;
    cell.target.textContent = label;
    cell.target.dataset.id = choice.id ?? "";
    cell.target.dataset.why = choice.kind ?? choice.reason;
    cell.target.setAttribute("aria-label", `${cell.model.name}, ${cell.region.name}: ${choice.kind ? spoken(label) : spoken}`);
  };

  const showLegend = () => {
    const shown = new Set(rows.flatMap((row) => row.cells).map((cell) => (cell.facts ? cell.target.className.split(" ")[1] : "absent")));
    const entry = ([kind, [label, meaning]]) => make("li", {}, make("span", { class: `answer ${kind}` }, label), ` ${meaning}`);
    $("#legend").replaceChildren(...Object.entries(KINDS).filter(([kind]) => shown.has(kind)).map(entry));
  };

  // The table.

  const geographies = [...new Set(regions.map((region) => region.geography))].map((name) => {
    const members = regions.filter((region) => region.geography === name);
    const header = make("th", { scope: "colgroup", class: "first" }, make("bdi", {}, GEOGRAPHIES[name] ?? name));
    $("thead tr").append(header);
    return { header, members };
  });
  for (const region of geographies.flatMap((geography) => geography.members)) {
    const name = make("span", {}, make("bdi", {}, region.name));
    if (region.state === "Stale") name.append(make("small", {}, " stale"));
    region.header = make("th", { scope: "col" }, name);
    $("thead tr:last-child").append(region.header);
    $("#regions").append(make("option", { value: region.name }));
  }

  const makeCell = (model, region, row) => {
    const facts = page.cells[model.cells[region.index]];
    if (!facts) {
      const td = make("td", { class: "absent", tabindex: "-1", "aria-label": `${model.name}, ${region.name}: not there` }, "·");
      return { td, target: td, model, region, row };
    }
    const target = make("button", { type: "button", tabindex: "-1", "aria-haspopup": "dialog" });
    const profiles = facts.profiles.map((profile) => ({ ...profile, arn: located(profile.arn, region.name) }));
    return { td: make("td", {}, target), target, facts: { ...facts, profiles }, model, region, row };
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
      row.cells = regions.map((region) => makeCell(model, region, row));
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

  /** The policy of the form; undefined: the choice as published. */
  const policyOfForm = () => {
    const [text, destinations] = [$("#preference").value, $("#destinations").value];
    const preference = invocation.preference(text);
    $("#preference").setAttribute("aria-invalid", String(preference === undefined));
    $("#preference").setCustomValidity(preference ? "" : "Name InRegion, Geographic, Global or Application, each at most once");
    if (!preference?.length && !destinations.trim() && !$("#legacy").checked) return undefined;
    return {
      preference: preference?.length ? preference : ["InRegion", "Geographic", "Global"],
      allows: invocation.destinations(destinations),
      avoidsLegacy: $("#legacy").checked,
    };
  };

  const applyPolicy = () => {
    const policy = policyOfForm();
    const cells = rows.flatMap((row) => row.cells).filter((cell) => cell.facts);
    for (const cell of cells) show(cell, policy);
    const left = cells.filter((cell) => cell.choice.id !== undefined).length;
    $("#remaining").textContent = `${left} of ${cells.length} have an ID${policy ? "" : ", as published"}`;
    showLegend();
  };

  const isMatch = (cell) => cell.facts && (cell.choice.id !== undefined || !$("#invocable").checked);

  /** Folds away what has no match: models, then regions and geographies without a cell left. */
  const filter = () => {
    const wanted = $("#region").value.toLowerCase().split(/[\s,]+/).filter(Boolean);
    const isWanted = (region) => wanted.length === 0 || wanted.some((part) => region.name.includes(part));
    const provider = $("#provider").selectedIndex === 0 ? undefined : $("#provider").value;
    const words = plain($("#model").value);
    for (const row of rows) {
      const isMeant = (provider === undefined || row.model.provider === provider) && row.words.includes(words);
      row.tr.hidden = !(isMeant && row.cells.some((cell) => isMatch(cell) && isWanted(cell.region)));
    }
    const left = rows.filter((row) => !row.tr.hidden);
    for (const region of regions) {
      const isShown = isWanted(region) && left.some((row) => isMatch(row.cells[region.index]));
      if (isShown === region.shown) continue;
      region.shown = isShown;
      region.header.hidden = !isShown;
      for (const row of rows) row.cells[region.index].td.hidden = !isShown;
    }
    for (const geography of geographies) {
      const { header, members } = geography;
      const shown = members.filter((region) => region.shown);
      header.hidden = shown.length === 0;
      header.colSpan = Math.max(shown.length, 1);
      if (geography.first === shown[0]) continue;
      geography.first = shown[0];
      for (const region of members) {
        for (const cell of [region.header, ...rows.map((row) => row.cells[region.index].td)]) cell.classList.toggle("first", region === shown[0]);
      }
    }
    const columns = regions.filter((region) => region.shown).length;
    for (const group of groups) {
      group.body.hidden = group.rows.every((row) => row.tr.hidden);
      group.title.colSpan = columns + 1;
    }
    const of = (number, name) => `${number} ${name}${number === 1 ? "" : "s"}`;
    $("#count").textContent = left.length === 0 ? "No model matches" : `${of(left.length, "model")} in ${of(columns, "region")}`;
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
    const columns = ["ID, name and ARN", "Type", "Status", "Geography", "Routes to"];
    const head = make("tr", {}, ...columns.map((name) => make("th", { scope: "col" }, name)));
    const body = make("tbody");
    for (const profile of profiles) {
      const regions = profile.destinationRegions.map((region) => (region === "*" ? "any region" : region));
      body.append(make("tr", {},
        make("th", { scope: "row" },
          make("span", { class: "id" }, profile.id),
          make("span", {}, profile.name ?? ""),
          make("span", { class: "id" }, profile.arn ?? "")),
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

  const explanation = (facts, { kind, reason, profile }) => {
    if (!kind) return (REASONS[reason] ?? REASONS.NoRoute)[2];
    if (kind === "InRegion") return "on demand: the model's own ID can be passed";
    const demand = facts.onDemand ? "" : "not on demand; ";
    const names = { Global: "the global profile", Application: `the application profile ${profile?.name ?? ""}` };
    const name = names[kind] ?? `the profile of the geography ${profile?.geography ?? ""}`;
    const regions = profile?.destinationRegions ?? [];
    return `${demand}${name}, which routes to ${regions.includes("*") ? "any region" : regions.join(", ")}`;
  };

  const open = ({ facts, choice, model, region }) => {
    $("#details-model").replaceChildren(make("bdi", {}, model.name), " from ", make("bdi", {}, region.name));
    $("#details-id").replaceChildren(make("span", { class: "id" }, model.id));
    const title = (text) => make("h3", {}, text);
    const body = [title("ID to pass")];
    body.push(choice.id ? copyable(choice.id) : make("p", {}, "No ID."), make("p", {}, explanation(facts, choice)));
    body.push(title(choice.kind ? "Route" : "Reason"), make("p", {}, make("code", {}, choice.kind ?? choice.reason)));
    if (facts.profiles.length > 0) body.push(title("Inference profiles"), profilesTable(facts.profiles));
    body.push(title("Lifecycle"), lifecycleList(facts.lifecycle));
    if (region.state === "Stale") {
      const since = region.staleSince ? ` since ${date(region.staleSince)}` : "";
      body.push(title("Stale"), make("p", {}, `This could not be confirmed${since}.`));
    }
    $("#details-body").replaceChildren(...body);
    dialog.showModal();
  };

  table.addEventListener("click", (event) => {
    const cell = cellOf.get(event.target);
    if (cell?.facts) open(cell);
  });
  $("#close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });

  const OF_THE_POLICY = ["preference", "destinations", "legacy"];
  $("form").addEventListener("input", (event) => {
    // It decides every cell, which takes longer than to hide some.
    if (OF_THE_POLICY.includes(event.target.id)) applyPolicy();
    filter();
  });
  $("form").addEventListener("submit", (event) => event.preventDefault());
  table.append(...groups.map((group) => group.body));
  applyPolicy();
  filter();
}

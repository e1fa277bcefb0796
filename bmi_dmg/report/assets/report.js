"use strict";
// The page around map and charts, and what happens when a catchment is chosen.

const state = { row: WHOLE, measure: 0 };
let map = null;
let table = null;

/** Rows of the table that are made at a time. */
const TABLE_ROWS = 60;
/** Pixels that a name, and a figure with its heading, need. */
const NAME_WIDTH = 112;
const COLUMN_WIDTH = 104;

const term = (label) => facts.budget.terms.find((each) => each.label === label);
const date = (iso) => dayFormat.format(new Date(`${iso}Z`));
/** Last day of what ends at some time. */
const lastDay = (iso) => dayFormat.format(new Date(new Date(`${iso}Z`).getTime() - 1000));
const hasAreas = facts.catchments.areas !== null;
const totalArea = hasAreas ? facts.catchments.areas.reduce((sum, area) => sum + area, 0) : null;
const measureCalled = (label) => facts.measures.find((measure) => measure.label === label);

function drawHead() {
  element("title").textContent = facts.title;
  const area = hasAreas ? `, ${written(totalArea, "km²")}` : "";
  const many = catchments.length === 1 ? "1 catchment" : `${catchments.length} catchments`;
  element("subtitle").textContent = `${many}${area} · ${date(facts.period.start)} to ${lastDay(facts.period.end)}`;
  document.title = `${facts.title}: run report`;
}

function tile(label, value, note) {
  return make("div", { class: "tile" }, make("span", { class: "quiet" }, label), make("b", {}, value), make("span", { class: "quiet small" }, note));
}

/** Say that the run began with empty stores. */
function drawColdStart() {
  if (!facts.cold) return;
  const which = facts.cold === catchments.length ? "" : ` in ${facts.cold} of ${catchments.length} catchments`;
  element("cold").append(make("b", {}, "Cold start. "), `All stores were empty on ${date(facts.period.start)}${which}: the first months are drier than they would be, and runoff is too low. `,
    make("code", {}, `bmi-dmg spinup ${facts.title} --use`), " gives the run a warm start.");
  element("cold").hidden = false;
}

/** Totals of all catchments over the run. */
function drawTotals() {
  const tiles = [];
  const seconds = (new Date(`${facts.period.budgetEnd}Z`) - new Date(`${facts.period.budgetStart}Z`)) / 1000;
  const volume = (depth) => (hasAreas ? `${written((depth * totalArea) / 1000)} million m³, ${written((1000 * depth * totalArea) / seconds)} m³/s` : "mean of the catchments");
  for (const label of ["Precipitation", "Evapotranspiration", "Runoff"]) {
    const found = term(label);
    if (found) tiles.push(tile(label, written(found.values[WHOLE], "mm"), volume(found.values[WHOLE])));
  }
  const ratio = measureCalled("Runoff ratio");
  if (ratio) tiles.push(tile("Runoff ratio", written(ratio.values[WHOLE]), "runoff by precipitation"));
  const stored = facts.budget.terms.filter((each) => each.stored);
  if (stored.length) {
    const change = stored.reduce((sum, each) => sum + each.values[WHOLE], 0);
    tiles.push(tile("Storage change", written(change, "mm"), facts.budget.missing.length ? "as far as it is among the results" : "snow, soil, groundwater"));
  }
  if (facts.skill) {
    const middle = (values) => quantile(values.filter((value) => value !== null).sort((a, b) => a - b), 0.5);
    const compared = facts.skill.nse.filter((value) => value !== null).length;
    if (compared) tiles.push(tile("Median NSE", written(middle(facts.skill.nse)), `of ${compared} catchments with observed flow`));
  }
  const known = facts.gauges.filter((gauge) => typeof gauge.nse === "number").map((gauge) => gauge.nse).sort((a, b) => a - b);
  if (known.length) tiles.push(tile("Median NSE at gauges", written(quantile(known, 0.5)), `of ${known.length} gauge${known.length > 1 ? "s" : ""} with observed flow`));
  element("totals").append(...tiles);
}

function drawFindings() {
  const list = element("findings-list");
  if (!facts.findings.length) list.append(make("p", {}, "Nothing was found to be wrong."));
  const found = facts.findings.map((finding) => make("li", { class: `finding ${finding.severity}` },
    make("b", { class: "severity" }, finding.severity), make("div", {}, make("p", {}, finding.message),
      finding.remedy ? make("p", { class: "quiet" }, finding.remedy) : "", make("p", { class: "quiet small" }, finding.place))));
  if (found.length) list.append(make("ul", {}, ...found));
  const serious = ["error", "warning"].map((severity) => [severity, facts.findings.filter((finding) => finding.severity === severity).length]);
  const text = serious.filter(([, count]) => count).map(([severity, count]) => `${count} ${severity}${count > 1 ? "s" : ""}`).join(", ");
  const link = element("findings-link");
  link.hidden = !text;
  link.textContent = `Check: ${text}`;
  link.className = serious[0][1] ? "error" : "warning";
}

/** Scores of forecasts by lead; nothing where nothing was assimilated. */
function drawAssimilation() {
  const found = facts.assimilation;
  element("assimilation-section").hidden = !found;
  if (!found) return;
  const head = ["Score", "Forecast", ...found.leads.map((days) => `${days} d`)];
  const cell = (value) => make("td", { class: "number" }, value === null ? "" : value.toFixed(3));
  const rows = found.rows.map((row) => make("tr", {}, make("th", { scope: "row" }, row.score), make("td", {}, row.forecast), ...row.values.map(cell)));
  element("assimilation").append(make("thead", {}, make("tr", {}, ...head.map((text) => make("th", { scope: "col" }, text)))), make("tbody", {}, ...rows));
}

function drawList(id, lines) {
  element(id).append(...lines.map(([label, value]) => make("div", {}, make("dt", {}, label), make("dd", {}, value))));
}

function drawNotes() {
  const notes = [`Written ${facts.written.replace("T", " ").replace("+00:00", "")} UTC. All times are UTC.`];
  if (facts.axis.step >= DAY) notes.push(`Series are means of ${facts.axis.step === DAY ? "days" : `${facts.axis.step / DAY} days`}.`);
  if (facts.period.byDay) notes.push("The model steps by the day and reports the flow of a day from its last hour on; days here are the model's days.");
  notes.push("Values of series are rounded to five digits.");
  element("notes").textContent = notes.join(" ");
}

/** A budget as a table whose bars grow from a common zero. */
function drawBudget(row) {
  const lines = facts.budget.terms.map((each) => ({
    label: each.stored ? `Stored: ${each.label.toLowerCase()}` : each.label,
    kind: each.gain ? "gain" : each.stored ? "stored" : "loss",
    sign: each.gain ? "+" : "−",
    value: each.values[row],
  }));
  if (facts.budget.residual) {
    lines.push({ label: facts.budget.missing.length ? "Rest" : "Unexplained", kind: "rest", sign: "=", value: facts.budget.residual[row] });
  }
  const numbers = lines.map((line) => line.value ?? 0);
  const [low, high] = [Math.min(0, ...numbers), Math.max(0, ...numbers)];
  const percent = (value) => (100 * value) / (high - low || 1);
  element("budget").replaceChildren(make("tbody", {}, ...lines.map((line) => {
    const value = line.value ?? 0;
    const bar = make("span", { class: `budget-bar ${line.kind}`, style: `left: ${percent(Math.min(0, value) - low)}%; width: ${percent(Math.abs(value))}%` });
    const depth = Math.abs(value) < 0.05 ? 0 : value;
    return make("tr", {}, make("th", { scope: "row" }, make("span", { class: "sign" }, line.sign), line.label),
      make("td", { class: "number" }, line.value === null ? "–" : depth.toFixed(1).replace("-", "−")),
      make("td", { class: "track", "aria-hidden": "true" }, make("div", {}, bar)));
  })));
  const rest = facts.budget.missing.length ? ` The rest holds what the run does not tell: ${facts.budget.missing.join(", ").toLowerCase()}.` : "";
  element("budget-heading").textContent = `Water budget: ${nameOf(row)}`;
  element("budget-note").textContent = lines.length
    ? `mm, ${date(facts.period.budgetStart)} to ${lastDay(facts.period.budgetEnd)}.${rest}`
    : "The model gives flow without a water balance; of an ensemble, budget.csv has those of its members.";
}

function drawFacts(row) {
  const parts = [];
  if (hasAreas) parts.push(written(row === WHOLE ? totalArea : facts.catchments.areas[row], "km²"));
  const runoff = term("Runoff").values[row];
  parts.push(`runoff ${written(runoff, "mm")}`);
  const ratio = measureCalled("Runoff ratio");
  if (ratio) parts.push(`runoff ratio ${written(ratio.values[row])}`);
  if (facts.skill && facts.skill.nse[row] !== null) {
    const bias = facts.skill.pbias[row];
    parts.push(`NSE ${written(facts.skill.nse[row])}`, `KGE ${written(facts.skill.kge[row])}`, `bias ${bias > 0 ? "+" : ""}${written(bias, "%")}`);
  }
  for (const gauge of facts.gauges.filter((each) => each.row === row && typeof each.nse === "number")) {
    parts.push(`gauge ${gauge.id}: NSE ${written(gauge.nse)}, KGE ${written(gauge.kge)}, bias ${gauge.pbias > 0 ? "+" : ""}${written(gauge.pbias, "%")}`);
  }
  element("catchment-heading").textContent = nameOf(row);
  element("catchment-facts").textContent = parts.join(" · ");
}

/** The same figures as the map's, for all catchments at once, as a table whose rows are made as one scrolls: thousands of cells take time. */
class Table {
  constructor() {
    this.first = 1;
    this.columns = [{ label: "Catchment", units: "", values: catchments }];
    if (hasAreas) this.columns.push({ label: "Area", units: "km²", values: facts.catchments.areas });
    this.columns.push(...facts.measures);
    this.order = Array.from(catchments.keys());
    this.sorted = { column: 0, down: false };
    this.body = make("tbody");
    this.columns.forEach((column, i) => { column.head = this.head(column, i); });
    this.row = make("tr");
    element("table").setAttribute("aria-rowcount", catchments.length + 1);
    element("table").append(make("thead", {}, this.row), this.body);
    this.fit();
    const frame = element("table-frame");
    new ResizeObserver(() => this.fit()).observe(frame);
    element("columns-before").addEventListener("click", () => this.show(Math.max(1, this.first - this.fitting)));
    element("columns-after").addEventListener("click", () => this.show(this.first + this.fitting));
    frame.addEventListener("scroll", () => {
      if (frame.scrollTop + 2 * frame.clientHeight > frame.scrollHeight) this.showMore();
    });
    this.body.addEventListener("click", (event) => {
      choose(Number(event.target.closest("tr").dataset.row));
      element("catchment-heading").scrollIntoView({ block: "nearest" });
    });
  }

  head(column, i) {
    // Long words may be parted with a soft hyphen.
    const label = column.label.replace(/(evapo)(transpiration)/i, "$1\u00ad$2").replace(/(precipi)(tation)/i, "$1\u00ad$2").replace(/(ground)(water)/i, "$1\u00ad$2");
    const button = make("button", { type: "button" }, label, column.units ? make("span", { class: "quiet" }, ` ${column.units}`) : "");
    button.addEventListener("click", () => this.sort(i));
    return make("th", { scope: "col" }, button);
  }

  /** Take as many columns as the width has room for. */
  fit() {
    const fitting = Math.max(2, Math.floor((element("table-frame").clientWidth - NAME_WIDTH) / COLUMN_WIDTH));
    if (fitting === this.fitting) return;
    this.fitting = fitting;
    this.show(1);
  }

  /** Show columns from one on; names always stand in front. */
  show(first) {
    const count = this.columns.length - 1;
    this.first = first;
    this.shown = Array.from({ length: Math.min(this.fitting, count - first + 1) }, (_, i) => first + i);
    this.row.replaceChildren(...[0, ...this.shown].map((i) => this.columns[i].head));
    this.columns[0].head.style.width = `${NAME_WIDTH}px`;
    const all = this.fitting >= count;
    element("columns-buttons").hidden = all;
    element("columns-shown").textContent = all ? "" : `Columns ${first} to ${this.shown[this.shown.length - 1]} of ${count}`;
    element("columns-before").disabled = first === 1;
    element("columns-after").disabled = first + this.fitting > count;
    this.body.replaceChildren();
    this.showMore();
  }

  showMore() {
    const next = this.order.slice(this.body.rows.length, this.body.rows.length + TABLE_ROWS);
    this.body.append(...next.map((row) => make("tr", { "data-row": row, "aria-current": row === state.row ? "true" : null },
      make("th", { scope: "row" }, make("button", { type: "button", class: "link" }, catchments[row])),
      ...this.shown.map((i) => make("td", { class: "number" }, written(this.columns[i].values[row]))))));
  }

  /** The most first, at a second click the least; names the other way round. */
  sort(column) {
    const down = this.sorted.column === column ? !this.sorted.down : column > 0;
    this.sorted = { column, down };
    const found = this.columns[column].values;
    const compare = column === 0 ? (a, b) => a.localeCompare(b, "en", { numeric: true }) : (a, b) => a - b;
    this.order.sort((a, b) => {
      const [first, second] = [found[a], found[b]];
      if (first === null || second === null) return (first === null) - (second === null);
      return (down ? -1 : 1) * compare(first, second);
    });
    this.body.replaceChildren();
    this.showMore();
    element("table-frame").scrollTop = 0;
    this.columns.forEach(({ head }, i) => {
      if (i === column) head.setAttribute("aria-sort", down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
  }

  choose(row) {
    this.body.querySelector("tr[aria-current]")?.removeAttribute("aria-current");
    this.body.querySelector(`tr[data-row="${row}"]`)?.setAttribute("aria-current", "true");
  }
}

function paint() {
  const measure = facts.measures[state.measure];
  const scale = new Scale(measure);
  map.paint(measure, scale);
  drawLegend(scale, measure, state.row);
}

/** Show a row everywhere. */
function choose(row) {
  state.row = row;
  drawFacts(row);
  drawCharts(row, showZoom);
  drawDurations(row);
  drawBudget(row);
  element("show-all").hidden = row === WHOLE;
  element("find").value = "";
  table.choose(row);
  if (map) {
    map.choose(row);
    drawLegend(new Scale(facts.measures[state.measure]), facts.measures[state.measure], row);
  }
  history.replaceState(null, "", row === WHOLE ? location.pathname + location.search : `#${catchments[row]}`);
}

function rowOfAddress() {
  const row = catchments.indexOf(decodeURIComponent(location.hash.slice(1)));
  return row < 0 ? (catchments.length === 1 ? 0 : WHOLE) : row;
}

const dayOf = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 10);

function showZoom() {
  if (!charts.length) return;
  const { min, max } = charts[0].scales.x;
  element("from").value = dayOf(min);
  element("to").value = dayOf(max);
}

function zoomToDates() {
  const [from, to] = [element("from"), element("to")].map((input) => input.valueAsNumber / 1000);
  if (from < to) zoomCharts(Math.max(from, times[0]), Math.min(to, times[times.length - 1]));
}

function download() {
  const curves = facts.panels.flatMap((panel) => panel.curves.map((curve) => ({ ...curve, units: panel.units })));
  const head = ["time", ...curves.map((curve) => `${curve.label} [${curve.units}]`)].join(",");
  const columnsOfRow = curves.map((curve) => values(curve.role, state.row));
  const lines = Array.from(times, (time, i) => [
    new Date(time * 1000).toISOString().slice(0, 16).replace("T", " "), ...columnsOfRow.map((column) => (column[i] === null ? "" : Number(column[i].toPrecision(6)))),
  ].join(","));
  const address = URL.createObjectURL(new Blob([[head, ...lines].join("\n") + "\n"], { type: "text/csv" }));
  make("a", { href: address, download: `${facts.title}_${state.row === WHOLE ? "all" : catchments[state.row]}.csv` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

function listen() {
  if (map) element("measure").addEventListener("change", (event) => { state.measure = Number(event.target.value); paint(); });
  element("find").addEventListener("change", (event) => {
    const row = catchments.indexOf(event.target.value.trim());
    event.target.setCustomValidity(row < 0 ? "There is no such catchment." : "");
    event.target.reportValidity();
    if (row >= 0) choose(row);
  });
  element("show-all").addEventListener("click", () => choose(WHOLE));
  element("whole-period").addEventListener("click", () => zoomCharts(times[0], times[times.length - 1]));
  element("from").addEventListener("change", zoomToDates);
  element("to").addEventListener("change", zoomToDates);
  element("logarithmic").addEventListener("change", (event) => { logarithmic = event.target.checked; redrawCharts(state.row, showZoom); });
  element("download").addEventListener("click", download);
  window.addEventListener("hashchange", () => choose(rowOfAddress()));
  dark.addEventListener("change", () => { redrawCharts(state.row, showZoom); if (map) paint(); });
  new ResizeObserver(resizeCharts).observe(element("charts"));
}

async function start() {
  drawHead();
  drawColdStart();
  drawTotals();
  element("measure").append(...facts.measures.map((measure, i) => make("option", { value: i }, measure.label)));
  element("catchment-ids").append(...catchments.map((id) => make("option", { value: id })));
  element("readout").textContent = HINT;
  if (facts.map) {
    map = new DivideMap(facts.map, choose);
    paint();
  } else {
    element("map-section").remove();
    element("explore").classList.add("no-map");
  }
  await unpackAll();
  table = new Table();
  choose(rowOfAddress());
  listen();
  drawFindings();
  drawAssimilation();
  drawList("settings", facts.settings);
  drawList("versions", facts.versions);
  drawNotes();
  performance.mark("interactive");
  document.documentElement.dataset.ready = "true";
}

if ("DecompressionStream" in window) start();
else document.querySelector("main").replaceChildren(make("p", { class: "notice" }, "This report needs a browser of 2023 or newer."));

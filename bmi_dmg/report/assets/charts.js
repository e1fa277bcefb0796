"use strict";
// Charts of one row over time, and its flow-duration curve.

const PANEL_HEIGHT = 96;
const AXIS_HEIGHT = 30;
const DURATION_HEIGHT = 220;
const charts = [];
/** Panels whose axis can be logarithmic. */
const FLOWS = ["Runoff", "Flow at the outlet"];
let logarithmic = false;

const isLogarithmic = (panel) => logarithmic && FLOWS.includes(panel.title);

/** What a panel shows of a row; a logarithmic axis has no place for nothing. */
function panelData(panel, row) {
  const found = panel.curves.map((curve) => values(curve.role, row));
  return [times, ...(isLogarithmic(panel) ? found.map((all) => Array.from(all, (value) => (value > 0 ? value : null))) : found)];
}

const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const colourOf = (curve) => (dark.matches ? curve.dark : curve.light);

function axisStyle() {
  const grid = { stroke: style("--grid"), width: 1 };
  return { stroke: style("--quiet"), grid, ticks: { ...grid, size: 4 }, font: "11px system-ui, sans-serif" };
}

function curveStyle(curve, isRain) {
  const colour = colourOf(curve);
  if (curve.lower || curve.edge) return { label: curve.label, stroke: colour, width: 0, points: { show: false } };
  const drawn = { label: curve.label, stroke: colour, width: 1.25 * curve.width, points: { show: false } };
  if (isRain) return { ...drawn, fill: colour, width: 0, paths: uPlot.paths.bars({ size: [1, Infinity], align: 1 }) };
  return curve.filled ? { ...drawn, fill: `color-mix(in srgb, ${colour} 35%, transparent)` } : drawn;
}

const title = (text, units) => make("span", { class: "grow" }, make("span", { class: "panel-title" }, text), make("span", { class: "quiet" }, ` ${units}`));

/** Legend of some curves, with room for the values under the cursor. */
function keysOf(curves) {
  const keys = curves.map((curve) => make("span", { class: "key" }, make("b")));
  if (curves.length > 1) {
    keys.forEach((key, i) => key.prepend(make("span", { class: "swatch", style: `background: ${colourOf(curves[i])}` }), `${curves[i].label} `));
  }
  return keys;
}

function describe(panel, row) {
  const parts = panel.curves.map((curve) => {
    const known = Array.from(values(curve.role, row)).filter((value) => value !== null);
    if (!known.length) return `${curve.label}: no values`;
    const mean = known.reduce((sum, value) => sum + value, 0) / known.length;
    return `${curve.label}: mean ${written(mean)}, largest ${written(known.reduce((a, b) => Math.max(a, b)))} ${panel.units}`;
  });
  return `${panel.title} of ${nameOf(row)}. ${parts.join("; ")}`;
}

/** Room for the largest value, and nothing below zero unless values are. */
const fromZero = (_, least, most) => [Math.min(0, least ?? 0), (most ?? 0) > 0 ? most * 1.06 : 1];

/** Four decades below the largest value are enough: less is next to nothing. */
const decades = (_, least, most) => ((most ?? 0) > 0 ? [Math.max(0.8 * least, 1e-4 * most), 1.25 * most] : [0.1, 1]);

const part = (options) => new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", ...options });
const [yearOf, monthOf, dayInMonth, hourOf] = [{ year: "numeric" }, { month: "short" }, { day: "numeric", month: "short" }, { hour: "2-digit", minute: "2-digit" }].map(part);

/** Name ticks by what tells them apart; the larger unit stands below where it changes. */
function timeLabels(_, ticks, axis, space, step) {
  const [fine, coarse] = step >= 365 * DAY ? [yearOf, null] : step >= 28 * DAY ? [monthOf, yearOf] : step >= DAY ? [dayInMonth, yearOf] : [hourOf, dayInMonth];
  let last = null;
  return ticks.map((tick) => {
    const at = new Date(tick * 1000);
    const below = coarse ? coarse.format(at) : null;
    const label = below === null || below === last ? fine.format(at) : `${fine.format(at)}\n${below}`;
    last = below;
    return label;
  });
}

/** Bands of a panel: from each upper edge to the curve after it, which is the lower one. */
const bandsOf = (panel) => panel.curves.flatMap((curve, i) => (curve.lower ? [{ series: [i + 1, i + 2], fill: colourOf(curve) }] : []));

function panelOptions(panel, width, isLast, hooks) {
  const isRain = panel.curves[0].role === "precipitation";
  return {
    width,
    height: Math.round(PANEL_HEIGHT * panel.height) + (isLast ? AXIS_HEIGHT : 0),
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
    padding: [6, 22, isLast ? 0 : 6, 0],
    legend: { show: false },
    cursor: { sync: { key: "time", scales: ["x", null] }, y: false, drag: { x: true, y: false } },
    scales: { y: isLogarithmic(panel) ? { distr: 3, range: decades } : { range: fromZero, dir: isRain ? -1 : 1 } },
    axes: [{ ...axisStyle(), space: 60, ...(isLast ? { values: timeLabels } : { size: 0, values: (_, ticks) => ticks.map(() => "") }) }, { ...axisStyle(), size: 46, space: 24, values: (_, ticks) => ticks.map((tick) => (tick === null ? "" : String(Number(tick.toPrecision(6))))) }],
    series: [{}, ...panel.curves.map((curve) => curveStyle(curve, isRain))],
    bands: bandsOf(panel),
    hooks,
  };
}

/** Where the values of a chart's curves are written. */
const valuePlaces = (keys) => keys.map((key) => key.querySelector("b"));

/** Write the values under the cursor into the legend of a chart. */
function showValues(chart) {
  const at = chart.cursor.idx ?? null;
  chart.values?.forEach((place, i) => { place.textContent = at === null ? "" : written(chart.data[i + 1][at]); });
}

function showTime(chart) {
  const at = chart.cursor.idx ?? null;
  element("readout").textContent = at === null ? HINT : stepName(times[at]);
}

const HINT = "Point at a chart for its values; drag across to zoom in, double-click to zoom out.";

/** What a panel adds up, if it does. */
function noteOf(panel, row) {
  if (panel.title !== "Flow at the outlet") return "";
  const rows = upstreamOf(row);
  const gauge = facts.gauges.find((each) => each.row === row);
  const lowest = row === WHOLE && facts.network.down.filter((below) => below < 0).length > 1 ? " of all outlets together" : "";
  return `${lowest}, ${written(areaOf(rows), "km²")}${gauge ? `, gauge ${gauge.id}` : ""}`;
}

/** Draw all panels of a row; charts that are there get new data only. */
function drawCharts(row, onZoom) {
  if (charts.length) {
    charts.forEach((chart, i) => {
      chart.setData(panelData(facts.panels[i], row), false);
      chart.note.textContent = noteOf(facts.panels[i], row);
      chart.redraw(true);
      const { min, max } = chart.scales.x;
      chart.setScale("x", { min, max });
      chart.root.setAttribute("aria-label", describe(facts.panels[i], row));
    });
    return;
  }
  const frame = element("charts");
  facts.panels.forEach((panel, i) => {
    const keys = keysOf(panel.curves);
    const heading = title(panel.title, panel.units);
    const note = make("span", { class: "quiet" }, noteOf(panel, row));
    heading.append(note);
    frame.append(make("figure", {}, make("figcaption", {}, heading, ...keys)));
    const hooks = { setCursor: [showValues, showTime], setScale: i === 0 ? [(_, key) => key === "x" && onZoom()] : [] };
    const chart = new uPlot(panelOptions(panel, frame.clientWidth, i === facts.panels.length - 1, hooks), panelData(panel, row), frame.lastChild);
    chart.note = note;
    chart.values = valuePlaces(keys);
    chart.root.setAttribute("role", "img");
    chart.root.setAttribute("aria-label", describe(panel, row));
    charts.push(chart);
  });
}

function zoomCharts(min, max) {
  charts.forEach((chart) => chart.setScale("x", { min, max }));
}

let durations = null;
const PARTS = [0.1, 0.2, 0.5, ...Array.from({ length: 99 }, (_, i) => i + 1), 99.5, 99.8, 99.9];

/** Flow that is reached or exceeded in each part of the time. */
function durationCurve(role, row) {
  const flows = Array.from(values(role, row)).filter((value) => value !== null).sort((a, b) => b - a);
  return PARTS.map((part) => {
    const place = (part / 100) * (flows.length + 1) - 1;
    if (place < 0 || place > flows.length - 1) return null;
    const below = Math.floor(place);
    const flow = flows[below] + (place - below) * ((flows[below + 1] ?? flows[below]) - flows[below]);
    return flow;
  });
}

function drawDurations(row) {
  durations?.destroy();
  const curves = facts.panels.find((panel) => panel.title === "Runoff").curves.filter((curve) => !curve.filled && !curve.lower && !curve.edge);
  const found = curves.map((curve) => durationCurve(curve.role, row));
  const top = Math.max(...found.flat().filter((value) => value !== null), 0);
  // A logarithmic axis has no place for nothing: what is next to it is left away.
  const shown = found.map((flows) => flows.map((flow) => (flow !== null && flow > 1e-3 * top ? flow : null)));
  const frame = element("durations");
  const keys = keysOf(curves);
  frame.replaceChildren(make("figcaption", {}, title("Flow duration", "mm/d, reached or exceeded in % of the time"), ...keys));
  durations = new uPlot({
    width: frame.clientWidth,
    height: DURATION_HEIGHT,
    padding: [8, 22, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false } },
    scales: { x: { time: false, range: [0, 100] }, y: { distr: 3, range: (_, least, most) => [0.8 * (least || 0.1), 1.25 * (most || 1)] } },
    axes: [{ ...axisStyle(), size: 28, values: (_, ticks) => ticks.map((tick) => `${tick} %`) }, { ...axisStyle(), size: 46 }],
    series: [{}, ...curves.map((curve) => curveStyle(curve, false))],
    hooks: { setCursor: [showValues] },
  }, [PARTS, ...shown], frame);
  durations.values = valuePlaces(keys);
  durations.root.setAttribute("role", "img");
  const median = found[curves.findIndex((curve) => curve.role === "streamflow")][PARTS.indexOf(50)];
  durations.root.setAttribute("aria-label", `Flow-duration curve of ${nameOf(row)}: half of the time flow is at least ${written(median, "mm/d")}`);
}

/** Draw everything anew, in the colours and width of now. */
function redrawCharts(row, onZoom) {
  const { min, max } = charts[0].scales.x;
  charts.splice(0).forEach((chart) => chart.destroy());
  element("charts").replaceChildren();
  drawCharts(row, onZoom);
  zoomCharts(min, max);
  drawDurations(row);
}

function resizeCharts() {
  const { clientWidth } = element("charts");
  charts.forEach((chart) => chart.setSize({ width: clientWidth, height: chart.height }));
  durations?.setSize({ width: element("durations").clientWidth, height: DURATION_HEIGHT });
}

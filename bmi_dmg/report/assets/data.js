"use strict";
// The data of the page: facts as JSON, series packed. Row i is catchment i; the last row is all of them together.

const facts = JSON.parse(document.getElementById("facts").textContent);
const catchments = facts.catchments.ids;
const WHOLE = catchments.length;

const element = (id) => document.getElementById(id);

/** Make an element; attributes that are null are left out. */
function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/** Name of a row for people. */
const nameOf = (row) => (row === WHOLE ? `All ${catchments.length} catchments` : catchments[row]);

const formats = new Map();

/** Write a number with about three digits, and never 12.300000001. */
function written(value, units = "") {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  const decimals = size >= 100 || size < 5e-7 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : Math.min(6, 2 - Math.floor(Math.log10(size)));
  if (!formats.has(decimals)) {
    formats.set(decimals, new Intl.NumberFormat("en", { minimumFractionDigits: Math.min(decimals, 2), maximumFractionDigits: decimals }));
  }
  const text = formats.get(decimals).format(value === 0 ? 0 : value).replace("-", "−");
  return units ? `${text} ${units}` : text;
}

const dayFormat = new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", day: "numeric", month: "short", year: "numeric" });
const hourFormat = new Intl.DateTimeFormat("en-GB", {
  timeZone: "UTC", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit",
});
const DAY = 86400;

/** Name the step that starts at some second. */
function stepName(seconds) {
  const start = new Date(seconds * 1000);
  if (facts.axis.step < DAY) return `${hourFormat.format(start)} UTC`;
  if (facts.axis.step === DAY) return dayFormat.format(start);
  return `${facts.axis.step / DAY} days from ${dayFormat.format(start)}`;
}

const times = Float64Array.from({ length: facts.axis.n }, (_, i) => facts.axis.start + i * facts.axis.step);

/** Undo what packed the series of a role: base64, deflate, bytes by their place in the number. */
async function unpack(role) {
  const text = atob(element(`series-${role}`).textContent);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const planes = new Uint8Array(await new Response(stream).arrayBuffer());
  const n = planes.length / 4;
  const together = new Uint8Array(planes.length);
  for (let place = 0; place < 4; place++) {
    for (let i = 0; i < n; i++) together[4 * i + place] = planes[place * n + i];
  }
  return new Float32Array(together.buffer);
}

const series = {};

async function unpackAll() {
  const roles = facts.panels.flatMap((panel) => panel.curves.map((curve) => curve.role)).filter((role) => element(`series-${role}`));
  await Promise.all(roles.map(async (role) => { series[role] = await unpack(role); }));
}

/** Rows of a catchment and of all that drain into it; of all catchments, those are all. */
function upstreamOf(row) {
  if (row === WHOLE) return Array.from(catchments.keys());
  const found = [row];
  const above = new Map();
  facts.network.down.forEach((below, each) => above.set(below, [...(above.get(below) ?? []), each]));
  for (const each of found) found.push(...(above.get(each) ?? []));
  return found;
}

const areaOf = (rows) => rows.reduce((sum, row) => sum + facts.catchments.areas[row], 0);

const latest = { row: -1, flow: null };

/** Flow at the outlet of a row, m³/s: what a millimetre a day over a square kilometre is, 86,400 times a second makes 1000 m³. */
function flowAtOutlet(row) {
  if (latest.row !== row) {
    const { n } = facts.axis;
    const flow = new Float64Array(n);
    for (const each of upstreamOf(row)) {
      const factor = facts.catchments.areas[each] / 86.4;
      for (let i = 0; i < n; i++) flow[i] += factor * series.streamflow[each * n + i];
    }
    Object.assign(latest, { row, flow });
  }
  return latest.flow;
}

/** Values of a role in a row, with null for gaps. */
function values(role, row) {
  if (role === "outlet") return flowAtOutlet(row);
  const found = series[role].subarray(row * facts.axis.n, (row + 1) * facts.axis.n);
  return found.some(Number.isNaN) ? Array.from(found, (value) => (Number.isNaN(value) ? null : value)) : found;
}

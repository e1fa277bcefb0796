"use strict";
// Colours of a measure and the legend that explains them.

const dark = window.matchMedia("(prefers-color-scheme: dark)");

/** A quantile of sorted numbers. */
function quantile(sorted, part) {
  const place = part * (sorted.length - 1);
  const below = Math.floor(place);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
}

/** Colours for a measure: a few extreme values do not wash out the rest, and what is around zero is coloured around zero. */
class Scale {
  constructor(measure) {
    this.units = measure.units;
    const known = measure.values.slice(0, WHOLE).filter((value) => value !== null).sort((a, b) => a - b);
    this.empty = known.length === 0;
    if (this.empty) return;
    const least = known[0];
    const most = known[known.length - 1];
    this.diverging = Boolean(measure.diverging) || (least < 0 && most > 0);
    [this.low, this.high] = [quantile(known, 0.02), quantile(known, 0.98)];
    if (this.diverging) {
      this.high = Math.max(Math.abs(this.low), Math.abs(this.high));
      this.low = -this.high;
    }
    if (!(this.high > this.low)) [this.low, this.high] = least < most ? [least, most] : [least - (Math.abs(least) || 1), most + (Math.abs(most) || 1)];
    this.cutLow = least < this.low;
    this.cutHigh = most > this.high;
    this.colours = facts.scales[this.diverging ? "diverging" : dark.matches ? "dark" : "light"];
  }

  /** Place of a value on the scale, 0 to 1. */
  place(value) {
    return Math.min(1, Math.max(0, (value - this.low) / (this.high - this.low)));
  }

  colour(value) {
    if (value === null || this.empty) return "var(--unknown)";
    const place = this.place(value) * (this.colours.length - 1);
    const below = Math.floor(place);
    const above = Math.min(below + 1, this.colours.length - 1);
    return `color-mix(in srgb, ${this.colours[above]} ${Math.round((place - below) * 100)}%, ${this.colours[below]})`;
  }
}

/** Draw the legend; a mark shows where the chosen catchment is. */
function drawLegend(scale, measure, row) {
  const legend = element("legend");
  if (scale.empty) {
    legend.replaceChildren(make("p", { class: "quiet" }, "No catchment has a value."));
    return;
  }
  const ramp = make("div", { class: "ramp", style: `background: linear-gradient(to right, ${scale.colours.join(", ")})` });
  const value = measure.values[row];
  if (row !== WHOLE && value !== null) ramp.append(make("span", { class: "mark", style: `left: ${100 * scale.place(value)}%` }));
  const ticks = make("div", { class: "ticks" });
  for (const part of [0, 0.25, 0.5, 0.75, 1]) {
    const sign = part === 0 && scale.cutLow ? "≤ " : part === 1 && scale.cutHigh ? "≥ " : "";
    ticks.append(make("span", {}, sign + written(scale.low + part * (scale.high - scale.low))));
  }
  const label = make("p", {}, measure.label, measure.units ? make("span", { class: "quiet" }, ` ${measure.units}`) : "");
  legend.replaceChildren(label, ramp, ticks);
}

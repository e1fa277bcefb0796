"use strict";
// The map of the divides.

const SVG = "http://www.w3.org/2000/svg";
const MOST_ZOOM = 40;
const MANY = 150;
/** Size of a gauge, in thousandths of what is seen. */
const GAUGE = 9;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function makeSvg(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

class DivideMap {
  /** Draw the divides; `onChoose` gets the row of one that is clicked or reached with the keyboard. */
  constructor(drawing, onChoose) {
    this.drawing = drawing;
    this.onChoose = onChoose;
    const margin = 0.02 * Math.max(drawing.width, drawing.height);
    this.whole = { x: -margin, y: -margin, width: drawing.width + 2 * margin, height: drawing.height + 2 * margin };
    this.view = this.whole;
    this.svg = makeSvg("svg", { role: "group", "aria-label": "Divides; arrow keys move from one to the next", preserveAspectRatio: "xMidYMid meet" });
    // So many rivers hide the colours until one looks closer.
    this.svg.classList.toggle("many", drawing.paths.length > MANY);
    this.svg.style.aspectRatio = `${this.whole.width} / ${this.whole.height}`;
    this.paths = drawing.paths.map((d, row) => makeSvg("path", { d, class: "divide", "data-row": row, role: "button", tabindex: -1 }));
    const rivers = ["rivers bank", "rivers water", "mains bank", "mains water"].map((kind) => makeSvg("path", { d: drawing[kind.split(" ")[0]], class: kind }));
    this.chosen = makeSvg("path", { class: "chosen" });
    this.gauges = facts.gauges.map((gauge) => this.gauge(gauge));
    this.svg.append(...this.paths, ...rivers, this.chosen, ...this.gauges);
    this.scaleBar = make("div", { class: "scale-bar", "aria-hidden": "true" });
    element("map").append(this.svg, this.scaleBar);
    this.paths[0].setAttribute("tabindex", "0");
    this.listen();
    this.show(this.whole);
    new ResizeObserver(() => this.drawScaleBar()).observe(this.svg);
  }

  /** A circle where a gauge stands, full if its flow is known. */
  gauge(gauge) {
    const [cx, cy] = this.drawing.points[gauge.row];
    return makeSvg("circle", { cx, cy, class: gauge.nse === undefined ? "gauge" : "gauge observed", "data-row": gauge.row, "data-gauge": gauge.id });
  }

  listen() {
    this.svg.addEventListener("click", (event) => {
      const row = event.target.dataset.row;
      if (row !== undefined && !this.dragged) this.onChoose(Number(row));
    });
    this.svg.addEventListener("keydown", (event) => this.onKey(event));
    this.svg.addEventListener("pointermove", (event) => this.onMove(event));
    this.svg.addEventListener("pointerleave", () => { element("tip").hidden = true; });
    this.svg.addEventListener("pointerdown", (event) => { this.dragged = false; this.last = [event.clientX, event.clientY]; });
    this.svg.addEventListener("wheel", (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      this.zoom(Math.exp(-0.005 * event.deltaY), this.point(event));
    }, { passive: false });
    element("zoom-in").addEventListener("click", () => this.zoom(2));
    element("zoom-out").addEventListener("click", () => this.zoom(0.5));
    element("zoom-all").addEventListener("click", () => this.show(this.whole));
  }

  /** Colour all divides by a measure. */
  paint(measure, scale) {
    this.measure = measure;
    this.paths.forEach((path, row) => {
      path.style.fill = scale.colour(measure.values[row]);
      path.setAttribute("aria-label", `${nameOf(row)}, ${measure.label} ${written(measure.values[row], measure.units)}`);
    });
  }

  choose(row) {
    this.paths.forEach((path) => path.removeAttribute("aria-pressed"));
    this.chosen.setAttribute("d", row === WHOLE ? "" : this.drawing.paths[row]);
    if (row === WHOLE) return;
    this.paths.forEach((path) => path.setAttribute("tabindex", "-1"));
    this.paths[row].setAttribute("tabindex", "0");
    this.paths[row].setAttribute("aria-pressed", "true");
    this.bringIntoView(row);
  }

  bringIntoView(row) {
    const [x, y] = this.drawing.points[row];
    const { width, height } = this.view;
    const seen = x > this.view.x && x < this.view.x + width && y > this.view.y && y < this.view.y + height;
    if (!seen) this.show({ x: x - width / 2, y: y - height / 2, width, height });
  }

  /** Move to the nearest divide in the direction of an arrow key, straight ahead counting more than sideways. */
  onKey(event) {
    const row = Number(event.target.dataset.row);
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      this.onChoose(row);
      return;
    }
    const direction = ARROWS[event.key];
    if (!direction || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const [x, y] = this.drawing.points[row];
    let [best, least] = [row, Infinity];
    this.drawing.points.forEach(([px, py], candidate) => {
      const ahead = (px - x) * direction[0] + (py - y) * direction[1];
      const aside = Math.abs((px - x) * direction[1] - (py - y) * direction[0]);
      const effort = ahead + 2 * aside;
      if (ahead > 0 && aside <= 2 * ahead && effort < least) [best, least] = [candidate, effort];
    });
    this.onChoose(best);
    this.paths[best].focus({ preventScroll: true });
  }

  onMove(event) {
    if (event.buttons === 1 && this.view !== this.whole) this.drag(event);
    const tip = element("tip");
    const row = event.target.dataset.row;
    tip.hidden = row === undefined || event.pointerType === "touch";
    if (tip.hidden) return;
    const gauge = facts.gauges.find((each) => each.id === event.target.dataset.gauge);
    const lines = gauge
      ? [`gauge ${gauge.id}`, gauge.nse === undefined ? "no observed flow" : `NSE ${written(gauge.nse)}`]
      : [nameOf(Number(row)), written(this.measure.values[row], this.measure.units)];
    tip.replaceChildren(make("b", {}, lines[0]), make("br"), lines[1]);
    const left = Math.min(event.clientX + 14, window.innerWidth - tip.offsetWidth - 8);
    tip.style.transform = `translate(${left}px, ${event.clientY + 14}px)`;
  }

  drag(event) {
    const [x, y] = [event.clientX - this.last[0], event.clientY - this.last[1]];
    if (!this.dragged && Math.hypot(x, y) < 4) return;
    this.dragged = true;
    this.last = [event.clientX, event.clientY];
    const scale = this.unitsPerPixel();
    this.show({ ...this.view, x: this.view.x - x * scale, y: this.view.y - y * scale });
  }

  unitsPerPixel() {
    return 1 / this.svg.getScreenCTM().a;
  }

  /** Place of a pointer in the drawing. */
  point(event) {
    const place = new DOMPoint(event.clientX, event.clientY).matrixTransform(this.svg.getScreenCTM().inverse());
    return [place.x, place.y];
  }

  zoom(factor, around = null) {
    const { x, y, width, height } = this.view;
    const chosen = this.paths.findIndex((path) => path.hasAttribute("aria-pressed"));
    const [cx, cy] = around ?? (chosen >= 0 && factor > 1 ? this.drawing.points[chosen] : [x + width / 2, y + height / 2]);
    const limited = Math.min(Math.max(width / factor, this.whole.width / MOST_ZOOM), this.whole.width) / width;
    if (around) this.show({ x: cx - (cx - x) * limited, y: cy - (cy - y) * limited, width: width * limited, height: height * limited });
    else this.show({ x: cx - (width * limited) / 2, y: cy - (height * limited) / 2, width: width * limited, height: height * limited });
  }

  /** Show a part of the drawing, kept within the whole. */
  show(view) {
    const within = (place, size, from, all) => Math.min(Math.max(place, from), from + all - size);
    const { whole } = this;
    this.view = view.width >= whole.width ? whole : {
      ...view,
      x: within(view.x, view.width, whole.x, whole.width),
      y: within(view.y, view.height, whole.y, whole.height),
    };
    this.svg.setAttribute("viewBox", [this.view.x, this.view.y, this.view.width, this.view.height].map((n) => n.toFixed(1)).join(" "));
    this.svg.classList.toggle("zoomed", this.view !== whole);
    this.gauges.forEach((gauge) => gauge.setAttribute("r", (GAUGE * this.view.width) / 1000));
    this.drawScaleBar();
  }

  drawScaleBar() {
    const matrix = this.svg.getScreenCTM();
    this.scaleBar.hidden = !this.drawing.metres || !matrix;
    if (this.scaleBar.hidden) return;
    const metresPerPixel = this.drawing.metres / matrix.a;
    const most = metresPerPixel * 110;
    const power = 10 ** Math.floor(Math.log10(most));
    const length = [5, 2, 1].find((factor) => factor * power <= most) * power;
    this.scaleBar.style.width = `${length / metresPerPixel}px`;
    this.scaleBar.textContent = length >= 1000 ? `${length / 1000} km` : `${length} m`;
  }
}

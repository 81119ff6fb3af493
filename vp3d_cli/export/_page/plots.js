// Measured over time, for the chosen person: lines, what was filled in, a moving cursor.

const PAD = { left: 40, right: 10, top: 10, bottom: 20 };
const WINDOWS = { "Whole clip": Infinity, "20 s": 20, "5 s": 5 };

// What can be plotted: title, unit, lines (name of the series, side), fixed range if any.
const PLOTS = [
  Object.entries(ANGLES).map(([angle, { title, about }]) => ({
    title, about, unit: "°", decimals: 0, least: 20,
    lines: ["left", "right"].map((side) => ({ name: `${side} ${angle}`, label: side, side })),
  })),
  [{
    title: "Confidence", about: "mean of the joints", unit: " %", decimals: 0, range: [0, 100],
    lines: [{ name: "confidence", label: "", side: "accent" }],
  }],
  [
    { title: "Hip speed", about: "over a fifth of a second", unit: " m/s", decimals: 2,
      least: 0.5, from: 0, lines: [{ name: "speed", label: "", side: "accent" }] },
    { title: "Hip height", about: "above the floor", unit: " m", decimals: 2,
      least: 0.4, lines: [{ name: "height", label: "", side: "accent" }] },
  ],
];

class Plot {
  constructor(choices, measures, theme, onSeek, onPoint) {
    Object.assign(this, { choices, measures, theme, onSeek, onPoint });
    this.clip = measures.clip;
    this.choice = choices[0];
    this.window = Infinity;
    this.build();
    this.pen = flatPen(this.canvas);
    this.still = document.createElement("canvas"); // the lines without the cursor
    new ResizeObserver(() => this.redraw()).observe(this.canvas);
    this.canvas.addEventListener("pointermove", (event) => this.moved(event));
    this.canvas.addEventListener("pointerdown", (event) => {
      this.canvas.setPointerCapture(event.pointerId);
      this.pressed = true;
      this.moved(event);
    });
    for (const name of ["pointerup", "pointercancel"]) {
      this.canvas.addEventListener(name, () => (this.pressed = false));
    }
    this.canvas.addEventListener("pointerleave", () => this.point(null));
  }

  build() {
    this.card = element("article", "card plot");
    const head = element("header");
    if (this.choices.length > 1) {
      this.select = element("select");
      this.select.setAttribute("aria-label", "What to plot");
      for (const [i, { title }] of this.choices.entries()) {
        this.select.append(new Option(title, i));
      }
      this.select.addEventListener("change", () => {
        this.choice = this.choices[this.select.value];
        this.redraw();
      });
      head.append(this.select);
    } else {
      head.append(element("h2", "", this.choice.title));
    }
    this.values = element("p", "values");
    head.append(this.values);
    this.canvas = element("canvas");
    this.canvas.setAttribute("role", "img");
    this.card.append(head, this.canvas);
  }

  choose(person) {
    this.person = person;
    this.redraw();
  }

  redraw() {
    this.key = null;
    this.draw(this.frame ?? 0);
  }

  // The times at the left and the right end.
  span(frame) {
    const { times } = this.clip;
    const [first, last] = [times[0] ?? 0, times[times.length - 1] ?? 1];
    const length = Math.max(last - first, 0.1);
    if (this.window >= length) return [first, first + length];
    const start = Math.min(Math.max(times[frame] - this.window / 2, first), last - this.window);
    return [start, start + this.window];
  }

  draw(frame) {
    this.frame = frame;
    const ratio = window.devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (!width || !height || !this.person) return;
    const [start, end] = this.span(frame);
    this.x = (time) => PAD.left + ((time - start) / (end - start)) * (width - PAD.left - PAD.right);
    this.time = (x) => start + ((x - PAD.left) / (width - PAD.left - PAD.right)) * (end - start);
    const key = [start, end, width, height, ratio].join();
    if (key !== this.key) {
      this.key = key;
      for (const canvas of [this.still, this.canvas]) {
        canvas.width = Math.round(width * ratio);
        canvas.height = Math.round(height * ratio);
      }
      this.drawStill(flatPen(this.still), width, height, ratio, start, end);
    }
    const { pen } = this;
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, this.canvas.width, this.canvas.height);
    pen.drawImage(this.still, 0, 0);
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    if (this.pointed != null) this.drawHair(this.pointed, height, "muted");
    this.drawHair(frame, height, "text");
    this.tellValues(frame);
  }

  drawHair(frame, height, colour) {
    const x = Math.round(this.x(this.clip.times[frame])) + 0.5;
    const { pen, theme } = this;
    pen.strokeStyle = theme.colour(colour);
    pen.lineWidth = 1;
    pen.beginPath();
    pen.moveTo(x, PAD.top - 4);
    pen.lineTo(x, height - PAD.bottom);
    pen.stroke();
    const row = rowAt(this.person, frame);
    for (const line of row < 0 ? [] : this.choice.lines) {
      const value = this.measures.series(this.person, line.name)[row];
      if (Number.isNaN(value)) continue;
      pen.fillStyle = this.colourOf(line);
      pen.beginPath();
      pen.arc(x, this.y(value), 3.5, 0, 7);
      pen.fill();
    }
  }

  colourOf(line) {
    return line.side === "accent" ? this.theme.accent(this.person) : this.theme.side(line.side);
  }

  drawStill(pen, width, height, ratio, start, end) {
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.font = "11px system-ui, sans-serif";
    const ticks = this.scale(height);
    this.drawBands(pen, height, start, end);
    pen.fillStyle = this.theme.colour("muted");
    pen.strokeStyle = this.theme.colour("line");
    pen.lineWidth = 1;
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    for (const tick of ticks) {
      const y = Math.round(this.y(tick)) + 0.5;
      pen.beginPath();
      pen.moveTo(PAD.left, y);
      pen.lineTo(width - PAD.right, y);
      pen.stroke();
      pen.fillText(`${+tick.toFixed(2)}`, PAD.left - 7, y);
    }
    pen.textBaseline = "alphabetic";
    const step = niceStep((end - start) / Math.max(2, width / 90));
    for (let at = Math.ceil(start / step) * step; at <= end + 1e-9; at += step) {
      const x = this.x(at);
      pen.textAlign = x < PAD.left + 14 ? "left" : x > width - 24 ? "right" : "center";
      pen.fillText(clockText(at, step < 1 ? 1 : 0), x, height - 5);
    }
    for (const line of this.choice.lines) this.drawLine(pen, line, start, end);
  }

  // Sets this.y for what is plotted; the places of the horizontal lines.
  scale(height) {
    let [low, high] = this.choice.range ?? [Infinity, -Infinity];
    for (const line of this.choice.range ? [] : this.choice.lines) {
      for (const value of this.measures.series(this.person, line.name)) {
        if (value < low) low = value;
        if (value > high) high = value;
      }
    }
    if (!(low <= high)) [low, high] = [0, 1];
    if (this.choice.from !== undefined) low = this.choice.from;
    const spare = Math.max(0, (this.choice.least ?? 0) - (high - low)) / 2;
    if (!this.choice.range) {
      [low, high] = this.choice.from === undefined ? [low - spare, high + spare] : [low, high + 2 * spare];
    }
    const step = niceStep((high - low) / Math.max(2, (height - PAD.top - PAD.bottom) / 34));
    low = Math.floor(low / step + 1e-6) * step;
    high = Math.ceil(high / step - 1e-6) * step;
    const tall = height - PAD.top - PAD.bottom;
    this.y = (value) => PAD.top + (1 - (value - low) / (high - low)) * tall;
    return Array.from({ length: Math.round((high - low) / step) + 1 }, (_, i) => low + i * step);
  }

  // Shaded: frames that were filled in; hatched: where the person is not there.
  drawBands(pen, height, start, end) {
    const { times } = this.clip;
    const first = frameAt(times, start);
    const last = Math.min(times.length - 1, frameAt(times, end) + 1);
    const kind = (frame) => {
      const row = rowAt(this.person, frame);
      return row < 0 ? "absent" : this.person.observed[row] ? "" : "filled";
    };
    for (let from = first; from <= last; ) {
      let to = from;
      const what = kind(from);
      while (to < last && kind(to + 1) === what) to++;
      const [x0, x1] = [this.x(times[from]), this.x(times[Math.min(to + 1, times.length - 1)])];
      if (what) {
        const left = Math.max(PAD.left, x0);
        const right = Math.max(Math.min(x1, this.x(end)), left + 1);
        pen.fillStyle = this.theme.colour(what);
        pen.fillRect(left, PAD.top, right - left, height - PAD.top - PAD.bottom);
      }
      from = to + 1;
    }
  }

  // Where a pixel holds many rows, from the least to the greatest of them.
  drawLine(pen, line, start, end) {
    const { person, clip } = this;
    const values = this.measures.series(person, line.name);
    const from = Math.max(0, frameAt(clip.times, start) - person.start);
    const to = Math.min(person.length - 1, frameAt(clip.times, end) + 1 - person.start);
    pen.save();
    pen.beginPath();
    pen.rect(PAD.left, 0, this.x(end) - PAD.left, 1e4);
    pen.clip();
    pen.strokeStyle = this.colourOf(line);
    pen.lineWidth = 1.75;
    pen.lineJoin = "round";
    pen.beginPath();
    let open = false;
    for (let row = from; row <= to; row++) {
      const x = this.x(clip.times[person.start + row]);
      let [low, high] = [values[row], values[row]];
      while (row < to && this.x(clip.times[person.start + row + 1]) < x + 0.7) {
        row++;
        low = Math.min(low, values[row]);
        high = Math.max(high, values[row]);
      }
      if (Number.isNaN(low)) {
        open = false;
        continue;
      }
      if (open) pen.lineTo(x, this.y(low));
      else pen.moveTo(x, this.y(low));
      if (high > low) pen.lineTo(x, this.y(high));
      open = true;
    }
    pen.stroke();
    pen.restore();
  }

  text(line, row) {
    const value = row < 0 ? NaN : this.measures.series(this.person, line.name)[row];
    const { decimals, unit } = this.choice;
    return Number.isNaN(value) ? "–" : `${value.toFixed(decimals)}${unit}`;
  }

  tellValues(frame) {
    const row = rowAt(this.person, frame);
    const parts = this.choice.lines.map((line) => {
      const part = element("span", `value ${line.side}`, `${line.label} `.trimStart());
      part.append(element("b", "", this.text(line, row)));
      return part;
    });
    this.values.replaceChildren(...parts);
    const { title, about } = this.choice;
    this.canvas.setAttribute(
      "aria-label", `${title} of ${this.person.name} over time; ${about}. Now ${this.values.textContent}`);
  }

  moved(event) {
    const { times } = this.clip;
    if (!this.time || !times.length) return;
    const frame = frameAt(times, this.time(event.offsetX) + 1e-6);
    if (this.pressed) this.onSeek(frame);
    this.point(frame, event);
  }

  point(frame, event) {
    this.pointed = frame;
    this.draw(this.frame ?? 0);
    if (frame === null) return this.onPoint(null);
    const row = rowAt(this.person, frame);
    const filled = row >= 0 && !this.person.observed[row];
    const words = this.choice.lines.map((line) => `${line.label} ${this.text(line, row)}`.trim());
    const { title } = this.choice;
    return this.onPoint(
      [`${title}, ${clockText(times(this, frame))}`, ...words, ...(filled ? ["filled in"] : [])], event);
  }
}

const times = (plot, frame) => plot.clip.times[frame];

// 1, 2 or 5 times a power of ten, at least `rough`.
function niceStep(rough) {
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough * 0.999);
}

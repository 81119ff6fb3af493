// What stands around the pictures: theme, people, the lanes of the timeline, the tooltip.

const NUM_ACCENTS = 7;

// Whether there is no graphics card: soft edges in 3D would cost more than all the rest then, and
// flat pictures are drawn faster without the detour through what stands in for one.
let weakness;
function isWeak() {
  if (weakness !== undefined) return weakness;
  const gl = document.createElement("canvas").getContext("webgl2");
  const about = gl?.getExtension("WEBGL_debug_renderer_info");
  const name = about ? gl.getParameter(about.UNMASKED_RENDERER_WEBGL) : "software";
  gl?.getExtension("WEBGL_lose_context")?.loseContext();
  weakness = /swiftshader|llvmpipe|softpipe|software|basic render/i.test(name);
  return weakness;
}

const flatPen = (canvas) => canvas.getContext("2d", { willReadFrequently: isWeak() });

class Theme {
  constructor() {
    this.cache = new Map();
    this.listeners = [];
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.refresh());
  }

  get isDark() {
    const chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  }

  toggle() {
    document.documentElement.dataset.theme = this.isDark ? "light" : "dark";
    this.refresh();
  }

  refresh() {
    this.cache.clear();
    for (const listener of this.listeners) listener();
  }

  colour(name) {
    if (!this.cache.has(name)) {
      const style = getComputedStyle(document.documentElement);
      this.cache.set(name, style.getPropertyValue(`--${name}`).trim());
    }
    return this.cache.get(name);
  }

  // Bright: for on top of pictures, in either theme.
  side(side, bright = false) {
    return this.colour(bright ? `bright-${side}` : side);
  }

  accent(person, bright = false) {
    const number = (person.id - 1) % NUM_ACCENTS;
    return this.colour(`${bright ? "bright-" : ""}accent-${number}`);
  }
}

// A chip per person: choose whom to measure and follow, show or hide.
class People {
  constructor(clip, theme, onShow, onChoose) {
    Object.assign(this, { clip, theme, onShow, onChoose });
    this.chips = clip.people.map((person) => this.chip(person));
    byId("people").replaceChildren(...this.chips.map(({ chip }) => chip));
    this.chosen = null;
  }

  chip(person) {
    const chip = element("div", "chip");
    const name = element("button", "name");
    name.type = "button";
    name.append(element("i", "dot"), element("span", "", person.name));
    name.addEventListener("click", () => this.choose(person));
    const shown = element("button", "eye");
    shown.type = "button";
    shown.addEventListener("click", () => this.toggle(person));
    shown.append(eye());
    chip.append(name, shown);
    return { chip, name, shown, person };
  }

  toggle(person) {
    person.shown = !person.shown;
    this.refresh();
    this.onShow(person);
  }

  choose(person) {
    this.chosen = person;
    this.refresh();
    this.onChoose(person);
  }

  refresh() {
    for (const { chip, name, shown, person } of this.chips) {
      chip.classList.toggle("chosen", person === this.chosen);
      chip.classList.toggle("hidden", !person.shown);
      chip.style.setProperty("--accent", this.theme.accent(person));
      name.setAttribute("aria-pressed", person === this.chosen);
      name.title = `Measure ${person.name}`;
      shown.setAttribute("aria-pressed", person.shown);
      shown.setAttribute("aria-label", `Show ${person.name}`);
    }
  }
}

function eye() {
  const space = "http://www.w3.org/2000/svg";
  const icon = document.createElementNS(space, "svg");
  icon.setAttribute("viewBox", "0 0 24 24");
  icon.setAttribute("aria-hidden", "true");
  const shape = document.createElementNS(space, "path");
  shape.setAttribute(
    "d", "M12 5C6.5 5 2.7 9.2 1.5 12c1.2 2.8 5 7 10.5 7s9.3-4.2 10.5-7C21.3 9.2 17.5 5 12 5zm0 11.5a4.5 4.5 0 1 1 0-9 4.5 4.5 0 0 1 0 9z");
  icon.append(shape);
  return icon;
}

// Under the position: for each person a line where they are there, thin where filled in.
class Lanes {
  constructor(clip, canvas, theme) {
    Object.assign(this, { clip, canvas, theme });
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  draw() {
    const ratio = window.devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = this.canvas;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    const pen = flatPen(this.canvas);
    pen.scale(ratio, ratio);
    const frames = Math.max(1, this.clip.frames - 1);
    const lane = Math.min(6, height / Math.max(1, this.clip.people.length));
    const x = (frame) => (Math.min(frame, frames) / frames) * width;
    for (const [i, person] of this.clip.people.entries()) {
      pen.fillStyle = this.theme.accent(person);
      const y = (height - lane * this.clip.people.length) / 2 + i * lane;
      for (let from = 0; from < person.length; ) {
        let to = from;
        while (to + 1 < person.length && person.observed[to + 1] === person.observed[from]) to++;
        const seen = person.observed[from] === 1;
        pen.globalAlpha = (person.shown ? 1 : 0.25) * (seen ? 0.9 : 0.35);
        const [x0, x1] = [x(person.start + from), x(person.start + to + 1)];
        pen.fillRect(x0, y + 0.15 * lane, Math.max(1, x1 - x0), 0.7 * lane);
        from = to + 1;
      }
    }
  }
}

class Tip {
  constructor() {
    this.box = byId("tip");
  }

  // Lines of text at the pointer; null hides it.
  show(words, event) {
    this.box.hidden = !words;
    if (!words) return;
    this.box.replaceChildren(
      ...words.map((line, i) => element(i ? "span" : "strong", "", line)));
    const { offsetWidth, offsetHeight } = this.box;
    const left = Math.min(event.clientX + 14, innerWidth - offsetWidth - 8);
    const above = event.clientY - offsetHeight - 12;
    this.box.style.left = `${Math.max(8, left)}px`;
    this.box.style.top = `${above > 8 ? above : event.clientY + 18}px`;
  }

  // Read what lies under the pointer in a card.
  watch(card, read) {
    const look = (event) => {
      const box = card.getBoundingClientRect();
      this.show(read(event.clientX - box.left, event.clientY - box.top), event);
    };
    card.addEventListener("pointermove", look);
    card.addEventListener("pointerdown", look);
    card.addEventListener("pointerleave", () => this.show(null));
  }
}

function element(tag, className = "", text = "") {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

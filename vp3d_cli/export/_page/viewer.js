// Puts the parts together: what a key, a button or a new frame does.

const PLACED = {
  world: "Grid 1 m, floor estimated",
  camera: "Grid 1 m; the floor is a guess",
  beside: "Grid 1 m; places unknown, side by side",
};

class Viewer {
  constructor(clip) {
    this.clip = clip;
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.theme = new Theme();
    this.tip = new Tip();
    this.picture = new Picture(clip, byId("picture"), this.theme);
    const hasVideo = this.picture.load(() => this.withoutVideo());
    this.clock = new Clock(clip.times, hasVideo ? this.picture.video : null);
    this.view = clip.skeleton3d ? this.makeView(calm) : null;
    this.people = new People(
      clip, this.theme, (person) => this.shown(person), (person) => this.chosen(person));
    this.lanes = new Lanes(clip, byId("lanes"), this.theme);
    this.makePlots();
    this.describe(hasVideo);
    this.connect();
    this.people.refresh();
    if (clip.people.length) this.people.choose(longest(clip.people));
    this.update(0);
    const draw = () => {
      this.view?.render();
      requestAnimationFrame(draw);
    };
    requestAnimationFrame(draw);
  }

  makeView(calm) {
    try {
      return new View3D(this.clip, byId("scene"), this.theme, calm);
    } catch (error) {
      if (!/WebGL/i.test(error.message)) throw error;
      this.warn("The 3D view needs WebGL, which this browser does not offer.");
      return null;
    }
  }

  makePlots() {
    const measures = new Measures(this.clip);
    const seek = (frame) => this.clock.seek(frame);
    const point = (words, event) => this.tip.show(words, event);
    this.measures = measures;
    this.plots = this.clip.people.length
      ? PLOTS.map((choices) => new Plot(choices, measures, this.theme, seek, point))
      : [];
    byId("plots").replaceChildren(...this.plots.map((plot) => plot.card));
    if (!this.plots.length) return;
    const span = element("select", "span");
    span.setAttribute("aria-label", "Time that the plots show");
    for (const name of Object.keys(WINDOWS)) span.append(new Option(name, name));
    span.addEventListener("change", () => {
      for (const plot of this.plots) {
        plot.window = WINDOWS[span.value];
        plot.redraw();
      }
    });
    byId("people").append(element("span", "gap"), span);
  }

  describe(hasVideo) {
    const { clip } = this;
    const count = clip.people.length;
    const found = count === 1 ? "1 person" : count ? `${count} people` : "nobody found";
    const length = clip.frames ? clip.times[clip.frames - 1] - clip.times[0] : 0;
    byId("title").textContent = clip.name || "Result";
    byId("subtitle").textContent =
      `${found} · ${clockText(length, 0)} · ${clip.width} × ${clip.height} · ${+clip.fps.toFixed(2)} frames/s`;
    byId("placement").textContent = count ? PLACED[clip.placement] : "";
    byId("placement").title = clip.how;
    byId("end").textContent = clockText(clip.frames ? clip.times[clip.frames - 1] : 0);
    byId("scrub").max = Math.max(0, clip.frames - 1);
    byId("scrub").disabled = byId("play").disabled = clip.frames < 2;
    byId("from-camera").hidden = !clip.camera || !this.view;
    byId("sound").hidden = !hasVideo || !clip.hasAudio;
    byId("made-by").textContent =
      `Made by vp3d ${clip.version}; 2D: ${clip.detector || "unknown"}, 3D: ${clip.lifter || "unknown"}.`;
    if (!count) byId("scene").classList.add("empty");
  }

  connect() {
    const { clock, theme } = this;
    clock.on("frame", (frame) => this.update(frame));
    clock.on("state", () => this.updateState());
    theme.listeners.push(() => this.restyle());
    const press = (id, action) => byId(id).addEventListener("click", action);
    press("play", () => clock.toggle());
    press("back", () => clock.step(-1));
    press("forward", () => clock.step(1));
    press("theme", () => theme.toggle());
    press("help-open", () => byId("help").showModal());
    press("reset", () => this.view?.reset());
    press("from-camera", () => this.view?.lookFromCamera());
    press("skeletons", () => this.toggleSkeletons());
    press("trails", () => this.toggleTrails());
    press("follow", () => this.toggleFollow());
    press("sound", () => this.toggleSound());
    byId("scrub").addEventListener("input", (event) => clock.seek(+event.target.value));
    byId("speed").addEventListener("change", (event) => clock.setRate(+event.target.value));
    document.addEventListener("keydown", (event) => this.key(event));
    this.tip.watch(byId("picture"), (x, y) => this.picture.at(x, y));
    if (this.view) this.tip.watch(byId("scene"), (x, y) => this.view.at(x, y));
  }

  update(frame) {
    const { clip } = this;
    this.picture.draw(frame);
    this.view?.show(frame);
    for (const plot of this.plots) plot.draw(frame);
    const seconds = clip.times[frame] ?? 0;
    byId("now").textContent = clockText(seconds);
    byId("frame").textContent = clip.first + frame;
    byId("scrub").value = frame;
    byId("scrub").setAttribute(
      "aria-valuetext", `${clockText(seconds)}, frame ${clip.first + frame}`);
  }

  updateState() {
    const { playing, rate } = this.clock;
    document.body.classList.toggle("playing", playing);
    byId("play").setAttribute("aria-label", playing ? "Pause" : "Play");
    byId("speed").value = rate;
  }

  shown(person) {
    this.say(`${person.name} ${person.shown ? "shown" : "hidden"}`);
    this.lanes.draw();
    this.picture.draw(this.clock.frame);
    this.view?.show(this.clock.frame);
  }

  chosen(person) {
    for (const plot of this.plots) plot.choose(person);
    if (this.view?.followed) this.view.followed = person;
    this.view?.show(this.clock.frame);
  }

  restyle() {
    this.people.refresh();
    this.view?.restyle();
    this.lanes.draw();
    this.picture.draw(this.clock.frame);
    for (const plot of this.plots) plot.redraw();
  }

  withoutVideo() {
    this.clock.unfollow();
    byId("sound").hidden = true;
    this.warn("This browser cannot play the video; the skeletons stand on plain ground.");
  }

  warn(words) {
    byId("trouble").textContent = words;
    byId("trouble").hidden = false;
  }

  say(words) {
    byId("said").textContent = words;
  }

  press(id, on) {
    byId(id).setAttribute("aria-pressed", on);
    return on;
  }

  toggleSkeletons() {
    this.picture.skeletons = this.press("skeletons", !this.picture.skeletons);
    this.picture.draw(this.clock.frame);
  }

  toggleTrails() {
    if (!this.view) return;
    this.view.trails = this.press("trails", !this.view.trails);
    this.view.show(this.clock.frame);
  }

  toggleFollow() {
    if (!this.view) return;
    this.view.followed = this.press("follow", !this.view.followed) ? this.people.chosen : null;
    this.view.show(this.clock.frame);
  }

  toggleSound() {
    this.picture.video.muted = !this.press("sound", this.picture.video.muted);
  }

  faster(steps) {
    const rates = [...byId("speed").options].map((option) => +option.value);
    const at = rates.indexOf(this.clock.rate) + steps;
    this.clock.setRate(rates[Math.min(rates.length - 1, Math.max(0, at))]);
    this.say(`Speed ${this.clock.rate}`);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || byId("help").open) return;
    const { target, key, code, shiftKey } = event;
    const onControl = target.matches("button, select");
    if (target.matches("select") || (key === " " && onControl)) return;
    const digit = /^Digit([1-9])$/.exec(code);
    const person = digit && this.clip.people[digit[1] - 1];
    const action = person
      ? () => (shiftKey ? this.people.choose(person) : this.people.toggle(person))
      : this.actions(shiftKey)[key.length === 1 ? key.toLowerCase() : key];
    if (!action) return;
    event.preventDefault();
    action();
  }

  actions(withShift) {
    const { clock, view } = this;
    const go = (way) => () => (withShift ? clock.skip(way) : clock.step(way));
    return {
      " ": () => clock.toggle(),
      ArrowLeft: go(-1), ArrowRight: go(1),
      Home: () => clock.seek(0), End: () => clock.seek(clock.last),
      "+": () => this.faster(1), "=": () => this.faster(1), "-": () => this.faster(-1),
      "?": () => byId("help").showModal(),
      a: () => view?.turn(-1, 0), d: () => view?.turn(1, 0),
      w: () => view?.turn(0, 1), s: () => view?.turn(0, -1),
      q: () => view?.turn(0, 0, 0.9), e: () => view?.turn(0, 0, 1 / 0.9),
      r: () => view?.reset(), c: () => view?.lookFromCamera(),
      f: () => this.toggleFollow(), t: () => this.toggleTrails(), k: () => this.toggleSkeletons(),
    };
  }
}

const longest = (people) => people.reduce((a, b) => (b.length > a.length ? b : a));

readClip().then(
  (clip) => {
    window.vp3d = new Viewer(clip); // for the console
    document.body.classList.add("ready");
  },
  (error) => {
    byId("trouble").textContent = `This page cannot be shown: ${error.message}`;
    byId("trouble").hidden = false;
  },
);

// Puts the parts together: what a message, a key or a lost connection does.

const SHOWN_EVERY_MS = 500; // numbers that change faster cannot be read
const SILENT_S = 2;
const FRAMING = 0.08; // of the way to where the view belongs, each picture of the screen

const PLACED = {
  camera: "Grid 1 m; the floor is a guess",
  beside: "Grid 1 m; places unknown, side by side",
};

class Live {
  constructor() {
    this.calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.theme = new Theme();
    this.tip = new Tip();
    this.gauges = new Gauges();
    this.view = null;
    this.isLinked = null;
    this.connect();
    byId("picture").dataset.waiting = "Waiting for the camera";
    this.feed = new Feed(byId("video"), {
      about: (message) => this.begin(message),
      state: (message) => this.take(message),
      linked: (isLinked) => this.linked(isLinked),
    });
    setInterval(() => this.report(), SHOWN_EVERY_MS);
    const draw = () => {
      this.draw();
      requestAnimationFrame(draw);
    };
    requestAnimationFrame(draw);
  }

  connect() {
    const press = (id, action) => byId(id).addEventListener("click", action);
    this.theme.listeners.push(() => this.view?.restyle());
    press("theme", () => this.theme.toggle());
    press("help-open", () => byId("help").showModal());
    press("reset", () => this.view?.reset());
    press("trails", () => this.toggleTrails());
    press("follow", () => this.followNext());
    document.addEventListener("keydown", (event) => this.key(event));
  }

  // A stream begins: this one again after a break, or another one.
  begin(about) {
    const known = this.about && JSON.stringify(this.about.skeleton_3d);
    if (known && known !== JSON.stringify(about.skeleton_3d)) return location.reload();
    this.about = about;
    const { width, height, fps, detector, lifter } = about;
    const parts = [`${width} × ${height}`, `${+fps.toFixed(2)} frames/s`, detector, lifter];
    byId("subtitle").textContent = parts.filter(Boolean).join(" · ");
    byId("picture").style.setProperty("--aspect", `${width} / ${height}`);
    document.body.style.setProperty("--shape", width / height);
    this.gauges.forget();
    this.lastFrame = null;
    if (this.crowd) this.crowd.forget();
    else this.makeView(about);
    document.body.classList.add("ready");
  }

  makeView(about) {
    this.crowd = new Crowd(about, (person) => this.settle(person));
    try {
      this.view = new View3D(this.crowd, byId("scene"), this.theme, this.calm);
    } catch (error) {
      if (!/WebGL/i.test(error.message)) throw error;
      this.warn("The 3D view needs WebGL, which this browser does not offer.");
      return;
    }
    this.tip.watch(byId("scene"), (x, y) => this.view.at(x, y));
  }

  // Somebody has taken a place among the figures.
  settle(person) {
    const { view } = this;
    if (!view) return;
    if (person.position === view.figures.length) view.add(person);
    view.tags[person.position].textContent = `${person.id}`;
    if (view.followed === person) this.follow(null);
    view.restyle();
  }

  take(state) {
    if (state.frame === this.lastFrame) return; // told again after a break
    this.lastFrame = state.frame;
    this.lastAt = performance.now();
    this.gauges.take(state, this.lastAt);
    const inRoom = this.crowd.push(state);
    const isSomebody = state.people.some((person) => person.joints_3d);
    if (isSomebody) this.placement = inRoom ? "camera" : "beside";
    this.state = state;
    this.isNew = true;
    if (isSomebody && !this.wasSomebody) this.frame(true);
    this.wasSomebody ||= isSomebody;
  }

  // Called for every picture of the screen.
  draw() {
    const { view } = this;
    if (!view) return;
    if (this.isNew) view.show(NEWEST);
    this.isNew = false;
    this.approach();
    view.render();
  }

  // Choose what to look at: where people have been of late, or what it was if that is much alike.
  frame(atOnce = false) {
    const { view } = this;
    if (!view || !this.crowd.people.some((person) => person.shown)) return;
    const wanted = extentOf(this.crowd);
    const { extent } = view;
    const isOff =
      wanted.centre.distanceTo(extent.centre) > 0.35 * extent.radius ||
      wanted.radius > 1.1 * extent.radius || wanted.radius < 0.6 * extent.radius;
    if (!isOff && !atOnce) return;
    this.aim = wanted;
    if (atOnce || this.calm) this.look(wanted);
  }

  approach() {
    if (!this.aim) return;
    const { extent } = this.view;
    const { centre, radius, height } = this.aim;
    this.look({
      centre: extent.centre.clone().lerp(centre, FRAMING),
      radius: extent.radius + FRAMING * (radius - extent.radius),
      height: extent.height + FRAMING * (height - extent.height),
    });
    if (extent.centre.distanceTo(centre) + Math.abs(extent.radius - radius) < 0.02) this.aim = null;
  }

  look(extent) {
    const { view } = this;
    view.extent = extent;
    view.grid.position.set(Math.round(extent.centre.x), Math.round(extent.centre.y), 0);
    if (view.untouched && !view.followed) view.reset();
  }

  // Twice a second: the numbers, and what there is to say.
  report() {
    const now = performance.now();
    this.gauges.show(now);
    this.crowd?.gauge();
    this.frame();
    this.reportLink(now);
    this.reportPeople();
  }

  linked(isLinked) {
    if (isLinked && this.isLinked === false) this.say("Connected again");
    this.isLinked = isLinked;
    this.lastAt = null;
    if (!isLinked) this.warn("The connection is lost. Trying again until vp3d answers…");
    else byId("trouble").hidden = true;
    this.reportLink(performance.now());
  }

  reportLink(now) {
    const silence = this.lastAt ? (now - this.lastAt) / 1000 : 0;
    const isSilent = this.isLinked && silence > SILENT_S;
    const state = isSilent ? "silent" : this.isLinked === false ? "lost" : this.lastAt ? "live" : "waiting";
    const words = {
      silent: `No frame for ${Math.floor(silence)} s`,
      lost: "Not connected",
      live: "Live",
      waiting: "Waiting",
    };
    if (state === "silent" && byId("link").dataset.state !== state) this.say("The camera is silent");
    document.body.classList.toggle("lost", state === "lost");
    byId("link").dataset.state = state;
    byId("link").textContent = words[state];
  }

  reportPeople() {
    const { state } = this;
    if (!state) return;
    const count = state.people.length;
    const isSolid = state.people.some((person) => person.joints_3d);
    const ahead = state.delay_ms ? `: the model looks ${(state.delay_ms / 1000).toFixed(1)} s ahead` : "";
    const words = isSolid ? "" : count ? `3D follows${ahead}` : "Nobody is seen";
    byId("absent").textContent = words;
    byId("placement").textContent = isSolid ? PLACED[this.placement] : "";
    const seen = count === 1 ? "1 person" : count ? `${count} people` : "Nobody";
    byId("view").setAttribute("aria-label", `The people in 3D: ${seen}`);
    if (seen !== this.seen) this.say(`${seen} in the picture`);
    this.seen = seen;
  }

  toggleTrails() {
    if (!this.view) return;
    this.view.trails = !this.view.trails;
    byId("trails").setAttribute("aria-pressed", this.view.trails);
    this.view.show(NEWEST);
  }

  followNext() {
    if (!this.view) return;
    const shown = this.crowd.people.filter((person) => person.shown).sort((a, b) => a.id - b.id);
    const at = shown.indexOf(this.view.followed);
    this.follow(shown[at + 1] ?? null);
  }

  follow(person) {
    this.view.followed = person;
    byId("follow").textContent = person ? `Follow ${person.id}` : "Follow";
    byId("follow").setAttribute("aria-pressed", Boolean(person));
    if (person) this.view.show(NEWEST);
    else if (this.view.untouched) this.view.reset();
  }

  warn(words) {
    byId("trouble").textContent = words;
    byId("trouble").hidden = false;
  }

  say(words) {
    byId("said").textContent = words;
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || byId("help").open) return;
    const { view } = this;
    const action = {
      "?": () => byId("help").showModal(),
      a: () => view?.turn(-1, 0), d: () => view?.turn(1, 0),
      w: () => view?.turn(0, 1), s: () => view?.turn(0, -1),
      q: () => view?.turn(0, 0, 0.9), e: () => view?.turn(0, 0, 1 / 0.9),
      r: () => view?.reset(), f: () => this.followNext(), t: () => this.toggleTrails(),
    }[event.key.toLowerCase()];
    if (!action) return;
    event.preventDefault();
    action();
  }
}

window.vp3d = new Live(); // for the console

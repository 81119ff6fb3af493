// The 3D view: people over the floor, the filming camera, and from where one looks at them.

const AZIMUTH = (24 * Math.PI) / 180;
const PITCH = (13 * Math.PI) / 180;
const FIELD_DEG = 35;
const TURN_STEP = 0.12; // radians a key press

class View3D {
  constructor(clip, card, theme, calm) {
    this.clip = clip;
    this.card = card;
    this.theme = theme;
    this.canvas = card.querySelector("canvas");
    this.weak = isWeak();
    this.renderer = new THREE.WebGLRenderer({ canvas: this.canvas, antialias: !this.weak });
    this.scene = new THREE.Scene();
    this.scene.fog = new THREE.Fog(0, 1, 2);
    this.camera = new THREE.PerspectiveCamera(FIELD_DEG, 1, 0.05, 500);
    this.camera.up.set(0, 0, 1);
    this.controls = new THREE.OrbitControls(this.camera, this.canvas);
    this.controls.enableDamping = !calm;
    this.controls.dampingFactor = 0.15;
    this.controls.maxPolarAngle = Math.PI * 0.53;
    this.controls.addEventListener("change", () => (this.dirty = true));
    this.controls.addEventListener("start", () => {
      this.untouched = false;
      this.setField(FIELD_DEG);
    });
    this.canvas.addEventListener("wheel", () => (this.untouched = false), { passive: true });
    this.trails = true;
    this.followed = null;
    this.costs = [];
    this.extent = extentOf(clip);
    this.furnish();
    this.figures = [];
    this.tags = [];
    for (const person of clip.people) this.add(person);
    new ResizeObserver(() => this.resize()).observe(card);
    this.restyle();
    this.resize();
    this.reset();
  }

  furnish() {
    this.scene.add(new THREE.HemisphereLight(0xffffff, 0xd0d4dc, 3.1));
    const sun = new THREE.DirectionalLight(0xffffff, 1.3);
    sun.position.set(-2, -3, 5);
    this.scene.add(sun);
    const { centre, radius } = this.extent;
    const reach = Math.ceil(Math.max(6, 2.5 * radius));
    this.grid = new THREE.LineSegments(
      gridOf(Math.round(centre.x), Math.round(centre.y), 2 * reach), new THREE.LineBasicMaterial());
    this.scene.add(this.grid);
    if (this.clip.camera) {
      this.filming = new THREE.LineSegments(frustumOf(this.clip), new THREE.LineBasicMaterial());
      this.filmedFrom = new THREE.Vector3().setFromMatrixPosition(matrixOf(this.clip.camera));
      this.scene.add(this.filming);
    }
  }

  add(person) {
    const figure = new Figure(this.clip, person, this.theme);
    this.figures.push(figure);
    this.scene.add(figure.group);
    this.tags.push(element("span", "tag", `${person.id}`));
    byId("tags").append(this.tags.at(-1));
  }

  restyle() {
    const { theme } = this;
    const ground = theme.colour("scene");
    this.scene.background = new THREE.Color(ground);
    this.grid.material.color.set(theme.colour("grid"));
    if (this.filming) this.filming.material.color.set(theme.colour("muted"));
    for (const figure of this.figures) figure.restyle();
    for (const [i, tag] of this.tags.entries()) {
      tag.style.background = theme.accent(this.clip.people[i], true);
    }
    this.show(this.frame ?? 0);
  }

  resize() {
    const { clientWidth, clientHeight } = this.card;
    if (!clientWidth || !clientHeight) return;
    this.renderer.setPixelRatio(Math.min(this.weak ? 1 : 2, window.devicePixelRatio || 1));
    this.renderer.setSize(clientWidth, clientHeight, false);
    this.camera.aspect = clientWidth / clientHeight;
    this.camera.updateProjectionMatrix();
    if (this.untouched) this.reset();
    this.dirty = true;
  }

  show(frame) {
    const began = performance.now();
    this.frame = frame;
    for (const figure of this.figures) figure.update(frame, this.trails);
    this.goAlong();
    this.dirty = true;
    this.updating = performance.now() - began;
  }

  // Called for every picture of the screen; draws where something changed.
  render() {
    this.controls.update();
    if (!this.dirty) return;
    const began = performance.now();
    this.dirty = false;
    const far = this.camera.position.distanceTo(this.controls.target);
    const fade = Math.max(14, 5 * this.extent.radius);
    this.scene.fog.color.set(this.theme.colour("scene"));
    this.scene.fog.near = far + 0.1 * fade;
    this.scene.fog.far = far + 0.8 * fade;
    if (this.filming) {
      this.filming.visible = this.camera.position.distanceTo(this.filmedFrom) > 1;
    }
    this.renderer.render(this.scene, this.camera);
    this.placeTags();
    this.costs.push(performance.now() - began + (this.updating || 0));
    if (this.costs.length > 300) this.costs.shift();
  }

  placeTags() {
    const { clientWidth, clientHeight } = this.card;
    for (const [i, figure] of this.figures.entries()) {
      const tag = this.tags[i];
      const head = scratch.a.copy(figure.head);
      head.z += 0.16;
      head.project(this.camera);
      const seen = figure.row >= 0 && Math.abs(head.z) < 1 && Math.abs(head.x) < 1.1;
      tag.hidden = !seen;
      if (!seen) continue;
      const x = ((head.x + 1) / 2) * clientWidth;
      const y = ((1 - head.y) / 2) * clientHeight;
      tag.style.transform = `translate(${x.toFixed(1)}px, ${y.toFixed(1)}px) translate(-50%, -100%)`;
    }
  }

  // Move the view along with a person's hip.
  goAlong() {
    const person = this.followed;
    const row = person ? rowAt(person, this.frame) : -1;
    if (row < 0) return;
    const hip = this.figures[person.position].point(row, this.clip.skeleton3d.root, scratch.b);
    if (Number.isNaN(hip.x + hip.y + hip.z)) return;
    const way = hip.sub(this.controls.target);
    this.controls.target.add(way);
    this.camera.position.add(way);
  }

  setField(degrees) {
    if (this.camera.fov === degrees) return;
    this.camera.fov = degrees;
    this.camera.updateProjectionMatrix();
  }

  // End what is left of a drag.
  rest() {
    const { enableDamping } = this.controls;
    this.controls.enableDamping = false;
    this.controls.update();
    this.controls.enableDamping = enableDamping;
  }

  reset() {
    const { centre, radius, height } = this.extent;
    this.untouched = true;
    this.rest();
    this.setField(FIELD_DEG);
    const half = (FIELD_DEG * Math.PI) / 360;
    const across = radius / (Math.tan(half) * this.camera.aspect);
    const distance = Math.max(across, (0.6 * height) / Math.tan(half)) + 0.3 * radius;
    this.controls.target.copy(centre);
    const flat = distance * Math.cos(PITCH);
    this.camera.position.set(
      centre.x + flat * Math.sin(AZIMUTH), centre.y - flat * Math.cos(AZIMUTH),
      centre.z + distance * Math.sin(PITCH));
    this.goAlong();
    this.controls.update();
    this.dirty = true;
  }

  // From the filming camera, with its field of view.
  lookFromCamera() {
    const { camera, width, height } = this.clip;
    if (!camera) return;
    this.untouched = false;
    this.rest();
    const m = matrixOf(camera);
    const at = new THREE.Vector3().setFromMatrixPosition(m);
    const ahead = new THREE.Vector3(0, 0, 1).transformDirection(m);
    const far = Math.max(0.5, this.extent.centre.clone().sub(at).dot(ahead));
    this.camera.position.copy(at);
    this.controls.target.copy(at).addScaledVector(ahead, far);
    // The whole picture is seen, whatever the shapes of picture and card.
    const tall = Math.max(height, width / this.camera.aspect);
    this.setField((2 * Math.atan(tall / 2 / camera.focalPx) * 180) / Math.PI);
    this.controls.update();
    this.dirty = true;
  }

  // Around the target by angles, or nearer by a factor.
  turn(across, up, closer = 1) {
    this.untouched = false;
    this.rest();
    this.setField(FIELD_DEG);
    const from = scratch.a.copy(this.camera.position).sub(this.controls.target);
    const length = from.length() * closer;
    const azimuth = Math.atan2(from.x, -from.y) + across * TURN_STEP;
    const pitch = Math.asin(from.z / from.length()) + up * TURN_STEP;
    const held = Math.min(1.5, Math.max(-0.09, pitch));
    from.set(
      length * Math.cos(held) * Math.sin(azimuth), -length * Math.cos(held) * Math.cos(azimuth),
      length * Math.sin(held));
    this.camera.position.copy(this.controls.target).add(from);
    this.controls.update();
    this.dirty = true;
  }

  // The joint under a place of the card, in words; null where there is none.
  at(x, y) {
    const { clientWidth, clientHeight } = this.card;
    let best = 16;
    let words = null;
    for (const { person, row } of this.figures) {
      for (let joint = 0; row >= 0 && joint < this.clip.skeleton3d.joints.length; joint++) {
        const at = this.figures[person.position].point(row, joint, scratch.a);
        const place = scratch.b.copy(at).project(this.camera);
        const far = Math.hypot(
          ((place.x + 1) / 2) * clientWidth - x, ((1 - place.y) / 2) * clientHeight - y);
        if (!(far < best) || Math.abs(place.z) > 1) continue;
        best = far;
        const sure = person.confidence[row * this.clip.skeleton3d.joints.length + joint];
        words = [
          `${person.name}, ${spoken(this.clip.skeleton3d.joints[joint])}`,
          `x ${at.x.toFixed(2)}, y ${at.y.toFixed(2)}, height ${at.z.toFixed(2)} m`,
          `confidence ${Math.round(100 * sure)} %${person.observed[row] ? "" : ", filled in"}`,
        ];
      }
    }
    return words;
  }
}

// Where people mostly are: the middle, half the width and the height that hold nearly all joints.
function extentOf(clip) {
  const axes = [[], [], []];
  for (const person of clip.people) {
    const stride = 3 * Math.max(1, Math.floor(person.joints.length / 3 / 20000));
    for (let i = 0; i + 2 < person.joints.length; i += stride) {
      for (let axis = 0; axis < 3; axis++) {
        const value = person.joints[i + axis];
        if (!Number.isNaN(value)) axes[axis].push(value);
      }
    }
  }
  const span = axes.map((values) => {
    const sorted = Float32Array.from(values).sort();
    const at = (share) => sorted[Math.round(share * (sorted.length - 1))];
    return sorted.length ? [at(0.01), at(0.99)] : [0, 0];
  });
  const low = Math.min(0, span[2][0]);
  const high = Math.max(1.7, span[2][1]);
  const middle = (axis) => (span[axis][0] + span[axis][1]) / 2;
  const half = (axis) => (span[axis][1] - span[axis][0]) / 2;
  return {
    centre: new THREE.Vector3(middle(0), middle(1), (low + high) / 2),
    radius: Math.max(0.9, Math.hypot(half(0), 0.5 * half(1))) + 0.15,
    height: high - low,
  };
}

// Lines a metre apart.
function gridOf(x, y, reach) {
  const points = [];
  for (let i = -reach; i <= reach; i++) {
    points.push(x + i, y - reach, 0, x + i, y + reach, 0);
    points.push(x - reach, y + i, 0, x + reach, y + i, 0);
  }
  return lines(points);
}

const matrixOf = (camera) => new THREE.Matrix4().fromArray(camera.toScene).transpose();

// The filming camera as a pyramid with the picture's shape.
function frustumOf({ camera, width, height }) {
  const m = matrixOf(camera);
  const deep = 0.45;
  const corner = (x, y) => new THREE.Vector3(
    ((x * width) / 2 / camera.focalPx) * deep, ((y * height) / 2 / camera.focalPx) * deep, deep);
  const apex = new THREE.Vector3();
  const [a, b, c, d] = [corner(-1, -1), corner(1, -1), corner(1, 1), corner(-1, 1)];
  const mark = corner(0, -1.35);
  const pairs = [apex, a, apex, b, apex, c, apex, d, a, b, b, c, c, d, d, a, a, mark, mark, b];
  return lines(pairs.flatMap((p) => p.clone().applyMatrix4(m).toArray()));
}

function lines(points) {
  const shape = new THREE.BufferGeometry();
  shape.setAttribute("position", new THREE.BufferAttribute(new Float32Array(points), 3));
  return shape;
}

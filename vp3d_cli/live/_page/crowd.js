// The people of the last moments, in the form that figure.js and scene.js draw: rows of joints in
// the scene's axes (metres, x right, y ahead, z up, the floor at 0), the newest row last.

const ROWS = 128;
const NEWEST = ROWS - 1;
const BESIDE_M = 1.3;
const SOLE_M = 0.03; // what is lowest in a foot is so far above the floor
const SETTLING = 0.12; // of the way to where something belongs, each frame
const LOWEST_SHARE = 0.05; // feet are on the floor at least so often

class Crowd {
  // onPerson: told of somebody who has taken a place, an old one or a new one.
  constructor(about, onPerson) {
    this.width = about.width;
    this.height = about.height;
    this.skeleton3d = { ...about.skeleton_3d, sides: about.skeleton_3d.joints.map(sideOf), root: 0 };
    this.scored = scoredBy(about.skeleton_3d.joints, about.skeleton_2d.joints);
    this.onPerson = onPerson;
    this.people = [];
    this.times = new Float64Array(ROWS).fill(-Infinity);
    this.typicalConfidence = 1;
    this.camera = null;
    this.floor = NaN;
  }

  // Take in what one frame says. Returns whether everybody with joints has a place in the room.
  push({ time_s: time, people }) {
    if (time < this.times[NEWEST]) this.forget();
    shift(this.times, 1);
    this.times[NEWEST] = time;
    for (const person of this.people) person.advance();
    const solid = people.filter((person) => person.joints_3d).sort((a, b) => a.id - b.id);
    const placed = solid.map((given) => this.placeOf(given.id));
    for (const [i, person] of placed.entries()) person.take(solid[i], this.scored);
    this.stand(placed);
    return placed.every((person) => person.isPlaced);
  }

  placeOf(id) {
    const known = this.people.find((person) => person.id === id);
    if (known) return known;
    let person = this.people.find((other) => other.isGone);
    if (person) {
      person.begin(id);
    } else {
      person = new LivePerson(id, this.people.length, this.skeleton3d.joints.length);
      this.people.push(person);
    }
    this.onPerson(person);
    return person;
  }

  // Move the newest row of everybody to where they stand.
  stand(placed) {
    const inRoom = placed.filter((person) => person.isPlaced);
    const floor = Math.min(...inRoom.map((person) => person.lowest()));
    if (inRoom.length) this.floor = settled(this.floor, floor);
    for (const [i, person] of placed.entries()) {
      person.x = settled(person.x, person.isPlaced ? 0 : BESIDE_M * (i - (placed.length - 1) / 2));
      person.floor = person.isPlaced ? this.floor : settled(person.floor, person.lowest());
      person.move(person.x, SOLE_M - person.floor);
    }
  }

  // What is well seen here: scores have no common scale between detectors.
  gauge() {
    const scores = this.people.flatMap((person) => [...person.confidence]).filter((s) => s > 0);
    if (scores.length) this.typicalConfidence = quantile(scores, 0.8);
  }

  forget() {
    this.times.fill(-Infinity);
    for (const person of this.people) person.begin(person.id);
  }
}

class LivePerson {
  constructor(id, position, numJoints) {
    this.position = position;
    this.numJoints = numJoints;
    this.start = 0;
    this.length = ROWS;
    this.joints = new Float32Array(3 * numJoints * ROWS);
    this.confidence = new Float32Array(numJoints * ROWS);
    this.observed = new Uint8Array(ROWS).fill(1);
    this.lows = new Float32Array(ROWS);
    this.begin(id);
  }

  begin(id) {
    this.id = id;
    this.name = `Person ${id}`;
    this.shown = false;
    this.isPlaced = false;
    this.absentRows = 0;
    this.x = NaN;
    this.clear();
  }

  clear() {
    this.joints.fill(NaN);
    this.confidence.fill(0);
    this.lows.fill(NaN);
    this.floor = NaN;
  }

  // Whether nothing of this person is left to see.
  get isGone() {
    return this.absentRows >= ROWS;
  }

  advance() {
    this.shown = false;
    this.absentRows += 1;
    for (const [rows, size] of [
      [this.joints, 3 * this.numJoints], [this.confidence, this.numJoints], [this.lows, 1],
    ]) {
      shift(rows, size);
      rows.fill(NaN, rows.length - size);
    }
  }

  // From the camera's axes (x right, y down, z ahead) to the scene's, over no floor yet.
  take({ joints_3d: joints, root_camera: root, scores_2d: scores }, scored) {
    const isPlaced = root !== null && !root.includes(null);
    if (this.isPlaced !== isPlaced) this.clear(); // no trail from one place to the other
    this.isPlaced = isPlaced;
    this.shown = true;
    this.absentRows = 0;
    const [x0, y0, z0] = isPlaced ? root : [0, 0, 0];
    let low = Infinity;
    for (const [joint, [x, y, z]] of joints.entries()) {
      if (x === null) continue; // the row is NaN so far
      const at = 3 * (NEWEST * this.numJoints + joint);
      this.joints.set([x + x0, z + z0, -y - y0], at);
      low = Math.min(low, this.joints[at + 2]);
    }
    this.lows[NEWEST] = Number.isFinite(low) ? low : NaN;
    const sure = scored.map((from) => Math.max(...from.map((keypoint) => scores[keypoint])));
    this.confidence.set(sure, NEWEST * this.numJoints);
  }

  lowest() {
    return quantile(this.lows.filter((low) => !Number.isNaN(low)), LOWEST_SHARE) ?? 0;
  }

  move(x, up) {
    for (let at = 3 * NEWEST * this.numJoints; at < this.joints.length; at += 3) {
      this.joints[at] += x;
      this.joints[at + 2] += up;
    }
  }
}

const sideOf = (joint) => /^(left|right)_/.exec(joint)?.[1] ?? "middle";

// For each 3D joint the keypoints whose scores say how sure it is: its own, or all there are.
function scoredBy(joints, keypoints) {
  const all = keypoints.map((_, i) => i);
  const own = { foot: "ankle" };
  return joints.map((joint) => {
    const name = joint.replace(/[a-z]+$/, (part) => own[part] ?? part);
    const at = keypoints.indexOf(name);
    return at < 0 ? all : [at];
  });
}

function shift(rows, size) {
  rows.copyWithin(0, size);
}

function settled(value, wanted) {
  return Number.isNaN(value) ? wanted : value + SETTLING * (wanted - value);
}

function quantile(values, share) {
  const sorted = Float32Array.from(values).sort();
  return sorted[Math.round(share * (sorted.length - 1))];
}

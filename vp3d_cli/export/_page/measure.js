// What is measured of a person over time. The angles were computed by _angles.py, which defines
// them; they are in degrees.

const ANGLES = {
  knee_flexion: { title: "Knee flexion", about: "0° is a straight leg" },
  hip_flexion: { title: "Hip flexion", about: "thigh forward of the pelvis" },
  elbow_flexion: { title: "Elbow flexion", about: "0° is a straight arm" },
  shoulder_elevation: { title: "Shoulder elevation", about: "0° is an arm along the trunk" },
};
const SMOOTHED_S = 0.1; // speed is the difference over this time to both sides

class Measures {
  constructor(clip) {
    this.clip = clip;
    this.cache = new Map();
    this.names = clip.skeleton3d ? clip.skeleton3d.joints : [];
    this.root = clip.skeleton3d ? clip.skeleton3d.root : 0;
  }

  // A Float32Array with a value per row of the person.
  series(person, name) {
    const key = `${person.position} ${name}`;
    if (!this.cache.has(key)) this.cache.set(key, this.compute(person, name));
    return this.cache.get(key);
  }

  compute(person, name) {
    if (name === "confidence") return this.confidence(person);
    if (name === "height") return this.column(person, this.root, 2);
    if (name === "speed") return this.speed(person);
    const { angles } = this.clip;
    return Float32Array.from(
      { length: person.length },
      (_, row) => person.angles[row * angles.length + angles.indexOf(name)],
    );
  }

  confidence(person) {
    const joints = this.names.length;
    const values = new Float32Array(person.length);
    for (let row = 0; row < person.length; row++) {
      let sum = 0;
      for (let joint = 0; joint < joints; joint++) sum += person.confidence[row * joints + joint];
      values[row] = (100 * sum) / joints;
    }
    return values;
  }

  column(person, joint, axis) {
    const size = 3 * this.names.length;
    return Float32Array.from(
      { length: person.length }, (_, row) => person.joints[row * size + 3 * joint + axis],
    );
  }

  speed(person) {
    const path = [0, 1, 2].map((axis) => this.column(person, this.root, axis));
    const { times, slowed } = this.clip;
    const values = new Float32Array(person.length).fill(NaN);
    let before = 0;
    let after = 0;
    const time = (row) => times[person.start + row];
    for (let row = 0; row < person.length; row++) {
      while (time(before) < time(row) - SMOOTHED_S) before++;
      while (after < person.length - 1 && time(after) < time(row) + SMOOTHED_S) after++;
      const span = time(after) - time(before);
      const way = Math.hypot(...path.map((column) => column[after] - column[before]));
      if (span > 0) values[row] = (slowed * way) / span;
    }
    return values;
  }
}

// One person in 3D: limbs, joints, their shadow on the floor, trails of hip and feet.

const BONE_M = 0.034;
const JOINT_M = 0.041;
const TRAIL_S = 2;
const TRAIL_DOTS = 30;
const SHADOW_M = 0.004; // above the floor

const SHAPES = {
  bone: new THREE.CylinderGeometry(1, 1, 1, 12, 1, true),
  joint: new THREE.SphereGeometry(1, 12, 8),
  dot: new THREE.SphereGeometry(1, 5, 3),
};

class Figure {
  constructor(clip, person, theme) {
    this.clip = clip;
    this.person = person;
    this.theme = theme;
    const { joints, edges } = clip.skeleton3d;
    const solid = () => new THREE.MeshLambertMaterial();
    this.bones = this.many(SHAPES.bone, solid(), edges.length);
    this.joints = this.many(SHAPES.joint, solid(), joints.length);
    this.traced = traced(clip.skeleton3d);
    this.trail = this.many(
      SHAPES.dot, new THREE.MeshBasicMaterial(), this.traced.length * TRAIL_DOTS);
    this.dark = new THREE.MeshBasicMaterial({ fog: true });
    this.dropped = this.shadow(this.bones);
    this.group = new THREE.Group();
    this.group.add(this.bones, this.joints, this.trail, this.dropped);
    this.head = new THREE.Vector3();
  }

  many(shape, material, count) {
    const mesh = new THREE.InstancedMesh(shape, material, Math.max(1, count));
    mesh.count = count;
    mesh.frustumCulled = false;
    mesh.setColorAt(0, new THREE.Color());
    return mesh;
  }

  // The same instances, pressed flat onto the floor.
  shadow(mesh) {
    const flat = new THREE.InstancedMesh(mesh.geometry, this.dark, mesh.instanceMatrix.count);
    flat.instanceMatrix = mesh.instanceMatrix;
    flat.count = mesh.count;
    flat.frustumCulled = false;
    flat.matrixAutoUpdate = false;
    flat.matrix.makeScale(1, 1, 0.0005);
    flat.matrix.setPosition(0, 0, SHADOW_M);
    return flat;
  }

  point(row, joint, into) {
    const at = 3 * (row * this.clip.skeleton3d.joints.length + joint);
    return into.fromArray(this.person.joints, at);
  }

  update(frame, withTrails) {
    const row = this.person.shown ? rowAt(this.person, frame) : -1;
    this.row = row;
    this.group.visible = row >= 0;
    if (row < 0) return;
    this.updateJoints(row);
    this.updateBones(row);
    this.trail.visible = withTrails;
    if (withTrails) this.updateTrail(frame);
  }

  bold(row, joint) {
    const { joints } = this.clip.skeleton3d;
    const score = this.person.confidence[row * joints.length + joint];
    return boldness(score, this.clip.typicalConfidence) * (this.person.observed[row] ? 1 : 0.55);
  }

  updateJoints(row) {
    const { joints, sides } = this.clip.skeleton3d;
    this.head.set(NaN, NaN, -Infinity);
    for (let joint = 0; joint < joints.length; joint++) {
      const at = this.point(row, joint, scratch.a);
      if (at.z > this.head.z) this.head.copy(at);
      const bold = this.bold(row, joint);
      const size = Number.isNaN(at.x + at.y + at.z) ? 0 : JOINT_M * (0.55 + 0.45 * bold);
      scratch.matrix.makeScale(size, size, size);
      if (size) scratch.matrix.setPosition(at);
      this.joints.setMatrixAt(joint, scratch.matrix);
      this.joints.setColorAt(joint, this.faded(sides[joint], bold, scratch.colour));
    }
    changed(this.joints);
  }

  updateBones(row) {
    const { edges, sides } = this.clip.skeleton3d;
    for (const [edge, [a, b]] of edges.entries()) {
      const from = this.point(row, a, scratch.a);
      const along = this.point(row, b, scratch.b).sub(from);
      const length = along.length();
      if (!(length > 1e-6)) {
        this.bones.setMatrixAt(edge, scratch.nothing);
        continue;
      }
      const bold = Math.min(this.bold(row, a), this.bold(row, b));
      const width = BONE_M * (0.5 + 0.5 * bold);
      from.addScaledVector(along, 0.5);
      scratch.turn.setFromUnitVectors(scratch.up, along.divideScalar(length));
      scratch.size.set(width, length, width);
      this.bones.setMatrixAt(edge, scratch.matrix.compose(from, scratch.turn, scratch.size));
      this.bones.setColorAt(edge, this.faded(edgeSide(sides, a, b), bold, scratch.colour));
    }
    changed(this.bones);
  }

  // Towards the ground's colour where it is unsure.
  faded(side, bold, colour) {
    return colour.set(this.theme.side(side)).lerp(scratch.ground.set(this.theme.colour("scene")), 0.75 * (1 - bold));
  }

  // Dots back in time, smaller and fainter.
  updateTrail(frame) {
    const { times } = this.clip;
    const accent = scratch.accent.set(this.theme.accent(this.person));
    const ground = scratch.ground.set(this.theme.colour("scene"));
    for (const [position, joint] of this.traced.entries()) {
      for (let dot = 0; dot < TRAIL_DOTS; dot++) {
        const age = (dot + 1) / TRAIL_DOTS;
        const then = times[frame] - TRAIL_S * age;
        const row = then < times[0] ? -1 : rowAt(this.person, frameAt(times, then));
        const at = row < 0 ? null : this.point(row, joint, scratch.a);
        const index = position * TRAIL_DOTS + dot;
        if (!at || Number.isNaN(at.x + at.y + at.z)) {
          this.trail.setMatrixAt(index, scratch.nothing);
          continue;
        }
        const size = 0.021 * (1 - 0.7 * age);
        this.trail.setMatrixAt(index, scratch.matrix.makeScale(size, size, size).setPosition(at));
        this.trail.setColorAt(index, scratch.colour.copy(accent).lerp(ground, 0.2 + 0.7 * age));
      }
    }
    changed(this.trail);
  }

  restyle() {
    this.dark.color.set(this.theme.colour("shadow"));
  }
}

const scratch = {
  a: new THREE.Vector3(),
  b: new THREE.Vector3(),
  size: new THREE.Vector3(),
  up: new THREE.Vector3(0, 1, 0),
  turn: new THREE.Quaternion(),
  matrix: new THREE.Matrix4(),
  nothing: new THREE.Matrix4().makeScale(0, 0, 0),
  colour: new THREE.Color(),
  ground: new THREE.Color(),
  accent: new THREE.Color(),
};

function changed(mesh) {
  mesh.instanceMatrix.needsUpdate = true;
  mesh.instanceColor.needsUpdate = true;
}

function traced({ joints, root }) {
  const feet = ["left_foot", "right_foot", "left_ankle", "right_ankle"];
  return [root, ...feet.map((name) => joints.indexOf(name)).filter((at) => at >= 0)];
}

// The side that an edge reaches; the middle where it crosses or touches neither.
function edgeSide(sides, a, b) {
  if (sides[a] === sides[b]) return sides[a];
  if (sides[a] === "middle") return sides[b];
  return sides[b] === "middle" ? sides[a] : "middle";
}

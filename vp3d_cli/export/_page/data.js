// What the page was given: JSON, and arrays packed by data.py.

const byId = (id) => document.getElementById(id);

function bytesOfBase64(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const block = 1 << 20; // characters, a multiple of 4
  const end = text.length;
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  const bytes = new Uint8Array((end / 4) * 3 - padding);
  let at = 0;
  for (let start = 0; start < end; start += block) {
    const part = atob(text.slice(start, start + block));
    for (let i = 0; i < part.length; i++) bytes[at++] = part.charCodeAt(i);
  }
  return bytes;
}

async function inflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// The inverse of data.py's _packed: (rows, columns) numbers, NaN where missing.
function unpack(bytes, rows, columns, step) {
  const count = rows * columns;
  const values = new Float32Array(count);
  for (let column = 0; column < columns; column++) {
    let sum = 0;
    for (let row = 0; row < rows; row++) {
      const at = column * rows + row;
      const zigzag =
        bytes[at] | (bytes[count + at] << 8) | (bytes[2 * count + at] << 16) |
        (bytes[3 * count + at] << 24);
      sum = (sum + ((zigzag >>> 1) ^ -(zigzag & 1))) | 0;
      values[row * columns + column] = sum === -2147483648 ? NaN : sum * step;
    }
  }
  return values;
}

async function readClip() {
  const clip = JSON.parse(byId("about").textContent);
  const bytes = await inflate(bytesOfBase64(byId("arrays").textContent));
  byId("arrays").remove();
  let at = clip.frames * 8;
  clip.times = new Float64Array(bytes.buffer.slice(0, at));
  const j3 = clip.skeleton3d ? clip.skeleton3d.joints.length : 0;
  const j2 = clip.skeleton2d ? clip.skeleton2d.joints.length : 0;
  const columns = { joints: 3 * j3, confidence: j3, keypoints: 2 * j2, scores: j2, observed: 1 };
  columns.angles = clip.angles.length;
  for (const [position, person] of clip.people.entries()) {
    for (const name of ["joints", "confidence", "keypoints", "scores", "observed", "angles"]) {
      const size = person.length * columns[name] * 4;
      const part = bytes.subarray(at, at + size);
      person[name] = unpack(part, person.length, columns[name], clip.steps[name]);
      at += size;
    }
    person.position = position;
    person.start = person.first - clip.first; // in the page's frames, from 0
    person.name = `Person ${person.id}`;
    person.shown = true;
  }
  return clip;
}

// A person's row in one of the page's frames; -1 where the person is not there.
function rowAt(person, frame) {
  const row = frame - person.start;
  return row >= 0 && row < person.length ? row : -1;
}

// The last frame shown at or before a time.
function frameAt(times, seconds) {
  let low = 0;
  let high = times.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (times[middle] <= seconds) low = middle;
    else high = middle - 1;
  }
  return low;
}

// How boldly to draw what has a score, 0 to 1: in full from 70 % of what is typical here.
const boldness = (score, typical) => Math.min(1, Math.max(0, (score || 0) / (0.7 * typical)));

function clockText(seconds, decimals = 2) {
  const whole = Math.max(0, seconds);
  const minutes = Math.floor(whole / 60);
  const rest = (whole - 60 * minutes).toFixed(decimals).padStart(decimals ? decimals + 3 : 2, "0");
  return `${minutes}:${rest}`;
}
const spoken = (name) => name.replace(/_/g, " ");

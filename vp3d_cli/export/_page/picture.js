// The video, or plain ground in its place, and the 2D skeletons over it.

const FILLED_ALPHA = 0.6;
const FAINTEST = 0.12;

class Picture {
  constructor(clip, card, theme) {
    this.clip = clip;
    this.theme = theme;
    this.card = card;
    this.video = card.querySelector("video");
    this.canvas = card.querySelector("canvas");
    this.pen = flatPen(this.canvas);
    this.skeletons = true;
    card.style.setProperty("--aspect", `${clip.width} / ${clip.height}`);
    new ResizeObserver(() => this.resize()).observe(card);
    this.resize();
  }

  // Whether there is a video; its bytes leave the page's text for a blob that can be sought in.
  load(onTrouble) {
    const holder = byId("media");
    if (!this.clip.videoType) return false;
    const bytes = bytesOfBase64(holder.textContent);
    holder.remove();
    this.video.hidden = false;
    this.video.addEventListener("error", () => {
      this.video.hidden = true;
      this.draw(this.frame);
      onTrouble();
    });
    this.video.src = URL.createObjectURL(new Blob([bytes], { type: this.clip.videoType }));
    return true;
  }

  resize() {
    const ratio = window.devicePixelRatio || 1;
    const { clientWidth, clientHeight } = this.card;
    this.canvas.width = Math.round(clientWidth * ratio);
    this.canvas.height = Math.round(clientHeight * ratio);
    this.scale = Math.min(clientWidth / this.clip.width, clientHeight / this.clip.height);
    this.left = (clientWidth - this.scale * this.clip.width) / 2;
    this.upper = (clientHeight - this.scale * this.clip.height) / 2;
    this.ratio = ratio;
    this.draw(this.frame ?? 0);
  }

  draw(frame) {
    this.frame = frame;
    const { pen, ratio, clip } = this;
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, this.canvas.width, this.canvas.height);
    pen.setTransform(ratio * this.scale, 0, 0, ratio * this.scale,
      ratio * this.left, ratio * this.upper);
    if (this.video.hidden) {
      pen.fillStyle = this.theme.colour("plain");
      pen.fillRect(0, 0, clip.width, clip.height);
    }
    if (!this.skeletons) return;
    for (const person of clip.people) {
      const row = person.shown ? rowAt(person, frame) : -1;
      if (row >= 0) this.drawPerson(person, row);
    }
  }

  point(person, row, joint) {
    const at = 2 * (row * this.clip.skeleton2d.joints.length + joint);
    return [person.keypoints[at], person.keypoints[at + 1]];
  }

  // Half a stroke in video pixels: in proportion to the person, never too thin to see.
  stroke(person, row) {
    const joints = this.clip.skeleton2d.joints.length;
    let [x0, y0, x1, y1] = [Infinity, Infinity, -Infinity, -Infinity];
    for (let joint = 0; joint < joints; joint++) {
      const [x, y] = this.point(person, row, joint);
      if (Number.isNaN(x + y)) continue;
      [x0, y0, x1, y1] = [Math.min(x0, x), Math.min(y0, y), Math.max(x1, x), Math.max(y1, y)];
    }
    const size = x1 > x0 ? Math.hypot(x1 - x0, y1 - y0) : 0;
    return { half: Math.min(Math.max(0.007 * size, 1.1 / this.scale), 3.5 / this.scale), top: [(x0 + x1) / 2, y0], size };
  }

  drawPerson(person, row) {
    const { pen, clip, theme } = this;
    const { edges, sides, joints } = clip.skeleton2d;
    const seen = person.observed[row] === 1;
    const { half, top, size } = this.stroke(person, row);
    const bold = (joint) =>
      Math.max(FAINTEST, boldness(person.scores[row * joints.length + joint], clip.typicalScore));
    pen.lineCap = "round";
    for (const casing of seen ? [true, false] : [false]) {
      for (const [a, b] of edges) {
        const from = this.point(person, row, a);
        const to = this.point(person, row, b);
        if (Number.isNaN(from[0] + to[0])) continue;
        const alpha = seen ? Math.min(bold(a), bold(b)) : FILLED_ALPHA;
        pen.globalAlpha = casing ? alpha ** 2 * 0.75 : alpha;
        pen.strokeStyle = casing ? "#0f1218" : theme.side(edgeSide(sides, a, b), true);
        pen.lineWidth = 2 * (seen ? half : 0.6 * half) + (casing ? 2 / this.scale : 0);
        pen.setLineDash(seen ? [] : [4 * half, 5 * half]);
        pen.beginPath();
        pen.moveTo(...from);
        pen.lineTo(...to);
        pen.stroke();
      }
    }
    pen.setLineDash([]);
    pen.fillStyle = "#ffffff";
    for (let joint = 0; seen && joint < joints.length; joint++) {
      const [x, y] = this.point(person, row, joint);
      if (Number.isNaN(x + y) || bold(joint) < 2 * FAINTEST) continue;
      pen.globalAlpha = bold(joint);
      pen.beginPath();
      pen.arc(x, y, 0.8 * half, 0, 7);
      pen.fill();
    }
    pen.globalAlpha = 1;
    if (size > 0) this.drawTag(person, top, seen);
  }

  drawTag(person, [x, y], seen) {
    const { pen, theme } = this;
    const unit = 1 / this.scale;
    const words = seen ? `${person.id}` : `${person.id} filled in`;
    pen.font = `600 ${12 * unit}px system-ui, sans-serif`;
    const width = pen.measureText(words).width + 14 * unit;
    const left = Math.min(Math.max(x - width / 2, 4 * unit), this.clip.width - width - 4 * unit);
    const upper = Math.max(y - 34 * unit, 4 * unit);
    pen.fillStyle = theme.accent(person, true);
    pen.globalAlpha = seen ? 1 : 0.75;
    pen.beginPath();
    pen.roundRect(left, upper, width, 18 * unit, 9 * unit);
    pen.fill();
    pen.fillStyle = "#0f1218";
    pen.textBaseline = "middle";
    pen.fillText(words, left + 7 * unit, upper + 9.5 * unit);
    pen.globalAlpha = 1;
  }

  // The keypoint under a place of the card, in words; null where there is none.
  at(x, y) {
    if (!this.skeletons || !this.clip.skeleton2d) return null;
    let best = 14;
    let words = null;
    for (const person of this.clip.people) {
      const row = person.shown ? rowAt(person, this.frame) : -1;
      for (let joint = 0; row >= 0 && joint < this.clip.skeleton2d.joints.length; joint++) {
        const [u, v] = this.point(person, row, joint);
        const far = Math.hypot(u * this.scale + this.left - x, v * this.scale + this.upper - y);
        if (!(far < best)) continue;
        best = far;
        const score = person.scores[row * this.clip.skeleton2d.joints.length + joint];
        words = [
          `${person.name}, ${spoken(this.clip.skeleton2d.joints[joint])}`,
          `x ${u.toFixed(1)}, y ${v.toFixed(1)} px`,
          person.observed[row] ? `score ${score.toFixed(2)}` : "filled in",
        ];
      }
    }
    return words;
  }
}

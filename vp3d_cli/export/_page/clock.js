// The one clock: the video's where there is one that plays, else its own. Frames are told by
// their real presentation times, so that uneven frame rates keep in step.

class Clock {
  constructor(times, video) {
    this.times = times;
    this.video = null;
    this.frame = 0;
    this.playing = false;
    this.rate = 1;
    this.listeners = { frame: [], state: [] };
    if (video) this.follow(video);
    const tick = (now) => {
      this.tick(now);
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  }

  on(event, listener) {
    this.listeners[event].push(listener);
  }

  tell(event) {
    for (const listener of this.listeners[event]) listener(this.frame);
  }

  get last() {
    return this.times.length - 1;
  }

  // Show frames by the video; where it cannot be played the own clock stays.
  follow(video) {
    this.video = video;
    video.addEventListener("play", () => this.state(true));
    video.addEventListener("pause", () => this.state(false));
    video.addEventListener("ended", () => this.state(false));
    video.addEventListener("seeked", () => this.settle());
    if (video.requestVideoFrameCallback) {
      const shown = (_, frame) => {
        if (this.playing && !video.seeking) this.show(this.frameOf(frame.mediaTime));
        video.requestVideoFrameCallback(shown);
      };
      video.requestVideoFrameCallback(shown);
    }
  }

  unfollow() {
    this.video = null;
    this.state(false);
  }

  // Times in files are rounded: a frame begins a little before its time.
  frameOf(seconds) {
    return frameAt(this.times, seconds + 0.002);
  }

  tick(now) {
    const passed = Math.min(0.25, (now - (this.before ?? now)) / 1000);
    this.before = now;
    if (!this.playing) return;
    if (this.video) {
      if (!this.video.requestVideoFrameCallback && !this.video.seeking) {
        this.show(this.frameOf(this.video.currentTime));
      }
      return;
    }
    this.seconds += passed * this.rate;
    this.show(frameAt(this.times, this.seconds));
    if (this.frame === this.last) this.pause();
  }

  show(frame) {
    if (frame === this.frame) return;
    this.frame = frame;
    this.tell("frame");
  }

  state(playing) {
    if (this.playing === playing) return;
    this.playing = playing;
    this.seconds = this.times[this.frame];
    this.tell("state");
  }

  play() {
    if (this.times.length < 2) return;
    if (this.frame === this.last) this.seek(0);
    if (this.video) this.video.play().catch(() => this.state(false));
    else this.state(true);
  }

  pause() {
    if (this.video) this.video.pause();
    this.state(false);
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  // The 3D moves at once; the video follows as fast as it can, to the last frame asked for.
  seek(frame) {
    const target = Math.min(this.last, Math.max(0, Math.round(frame)));
    if (this.last < 0) return;
    this.frame = target;
    this.seconds = this.times[target];
    if (this.video) {
      if (this.video.seeking) this.waiting = target;
      else this.video.currentTime = this.middle(target);
    }
    this.tell("frame");
  }

  settle() {
    if (this.waiting === undefined) return;
    const target = this.waiting;
    this.waiting = undefined;
    this.video.currentTime = this.middle(target);
  }

  // Amid a frame's time, so that rounding never shows its neighbour.
  middle(frame) {
    const start = this.times[frame];
    const next = frame < this.last ? this.times[frame + 1] : start + 0.01;
    return start + Math.min(0.5 * (next - start), 0.02);
  }

  step(frames) {
    this.pause();
    this.seek(this.frame + frames);
  }

  skip(seconds) {
    const target = this.times[this.frame] + seconds;
    this.seek(frameAt(this.times, target + 1e-6));
  }

  setRate(rate) {
    this.rate = rate;
    if (this.video) this.video.playbackRate = rate;
    this.tell("state");
  }
}

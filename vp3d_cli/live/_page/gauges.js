// The numbers below the pictures: how fast, how late, how much is left out.

const LATENCIES = 300; // frames that the percentiles are of
const RATE_S = 3;

class Gauges {
  constructor() {
    this.latencies = [];
    this.arrivals = [];
  }

  take(state, now) {
    this.state = state;
    this.latencies.push(state.latency_ms);
    if (this.latencies.length > LATENCIES) this.latencies.shift();
    this.arrivals.push(now);
  }

  show(now) {
    if (!this.state) return;
    while (this.arrivals.length && this.arrivals[0] < now - 1000 * RATE_S) this.arrivals.shift();
    const { delay_ms: delay, dropped, people } = this.state;
    this.put("rate", this.rate(now).toFixed(1));
    this.put("latency-50", Math.round(quantile(this.latencies, 0.5)));
    this.put("latency-95", Math.round(quantile(this.latencies, 0.95)));
    this.put("delay", Math.round(delay));
    this.put("dropped", (100 * dropped).toFixed(dropped > 0 && dropped < 0.0995 ? 1 : 0));
    this.put("count", people.length);
  }

  // Of the last seconds, or of as many as there are yet.
  rate(now) {
    const count = this.arrivals.length;
    if (count < 2) return 0;
    const first = this.arrivals[0];
    const span = Math.max(now - first, 1000); // the first frames may come in a heap
    return (1000 * (count - 1)) / span;
  }

  put(id, value) {
    const text = String(value);
    if (byId(id).textContent !== text) byId(id).textContent = text;
  }

  forget() {
    this.latencies = [];
    this.arrivals = [];
  }
}

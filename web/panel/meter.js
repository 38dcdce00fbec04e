// The numbers of a live stream. No DOM: times and sizes come in, rates and medians go out.

const WINDOW_MS = 2000; // of rates
const LONG_WINDOW_MS = 30_000; // of the rate of a slow model: its last two results
const LATENCY_WINDOW_MS = 10_000; // a 95th percentile needs more of them

/** What came in lately, how often the screen was drawn, and how old pictures were when they were seen. */
export class Meter {
  #results = []; // {at: ms, bytes, timings}
  #drawings = []; // {at: ms}
  #latencies = []; // {at: ms, ms}

  received(atMs, bytes, timingsMs = {}) {
    this.#results.push({ at: atMs, bytes, timings: timingsMs });
    forgetEvents(this.#results, atMs);
  }

  drawn(atMs) {
    this.#drawings.push({ at: atMs });
    forgetEvents(this.#drawings, atMs);
  }

  shown(atMs, latencyMs) {
    this.#latencies.push({ at: atMs, ms: latencyMs });
    forget(this.#latencies, atMs - LATENCY_WINDOW_MS);
  }

  /**
   * {streamFps, displayFps, kilobytesPerFrame, megabitsPerS, latencyMs: {p50, p95}}: null where nothing is known.
   * stagesMs: [{name, ms}], medians of what the server spent, in its order, without the total.
   */
  read(nowMs) {
    forgetEvents(this.#results, nowMs);
    forgetEvents(this.#drawings, nowMs);
    forget(this.#latencies, nowMs - LATENCY_WINDOW_MS);
    const streamFps = rate(this.#results, nowMs);
    const bytes = mean(this.#results.map((result) => result.bytes));
    return {
      streamFps,
      displayFps: rate(this.#drawings, nowMs),
      kilobytesPerFrame: streamFps === null ? null : bytes / 1e3,
      megabitsPerS: streamFps === null ? null : (streamFps * bytes * 8) / 1e6,
      latencyMs: percentiles(this.#latencies.map((latency) => latency.ms)),
      stagesMs: this.#stages(),
    };
  }

  #stages() {
    const newest = this.#results.at(-1)?.timings ?? {};
    const names = Object.keys(newest).filter((name) => name !== "total");
    return names.map((name) => ({ name, ms: median(this.#results.map(({ timings }) => timings[name] ?? 0)) }));
  }
}

/**
 * Capture to screen; undefined for a picture from before the page was in view: it waited for somebody to look. So for
 * one without a time of capture.
 */
export function latencyMs(capturedAtMs, visibleSinceMs, nowMs) {
  return capturedAtMs >= visibleSinceMs ? nowMs - capturedAtMs : undefined;
}

function forget(kept, beforeMs) {
  while (kept.length > 0 && kept[0].at < beforeMs) kept.shift();
}

/** Two seconds of them; where fewer than two came in that time, the last two. */
function forgetEvents(kept, nowMs) {
  while (kept.length > 2 && kept[0].at < nowMs - WINDOW_MS) kept.shift();
  forget(kept, nowMs - LONG_WINDOW_MS);
}

/** Events a second; the first one opens the span and is not counted. */
function rate(events, nowMs) {
  return events.length < 2 ? null : ((events.length - 1) * 1000) / Math.max(nowMs - events[0].at, 1);
}

function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function percentiles(values) {
  if (values.length === 0) return null;
  const sorted = values.toSorted((a, b) => a - b);
  const nearestRank = (share) => sorted[Math.ceil(share * sorted.length) - 1];
  return { p50: nearestRank(0.5), p95: nearestRank(0.95) };
}

function median(values) {
  return percentiles(values)?.p50 ?? 0;
}

// The numbers of the status line. No DOM: times come in, text goes out.

const WINDOW_MS = 2000;
const LATENCIES_KEPT = 60; // of those two seconds
const count = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** What came in during the last two seconds, and how old the last pictures were when they were seen. */
export class Meter {
  #results = []; // {at: ms, bytes}
  #latencies = []; // {at: ms, ms}

  received(atMs, bytes) {
    this.#results.push({ at: atMs, bytes });
    this.#forget(atMs);
  }

  shown(atMs, latencyMs) {
    this.#latencies.push({ at: atMs, ms: latencyMs });
    if (this.#latencies.length > LATENCIES_KEPT) this.#latencies.shift();
  }

  /** {fps, kilobytesPerFrame, latencyMs}; null where nothing is known. */
  read(nowMs) {
    this.#forget(nowMs);
    const results = this.#results;
    if (results.length < 2) return { fps: null, kilobytesPerFrame: null, latencyMs: this.#medianLatency() };
    const spanMs = nowMs - results[0].at;
    const bytes = results.reduce((sum, result) => sum + result.bytes, 0);
    return {
      fps: ((results.length - 1) * 1000) / Math.max(spanMs, 1),
      kilobytesPerFrame: bytes / results.length / 1000,
      latencyMs: this.#medianLatency(),
    };
  }

  #forget(nowMs) {
    for (const kept of [this.#results, this.#latencies]) {
      while (kept.length > 0 && kept[0].at < nowMs - WINDOW_MS) kept.shift();
    }
  }

  #medianLatency() {
    if (this.#latencies.length === 0) return null;
    return this.#latencies.map(({ ms }) => ms).sort((a, b) => a - b)[this.#latencies.length >> 1];
  }
}

/** Capture to screen; undefined for a picture from before the page was in view: it waited for somebody to look. */
export function latencyMs(capturedAtMs, visibleSinceMs, nowMs) {
  return capturedAtMs >= visibleSinceMs ? nowMs - capturedAtMs : undefined;
}

/** The model as people should read it: what it is, what its weights may be used for. */
export function modelText(model) {
  const isSaid = /demonstration/i.test(model.title);
  const demonstration = model.demonstration && !isSaid ? " (demonstration depth)" : "";
  const licence = model.non_commercial ? `${model.licence}, not for commercial use` : model.licence;
  return `${model.title}${demonstration} · ${licence}`;
}

/** What the server's engine is doing, or "" where it simply works. */
export function statusText(status) {
  if (status === null || status.state === "ready") return "";
  const percent = status.progress === undefined ? "" : ` ${count.format(100 * status.progress)} %`;
  return `${status.message}${percent}`;
}

/** `state` in words; `numbers` of Meter.read; `last`: {type, count} of the last result, or null. */
export function statusLine({ state, status, numbers, last }) {
  const parts = [state, statusText(status)];
  if (last !== null) {
    parts.push(
      numbers.fps === null ? "" : `${numbers.fps.toFixed(1)} fps`,
      `${count.format(last.count)} ${last.type === "pointcloud" ? "points" : "splats"}`,
      numbers.kilobytesPerFrame === null ? "" : `${count.format(numbers.kilobytesPerFrame)} KB/frame`,
      numbers.latencyMs === null ? "" : `${count.format(numbers.latencyMs)} ms capture to screen`,
      last.type,
    );
  }
  return parts.filter((part) => part !== "").join(" · ");
}

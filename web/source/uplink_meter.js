// What the way to the server does: how long frames wait on it, what it carries, how long the whole round takes. Told
// from answered frames; times come in. Knows no rung and decides nothing.
//
// A result says when the server had its frame, by the server's clock, of which only differences mean something: what a
// frame took longer than the quickest one of the last half minute it waited behind others.

const QUICKEST_OF_MS = 30_000; // a way that became longer for good is the usual one after that
const KEPT_MS = 10_000;
const LATELY_MS = 1000;

export class UplinkMeter {
  #quickest = []; // {atMs, transitMs}, rising: the first is the least
  #answers = []; // of frames that were sent since the last beginAnew, oldest first
  #offers = []; // {atMs, isTaken}: pictures of the source
  #sinceMs = -Infinity;

  /** As connection.js tells it. */
  answered({ sentAtMs, answeredAtMs, receivedAtMs, bytes, frames, timingsMs: { total = 0, wait = 0 } }) {
    const transitMs = receivedAtMs - sentAtMs;
    this.#noteTransit(answeredAtMs, transitMs);
    if (sentAtMs < this.#sinceMs) return;
    forget(this.#answers, answeredAtMs - KEPT_MS);
    this.#answers.push({
      atMs: answeredAtMs, receivedAtMs, bytes, frames, queueMs: transitMs - this.#quickest[0].transitMs,
      totalMs: total, busyMs: total - wait, wayMs: answeredAtMs - sentAtMs - total,
    });
  }

  /** The source brought a picture; isTaken: there was room for it among the frames in flight. */
  offered(atMs, isTaken) {
    forget(this.#offers, atMs - LATELY_MS);
    this.#offers.push({ atMs, isTaken });
  }

  /** Frames are of another kind from now on. */
  beginAnew(nowMs) {
    this.#sinceMs = nowMs;
    this.#answers = [];
    this.#offers = [];
  }

  /** Another server, with another clock. */
  forgetClock(nowMs) {
    this.#quickest = [];
    this.beginAnew(nowMs);
  }

  /** Since the first answer. */
  spanMs(nowMs) {
    return this.#answers.length === 0 ? 0 : nowMs - this.#answers[0].atMs;
  }

  queueMs(nowMs, withinMs = LATELY_MS) {
    return median(this.#lately(nowMs, withinMs).map(({ queueMs }) => queueMs));
  }

  /** From sending to the answer, without what the server took. */
  wayMs(nowMs) {
    return median(this.#lately(nowMs).map(({ wayMs }) => wayMs));
  }

  /** What the server took, the wait for its turn included. */
  serverMs(nowMs) {
    return median(this.#lately(nowMs).map(({ totalMs }) => totalMs));
  }

  bytesPerFrame(nowMs) {
    const lately = this.#lately(nowMs);
    return sum(lately, "bytes") / sum(lately, "frames");
  }

  /** What came through; where frames queue, what the way carries. Of two answers at least. */
  bytesPerS(nowMs) {
    const [first, ...others] = this.#lately(nowMs);
    return (1000 * sum(others, "bytes")) / Math.max(others.at(-1).receivedAtMs - first.receivedAtMs, 1);
  }

  /** How many frames a second the source brings and the server has time for. */
  usefulFps(nowMs) {
    const busyMs = median(this.#lately(nowMs).map((answer) => answer.busyMs));
    return Math.min(this.#offersLately(nowMs).length, 1000 / Math.max(busyMs, 1));
  }

  /** Of the pictures, those for which there was no room. */
  refusedShare(nowMs) {
    const offers = this.#offersLately(nowMs);
    return offers.filter(({ isTaken }) => !isTaken).length / Math.max(offers.length, 1);
  }

  #noteTransit(atMs, transitMs) {
    while (this.#quickest.length > 0 && this.#quickest.at(-1).transitMs >= transitMs) this.#quickest.pop();
    this.#quickest.push({ atMs, transitMs });
    forget(this.#quickest, atMs - QUICKEST_OF_MS);
  }

  /** Those within, and two at least, if there are two. */
  #lately(nowMs, withinMs = LATELY_MS) {
    const within = this.#answers.findIndex(({ atMs }) => atMs >= nowMs - withinMs);
    return this.#answers.slice(Math.max(0, Math.min(within < 0 ? Infinity : within, this.#answers.length - 2)));
  }

  #offersLately(nowMs) {
    return this.#offers.filter(({ atMs }) => atMs > nowMs - LATELY_MS);
  }
}

function forget(kept, beforeMs) {
  while (kept.length > 0 && kept[0].atMs < beforeMs) kept.shift();
}

function sum(items, name) {
  return items.reduce((total, item) => total + item[name], 0);
}

/** The lower one of two in the middle: late frames prove less than early ones. */
function median(values) {
  return values.toSorted((a, b) => a - b)[Math.ceil(values.length / 2) - 1] ?? 0;
}

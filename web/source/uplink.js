// How good and how large the camera's JPEGs are: as the way to the server carries them. Pure: times come in.
//
// Down at once, to what the measured rate carries; up one rung at a time, after the way was free for a while, and back
// where that fails. Each failure of a rung doubles the wait before it is tried again; a way that became shorter is another link and ends all
// waits. Where the server is what is slow, smaller pictures would help nobody. Whoever sends a frame also lays it over
// the depth that comes back (`compact`), so even the last rung has to be worth looking at.
import { UplinkMeter } from "./uplink_meter.js";

/** quality: as toBlob takes it; size: share of the long side that the model takes. Best first. */
export const RUNGS = [
  { quality: 0.8, size: 1 },
  { quality: 0.65, size: 1 },
  { quality: 0.5, size: 1 },
  { quality: 0.5, size: 0.75 },
  { quality: 0.4, size: 0.5 },
];
/** What a person can decide, by the names that choices.js gives it. */
export const QUALITIES = { high: 0.8, medium: 0.65, low: 0.5 };
export const SIZES = { full: 1, "three-quarters": 0.75, half: 0.5 };

export const LOOK_MS = 1000; // before anything is decided
export const CALM_MS = 2000; // of a free way, before a better rung is tried
const TOO_LONG_MS = 60; // a queue
const FREE_MS = 25;
const MOST = 0.5; // of the source's pictures
const WANTED_FPS = 24; // more is not worth a poorer picture
const SHARE = 0.8; // of what the way carries is planned with
const FIRST_WAIT_MS = 4000;
const LAST_WAIT_MS = 60_000;
const HELD_MS = 30_000; // a rung that held for so long has not failed
const SETTLED_MS = 3000;
const ANOTHER_LINK = 0.7; // of the way there and back, and by NOISE_MS at least
const NOISE_MS = 10;

export class Uplink {
  #meter = new UplinkMeter();
  #pinned = {};
  #rungs = RUNGS;
  #index = 0;
  #reason = "";
  #changedAtMs = -Infinity;
  #cameFrom = null; // the rung below, while this one is a try
  #bytes = new Map(); // of a frame, by rung
  #failures = new Map(); // rung → {atMs, waitMs}
  #wayAfterFailureMs = null;

  /** {quality, size, reason: a clause for people, empty to begin with, pinned: names of what a person decided}. */
  get choice() {
    return { ...this.#rungs[this.#index], reason: this.#reason, pinned: Object.keys(this.#pinned) };
  }

  /** quality, size: what a person decided, undefined: as the link carries. Begins with the best of what is left. */
  pin({ quality, size }, nowMs) {
    this.#pinned = Object.fromEntries(Object.entries({ quality, size }).filter(([, value]) => value !== undefined));
    this.#rungs = distinct(RUNGS.map((rung) => ({ ...rung, ...this.#pinned })));
    this.#bytes.clear();
    this.#failures.clear();
    this.#change(0, this.#rungs.length === 1 ? "as you chose" : "", nowMs);
  }

  /** The source brought a picture; isTaken: there was room for it among the frames in flight. */
  offered(nowMs, isTaken) {
    this.#meter.offered(nowMs, isTaken);
  }

  /** answer: as connection.js tells it. */
  answered(answer) {
    const nowMs = answer.answeredAtMs;
    this.#meter.answered(answer);
    if (this.#meter.spanMs(nowMs) < LOOK_MS) return;
    this.#bytes.set(this.#index, this.#meter.bytesPerFrame(nowMs));
    if (nowMs - this.#changedAtMs > HELD_MS) this.#trust();
    this.#noticeAnotherLink(nowMs);
    if (this.#isTooSlow(nowMs)) this.#stepDown(nowMs);
    else if (this.#isFree(nowMs)) this.#stepUp(nowMs);
  }

  /** The connection is another one: the rung stays, the server's clock may not. */
  reconnected(nowMs) {
    this.#meter.forgetClock(nowMs);
  }

  /** This rung held. */
  #trust() {
    this.#failures.delete(this.#index);
    this.#cameFrom = null;
  }

  #isTooSlow(nowMs) {
    const queueMs = this.#meter.queueMs(nowMs);
    const isFull = this.#meter.refusedShare(nowMs) > MOST && queueMs > this.#meter.serverMs(nowMs);
    return queueMs > (isFull ? FREE_MS : TOO_LONG_MS);
  }

  #isFree(nowMs) {
    return this.#meter.spanMs(nowMs) >= CALM_MS && this.#meter.queueMs(nowMs, CALM_MS) < FREE_MS;
  }

  #stepDown(nowMs) {
    if (this.#index === this.#rungs.length - 1) return;
    const lower = this.#cameFrom ?? this.#fitting(nowMs);
    const waitMs = 2 * (this.#failures.get(this.#index)?.waitMs ?? FIRST_WAIT_MS / 2);
    this.#failures.set(this.#index, { atMs: nowMs, waitMs: Math.min(waitMs, LAST_WAIT_MS) });
    this.#wayAfterFailureMs = null;
    this.#change(lower, `the uplink queued ${Math.round(this.#meter.queueMs(nowMs) / 10) * 10} ms`, nowMs);
  }

  /** The best rung below that the measured rate carries, else the last one. */
  #fitting(nowMs) {
    const fps = Math.min(WANTED_FPS, this.#meter.usefulFps(nowMs));
    const carriedBytes = (SHARE * this.#meter.bytesPerS(nowMs)) / fps; // of a frame
    const found = this.#rungs.findIndex((_, index) => index > this.#index && this.#bytesAt(index) <= carriedBytes);
    return found < 0 ? this.#rungs.length - 1 : found;
  }

  #stepUp(nowMs) {
    const failure = this.#failures.get(this.#index - 1);
    if (this.#index === 0 || (failure !== undefined && nowMs < failure.atMs + failure.waitMs)) return;
    const cameFrom = this.#index;
    this.#change(cameFrom - 1, "the uplink carries it", nowMs);
    this.#cameFrom = cameFrom;
  }

  /** Much the same frames are answered sooner: what failed on the old link need not fail on this one. */
  #noticeAnotherLink(nowMs) {
    if (this.#failures.size === 0 || nowMs - this.#changedAtMs < SETTLED_MS) return;
    const wayMs = this.#meter.wayMs(nowMs);
    this.#wayAfterFailureMs ??= wayMs;
    if (wayMs > ANOTHER_LINK * this.#wayAfterFailureMs || wayMs > this.#wayAfterFailureMs - NOISE_MS) return;
    this.#failures.clear();
    this.#wayAfterFailureMs = null;
  }

  #bytesAt(index) {
    const weight = (at) => this.#rungs[at].quality * this.#rungs[at].size ** 2;
    return this.#bytes.get(index) ?? (this.#bytes.get(this.#index) * weight(index)) / weight(this.#index);
  }

  #change(index, reason, nowMs) {
    this.#index = index;
    this.#reason = reason;
    this.#changedAtMs = nowMs;
    this.#cameFrom = null;
    this.#meter.beginAnew(nowMs);
  }
}

function distinct(rungs) {
  const isSame = (a, b) => a.quality === b.quality && a.size === b.size;
  return rungs.filter((rung, i) => i === 0 || !isSame(rung, rungs[i - 1]));
}

// Notices that a stream that should move stands still, and says where it hangs. Pure: the clock comes from outside.

const STALLED_AFTER_MS = 2000;
const SAY_AFTER_MS = 5000;
const USUAL_TIMES = 2; // a slow model's own pace is no stall
const LONGEST_USUAL_MS = 15_000; // the pause before was a stall itself

export const STALL = {
  source: "The source has brought no picture for 5 seconds. Is the camera in use elsewhere, or the video paused?",
  server: "No result has come for 5 seconds: the server is busy, or its model is slow. The page goes on by itself.",
  watched: "No frame has come for 5 seconds from the camera that this page watches. The page goes on by itself.",
};

/**
 * Whether results should be coming. connection: its state; status: the engine's newest `status`, or null; hasSource: a
 * picture is sent, or another's camera is watched. A hidden page sends nothing; of the engine the chip tells.
 */
export function expectsResults({ connection, status, hasSource, isHidden }) {
  const isServed = !["failed", "restarting"].includes(status?.state);
  return connection === "open" && hasSource && isServed && !isHidden;
}

/** When a number last changed, and how long it had stood before. */
class LastChange {
  usualMs = 0;
  #value;
  #at;

  note(value, nowMs) {
    if (value !== this.#value) {
      this.usualMs = Math.min(nowMs - (this.#at ?? nowMs), LONGEST_USUAL_MS);
      [this.#value, this.#at] = [value, nowMs];
    }
    return nowMs - this.#at;
  }
}

export class StallWatch {
  #results = new LastChange();
  #pictures = new LastChange();
  #expectsSince = null; // ms

  /**
   * To be called every now and then. expects: results should be coming; isWatching: another page's camera;
   * framesSeen: pictures that the source brought; received: results that came. → {isStalled, sentence or ""}
   */
  look(nowMs, { expects, isWatching, framesSeen, received }) {
    const sinceResult = this.#results.note(received, nowMs);
    const sincePicture = this.#pictures.note(framesSeen, nowMs);
    if (!expects) this.#expectsSince = null;
    else this.#expectsSince ??= nowMs;
    const waited = expects ? nowMs - this.#expectsSince : 0;
    const quietMs = Math.min(sinceResult, waited);
    const patienceMs = USUAL_TIMES * this.#results.usualMs;
    if (quietMs < Math.max(STALLED_AFTER_MS, patienceMs)) return { isStalled: false, sentence: "" };
    if (quietMs < Math.max(SAY_AFTER_MS, patienceMs)) return { isStalled: true, sentence: "" };
    if (isWatching) return { isStalled: true, sentence: STALL.watched };
    return { isStalled: true, sentence: sincePicture >= SAY_AFTER_MS ? STALL.source : STALL.server };
  }
}

// When to come back to a server that is lost, for both pages. Pure: clock and chance come from outside.

const FIRST_MS = 1000;
const LAST_MS = 16_000;
export const HEALTHY_MS = 5000; // served for less the server is not well yet, and the waits go on growing

export class Retries {
  #attempt = 0; // 0: the first after a healthy session
  #servedSince = null; // ms

  /** The server serves us. */
  served(nowMs) {
    this.#servedSince ??= nowMs;
  }

  /**
   * It does no more → ms until the next attempt, not before `leastMs`. Full jitter on top, of `random` in [0, 1): pages
   * that lost the same server do not come back in the same moment.
   */
  lost(nowMs, leastMs, random) {
    if (this.#servedSince !== null && nowMs - this.#servedSince >= HEALTHY_MS) this.#attempt = 0;
    this.#servedSince = null;
    const ceilingMs = Math.min(FIRST_MS * 2 ** this.#attempt, LAST_MS);
    this.#attempt += 1;
    return leastMs + random * ceilingMs;
  }
}

// Which picture is asked for, and when: one at a time, the newest wish, nothing at all while nothing changes. Knows no
// DOM; fetch, clock and timer come from outside.
import { isAtTheDoor, sentenceIn } from "./loss.js";
import { nextDivisor, SETTLED_MS } from "./planner.js";

const RETRY_MS = 500;
const LEAST_POLL_MS = 200;
const SUPERSEDED = 409;
// Asking again would be answered the same.
const isOwnFault = (status) => status >= 400 && status < 500 && !isAtTheDoor(status);

export class PictureLoop {
  lastMs = null; // of the newest picture, from the request to the screen
  shownUrl = null; // where it came from

  #options;
  #isDirty = false;
  #isHeld = false; // a finger or a button is down
  #touchedAt = -Infinity;
  #divisor = 2; // of moving pictures
  #isSharp = false; // what is on the screen, or under way
  #request = null; // {controller, isSharp} in flight
  #timer = null; // of whatever comes next without a touch
  #revision = undefined;
  #isLost = false; // the last answer about the scene did not come
  #isHidden = false;
  #overdue = []; // callbacks, while hidden

  /**
   * fetch(url, {signal}) as in browsers; now() → milliseconds; schedule(callback, ms) → id, cancel(id);
   * urlOf(divisor or null): of the picture that is wanted now; show(blob) → promise: it is on the screen;
   * on: {info(info), pushed(info): the server sends pictures by itself, so this loop ends; shown(), failed(sentence),
   *      recovered()}.
   */
  constructor(options) {
    this.#options = options;
  }

  /** Facts about the scene first; then the first picture, and polls where it is live. */
  async start() {
    const info = await this.#askInfo();
    if (info === null) {
      this.#later(() => this.start(), RETRY_MS);
      return;
    }
    if (info.socket !== undefined) {
      this.#options.on.pushed(info);
      return;
    }
    this.change();
    if (info.live) this.#pollIn(info.poll_info_ms);
  }

  /** Something else is wanted: another mode, another size. Sharp at once. */
  change() {
    this.#isDirty = true;
    this.#isSharp = false;
    this.#pump();
  }

  /** The view was touched. */
  touch() {
    this.#touchedAt = this.#options.now();
    if (this.#request?.isSharp) this.#request.controller.abort();
    this.change();
  }

  hold(isHeld) {
    this.#isHeld = isHeld;
    if (!isHeld) this.#rest();
  }

  /** Nobody looks: what falls due meanwhile waits until somebody does. */
  hide(isHidden) {
    this.#isHidden = isHidden;
    if (isHidden) return;
    for (const callback of this.#overdue.splice(0)) callback();
  }

  #later(callback, ms) {
    return this.#options.schedule(() => (this.#isHidden ? this.#overdue.push(callback) : callback()), ms);
  }

  get #isMoving() {
    return this.#isHeld || this.#options.now() - this.#touchedAt < SETTLED_MS;
  }

  #pump() {
    if (this.#request !== null || !this.#isDirty) return;
    this.#isDirty = false;
    this.#ask(this.#isMoving ? this.#divisor : null);
  }

  async #ask(divisor) {
    const { fetch, now, urlOf, show, on } = this.#options;
    const [url, begunAt] = [urlOf(divisor), now()];
    const request = { controller: new AbortController(), isSharp: divisor === null };
    this.#clearTimer();
    this.#request = request;
    this.#isSharp = request.isSharp;
    let retriesInMs = null;
    try {
      const response = await fetch(url, { signal: request.controller.signal });
      if (response.ok) {
        await show(await response.blob());
        this.#shown(url, divisor, now() - begunAt);
      } else if (response.status === SUPERSEDED) {
        retriesInMs = RETRY_MS;
      } else {
        on.failed(await sentenceIn(response));
        retriesInMs = isOwnFault(response.status) ? null : RETRY_MS;
      }
    } catch (error) {
      // Aborted for a newer wish: that one is already dirty.
      if (!request.controller.signal.aborted) {
        on.failed(`The server does not answer (${error.message}). Trying again.`);
        retriesInMs = RETRY_MS;
      }
    } finally {
      this.#request = null;
    }
    if (retriesInMs === null) this.#goOn();
    else this.#retryIn(retriesInMs);
  }

  #shown(url, divisor, ms) {
    [this.shownUrl, this.lastMs] = [url, ms];
    if (divisor !== null) this.#divisor = nextDivisor(divisor, ms);
    this.#options.on.recovered();
    this.#options.on.shown();
  }

  #goOn() {
    this.#pump();
    this.#rest();
  }

  #retryIn(ms) {
    this.#clearTimer();
    this.#timer = this.#later(() => this.change(), ms);
  }

  /** After the last coarse picture a sharp one, when the view has rested. */
  #rest() {
    if (this.#isSharp || this.#isHeld || this.#request !== null) return;
    this.#clearTimer();
    const restsInMs = Math.max(0, this.#touchedAt + SETTLED_MS - this.#options.now());
    this.#timer = this.#options.schedule(() => (this.#isMoving ? this.#rest() : this.change()), restsInMs);
  }

  #clearTimer() {
    if (this.#timer !== null) this.#options.cancel(this.#timer);
    this.#timer = null;
  }

  #pollIn(ms = 0) {
    this.#later(() => this.#poll(ms), Math.max(LEAST_POLL_MS, ms));
  }

  async #poll(ms) {
    const [before, wasLost] = [this.#revision, this.#isLost];
    const info = await this.#askInfo();
    if (info !== null && (info.revision !== before || wasLost)) this.change();
    this.#pollIn(ms);
  }

  /** null: it could not be had, and the page says why. */
  async #askInfo() {
    const { fetch, on } = this.#options;
    this.#isLost = true;
    try {
      const response = await fetch("./info", {});
      if (!response.ok) {
        on.failed(await sentenceIn(response));
        return null;
      }
      const info = await response.json();
      this.#revision = info.revision;
      this.#isLost = false;
      on.info(info);
      return info;
    } catch (error) {
      on.failed(`The server does not answer (${error.message}). Trying again.`);
      return null;
    }
  }
}

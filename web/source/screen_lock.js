// Keeps the screen on while this page is the camera: a phone that goes to sleep takes its camera along.

export class ScreenLock {
  #wakeLock;
  #isWanted = false;
  #lock = null;

  /** wakeLock: the navigator's, undefined where the browser has none or the page is not secure. */
  constructor(wakeLock) {
    this.#wakeLock = wakeLock;
  }

  /** To be called when the wish changes, and when the page comes back into view: hidden, a page loses its lock. */
  async want(isWanted) {
    this.#isWanted = isWanted;
    if (!isWanted) this.#letGo();
    else if (this.#lock === null || this.#lock.released) await this.#take();
  }

  async #take() {
    try {
      const lock = await this.#wakeLock?.request("screen");
      if (lock === undefined) return;
      this.#letGo(); // of one that came meanwhile
      this.#lock = lock;
      if (!this.#isWanted) this.#letGo();
    } catch {
      // a page out of view, or a battery that is low: the screen sleeps as it would without us
    }
  }

  #letGo() {
    this.#lock?.release();
    this.#lock = null;
  }
}

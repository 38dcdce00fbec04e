// How sharp a view at rest may be while its scene lives: as sharp as the server and the way keep up with. Pure numbers.

const KEEPS_UP_MS = 125; // for a picture: drawing and sending
const SHARPER_COSTS = 4; // times the pixels of the next coarser
const SLOW_IN_A_ROW = 2; // one may have waited for something else
const QUICK_IN_A_ROW = 4;
const DIVISORS = [null, 2, 4]; // from sharp to coarse, as planner.plan has them

export class Pace {
  #step = 0;
  #slow = 0;
  #quick = 0;

  /** What the sides are divided by; null: nothing. */
  get divisor() {
    return DIVISORS[this.#step];
  }

  /** A picture of this divisor took `ms`. */
  took(ms) {
    this.#slow = ms > KEEPS_UP_MS ? this.#slow + 1 : 0;
    this.#quick = ms < KEEPS_UP_MS / SHARPER_COSTS ? this.#quick + 1 : 0;
    if (this.#slow === SLOW_IN_A_ROW) this.#go(Math.min(this.#step + 1, DIVISORS.length - 1));
    else if (this.#quick === QUICK_IN_A_ROW) this.#go(Math.max(this.#step - 1, 0));
  }

  /** Nothing moves: the next picture has all the time. */
  rest() {
    this.#go(0);
  }

  #go(step) {
    this.#step = step;
    this.#slow = this.#quick = 0;
  }
}

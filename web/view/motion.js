// How the eye moves by itself: a pure function of the time that the loop tells. No camera and no clock here.

const ORBIT_PERIOD_S = 40;
const SWING_RAD = (35 * Math.PI) / 180;
const PARALLAX_PERIOD_S = 6;
const PARALLAX_RAD = 0.03; // seen from the pivot: so many parts of its distance
const PAUSE_MS = 3000; // after the person moved the view
const LONGEST_STEP_MS = 250; // a tab that was hidden goes on where it stopped

/** How far the orbit goes: what one camera saw has no back side, a trained scene has. */
export const ORBITS = ["swing", "turn"];
export const MOTIONS = ["still", "orbit", "parallax"];

/** Seconds → how far the eye is turned about the pivot, in radians. Every path begins at zero. */
const PATHS = {
  swing: (s) => ({ azimuth: SWING_RAD * wave(s, ORBIT_PERIOD_S), elevation: 0 }),
  turn: (s) => ({ azimuth: (2 * Math.PI * s) / ORBIT_PERIOD_S, elevation: 0 }),
  parallax: (s) => ({
    azimuth: PARALLAX_RAD * wave(s, PARALLAX_PERIOD_S),
    elevation: (PARALLAX_RAD / 2) * wave(s, PARALLAX_PERIOD_S / 2), // a lying eight
  }),
};

function wave(seconds, period) {
  return Math.sin((2 * Math.PI * seconds) / period);
}

export class Motion {
  #kind = "still";
  #orbit = "swing";
  #isHeld = false; // by a finger or a button
  #pauseMs = 0; // that is left
  #movedMs = 0; // since the path began
  #lastMs = null;

  get kind() {
    return this.#kind;
  }

  set kind(kind) {
    if (!MOTIONS.includes(kind)) throw new Error(`motion: ${kind} is none of ${MOTIONS}`);
    this.#kind = kind;
    this.#pauseMs = 0;
    this.restart();
  }

  get orbit() {
    return this.#orbit;
  }

  set orbit(orbit) {
    if (!ORBITS.includes(orbit)) throw new Error(`orbit: ${orbit} is none of ${ORBITS}`);
    this.#orbit = orbit;
    this.restart();
  }

  /** The person takes the view: nothing moves until three seconds after release(). */
  hold() {
    this.#isHeld = true;
    this.restart();
  }

  release() {
    this.#isHeld = false;
    this.#pauseMs = PAUSE_MS;
    this.restart();
  }

  /** The eye stands elsewhere now: the path begins there. */
  restart() {
    this.#movedMs = 0;
  }

  /** To be called at every tick. {azimuth, elevation} from where the person left the eye; null where nothing moves. */
  offsetAt(nowMs) {
    const stepMs = Math.min(Math.max(nowMs - (this.#lastMs ?? nowMs), 0), LONGEST_STEP_MS);
    this.#lastMs = nowMs;
    if (this.#kind === "still" || this.#isHeld) return null;
    this.#pauseMs = Math.max(this.#pauseMs - stepMs, 0);
    if (this.#pauseMs > 0) return null;
    this.#movedMs += stepMs;
    return PATHS[this.#kind === "orbit" ? this.#orbit : this.#kind](this.#movedMs / 1000);
  }
}

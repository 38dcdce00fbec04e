// Where a player is, as a pure function of time: a step, and for how long it has been shown. No timer here.

/** A hidden page, or one that was busy: what nobody saw is not passed over. */
export const LONGEST_TICK_MS = 1000;

/**
 * `elapsedMs` of the wall clock later → {step, shownMs, isHeld: the next step's time is not known yet, isAtEnd}.
 *
 * position: {step, shownMs: how long it is on the screen already, in the recording's own time};
 * track: {numSteps, durationMs(step) → how long it is shown, undefined while that is not known}.
 */
export function advance({ step, shownMs }, elapsedMs, speed, { numSteps, durationMs }) {
  let left = shownMs + Math.min(Math.max(elapsedMs, 0), LONGEST_TICK_MS) * speed;
  for (let at = step; ; at += 1) {
    const lasts = durationMs(at);
    if (lasts === undefined) return { step: at, shownMs: 0, isHeld: true, isAtEnd: false };
    if (left < lasts) return { step: at, shownMs: left, isHeld: false, isAtEnd: false };
    if (at >= numSteps - 1) return { step: at, shownMs: lasts, isHeld: false, isAtEnd: true };
    left -= lasts;
  }
}

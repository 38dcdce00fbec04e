// How fast a recording can be played.
export const SPEEDS = [0.25, 0.5, 1, 1.5, 2, 4];

export function nearestSpeed(wanted) {
  return SPEEDS.reduce((best, speed) => (Math.abs(speed - wanted) < Math.abs(best - wanted) ? speed : best));
}

/** The next of them, slower (-1) or faster (1). */
export function nextSpeed(speed, direction) {
  const at = SPEEDS.indexOf(nearestSpeed(speed)) + direction;
  return SPEEDS[Math.min(Math.max(at, 0), SPEEDS.length - 1)];
}

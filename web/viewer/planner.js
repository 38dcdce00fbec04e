// How large and how good the next picture is to be: coarse while the view moves, sharp when it rests. Pure numbers.

export const SETTLED_MS = 250; // without a touch: the view rests
const [MOVING_QUALITY, SHARP_QUALITY] = [70, 90];
const SLOW_MS = 80;
const MOST_PIXELS_PER_PX = 2; // of the screen's own: more nobody sees
const LEAST_SIDE = 16;
const HEAVY_SCALE = 0.5;
const [LEAST_SCALE, LEAST_CHOSEN_SCALE, SCALE_STEP] = [0.1, 0.25, 0.25];
const DEFAULT_MAX_PIXELS = 1920 * 1088;

/** The largest share of the screen's resolution, as the server asks for it. */
export function maxScaleOf({ max_scale: asked = 1, heavy = false }) {
  const scale = Math.min(Math.max(asked, LEAST_SCALE), 1);
  return heavy ? Math.min(scale, HEAVY_SCALE) : scale;
}

/** By the keys [ and ]: direction -1 or 1. */
export function steppedScale(scale, direction) {
  return Math.min(Math.max(scale + direction * SCALE_STEP, LEAST_CHOSEN_SCALE), 1);
}

/**
 * What a moving picture's sides are divided by, after one that took `ms`. A quarter has a fourth of the pixels of a
 * half: it goes back only where a half would be quick too, or it would go to and fro.
 */
export function nextDivisor(divisor, ms) {
  if (divisor === 2) return ms > SLOW_MS ? 4 : 2;
  return ms < SLOW_MS / 4 ? 2 : 4;
}

/** {width, height, quality}. screen: {width, height, pixelRatio}; divisor: null where the view rests. */
export function plan(screen, maxScale, divisor, maxPixels = DEFAULT_MAX_PIXELS) {
  const ratio = Math.min(screen.pixelRatio, MOST_PIXELS_PER_PX) * (maxScale / (divisor ?? 1));
  const pixels = screen.width * screen.height * ratio ** 2;
  const fitting = ratio * Math.min(1, Math.sqrt(maxPixels / pixels));
  // Floor: rounded up, both sides together could be a row more than the server draws.
  const side = (length) => Math.max(LEAST_SIDE, Math.floor(length * fitting));
  return {
    width: side(screen.width),
    height: side(screen.height),
    quality: divisor === null ? SHARP_QUALITY : MOVING_QUALITY,
  };
}

/** The query of /render. */
export function queryOf(place, fov, { width, height, quality }, mode, client) {
  const [tx, ty, tz] = place.target;
  const numbers = { theta: place.theta, phi: place.phi, radius: place.radius, tx, ty, tz };
  const short = Object.entries(numbers).map(([name, value]) => [name, String(Number(value.toPrecision(7)))]);
  const rest = { fov, w: width, h: height, q: quality, mode, up: place.up, client };
  return new URLSearchParams([...short, ...Object.entries(rest)]).toString();
}

// Where to stand, how wide to look and how large a point is, so that the view shows what it should. Pure numbers.

const FALLBACK_DEPTH = 2;
const SAMPLES = 1001;
const OUTLIERS = 0.01; // at each end of each axis: a trained scene has splats far out
const NEAREST = 0.1; // to what lies in one point
const OVERLAP = 1.25; // a little more than its pixel, so that no background shines through between neighbours

/**
 * Vertical field of view in radians for a view of `aspect` (width / height) that holds the whole picture.
 * grid: [height, width] in pixels; intrinsics: [fx, fy, cx, cy] of that grid.
 */
export function verticalFieldOfView(grid, intrinsics, aspect) {
  const [height, width] = grid;
  const [fx, fy] = intrinsics;
  const tangent = Math.max(height / 2 / fy, width / 2 / fx / aspect);
  return 2 * Math.atan(tangent);
}

/** Side of a point in units of its depth: neighbours of the grid touch, also where only every n-th was sent. */
export function tangentPerPoint({ grid, intrinsics, num_points: count }) {
  const [height, width] = grid;
  const stride = Math.max(1, Math.round(Math.sqrt((height * width) / Math.max(count, 1))));
  return (OVERLAP * stride) / Math.min(intrinsics[0], intrinsics[1]);
}

/** How far `count` points lie apart that fill the surface of a box: as large as such a point should be. */
export function spacingOf(bounds, count) {
  if (bounds === undefined) return 0;
  const [x, y, z] = bounds.maximum.map((value, axis) => value - bounds.minimum[axis]);
  return OVERLAP * Math.sqrt((2 * (x * y + y * z + z * x)) / Math.max(count, 1));
}

/**
 * The depth to turn about: a quarter of depthAt(0) … depthAt(count - 1) is nearer, from about a thousand of them.
 * In front of a webcam that is the person; the median would be the wall behind.
 */
export function pivotDepth(count, depthAt) {
  const step = Math.max(1, Math.floor(count / SAMPLES));
  const depths = [];
  for (let i = 0; i < count; i += step) depths.push(depthAt(i));
  const usable = depths.filter((depth) => depth > 0 && Number.isFinite(depth)).sort((a, b) => a - b);
  return usable[usable.length >> 2] ?? FALLBACK_DEPTH;
}

/** The box {minimum, maximum} of centerAt(0) … centerAt(count - 1): of about a thousand of them, without outliers. */
export function boundsOf(count, centerAt) {
  const step = Math.max(1, Math.floor(count / SAMPLES));
  const centers = [];
  for (let i = 0; i < count; i += step) centers.push(centerAt(i));
  const usable = centers.filter((center) => center.every(Number.isFinite));
  const [minimum, maximum] = [[], []];
  for (let axis = 0; axis < 3; axis += 1) {
    const sorted = usable.map((center) => center[axis]).sort((a, b) => a - b);
    const cut = Math.floor(OUTLIERS * sorted.length);
    minimum.push(sorted[cut] ?? 0);
    maximum.push(sorted[sorted.length - 1 - cut] ?? 0);
  }
  return { minimum, maximum };
}

/**
 * How far from the middle of a box to stand, so that the view just holds all of it.
 * corners: [right, up, forward] of each, from the middle and in the view's own axes; tangents: of half the view's
 * width and height.
 */
export function distanceToHold(corners, [tangentX, tangentY]) {
  const distances = corners.map(
    ([right, up, forward]) => Math.max(Math.abs(right) / tangentX, Math.abs(up) / tangentY) - forward,
  );
  return Math.max(NEAREST, ...distances);
}

/** The eight corners of a box {minimum, maximum}. */
export function cornersOf({ minimum, maximum }) {
  const corners = [];
  for (const x of [minimum[0], maximum[0]])
    for (const y of [minimum[1], maximum[1]]) for (const z of [minimum[2], maximum[2]]) corners.push([x, y, z]);
  return corners;
}

// Where to stand and how wide to look, so that the first frame fills the view as the camera saw it. Pure numbers.

const FALLBACK_DEPTH = 2;
const SAMPLES = 1001;

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

// What a `compact` message has to be, beyond the types of its fields. Pure, and without imports that have no address:
// a worker knows no import map.

export const SHAPE_PLANES = 9; // of a byte for each splat
const MAX_PIXELS = 1 << 22; // of the grid: what a depth model gives is a tenth of that
const DEPTH_BITS = [10, 12];
const FAR_AWAY = 1e30; // metres; and 1 / FAR_AWAY the nearest. Well inside float32, squares and all
const isCount = (value) => Number.isSafeInteger(value) && value >= 0;
const isDepth = (value) => value >= 1 / FAR_AWAY && value <= FAR_AWAY;

/** A message that is not what the format says. */
export class CompactError extends Error {}

export function demand(condition, what) {
  if (!condition) throw new CompactError(what);
}

/** Bytes of the planes of checked fields once they are inflated, where there are such planes. */
export function planeSizes({ window: [, , rows, columns], num_splats }) {
  const pixels = rows * columns;
  return { depth: 2 * pixels, mask: Math.ceil(pixels / 8), shape: SHAPE_PLANES * num_splats };
}

/** Throws CompactError unless the fields fit each other. What the planes hold is checked as they are read. */
export function checkFields({ grid, window, stride, near, far, depth_bits, opacity, intrinsics, num_splats, mask }) {
  const [height, width] = checkedCounts(grid, 2, "grid");
  const [row0, column0, rows, columns] = checkedCounts(window, 4, "window");
  demand(height * width <= MAX_PIXELS, "the grid is too large");
  demand(isCount(stride) && stride >= 1, "stride is no count");
  demand(reaches(row0, rows, stride) <= height, "the window has rows outside the grid");
  demand(reaches(column0, columns, stride) <= width, "the window has columns outside the grid");
  demand(isDepth(near) && isDepth(far) && near < far, "near and far are no range of depths");
  demand(DEPTH_BITS.includes(depth_bits), "depth_bits is neither 10 nor 12");
  demand(opacity >= 0 && opacity <= 1, "opacity is not within 0 and 1");
  checkIntrinsics(intrinsics);
  demand(isCount(num_splats) && num_splats <= rows * columns, "more splats than pixels");
  demand(mask !== undefined || num_splats === rows * columns, "without a mask every pixel is a splat");
}

function checkedCounts(values, length, name) {
  demand(Array.isArray(values) && values.length === length && values.every(isCount), `${name} holds no counts`);
  return values;
}

/** Where the last pixel of a side ends; 0 where there is none. */
function reaches(first, count, stride) {
  return count === 0 ? 0 : first + (count - 1) * stride + 1;
}

function checkIntrinsics(intrinsics) {
  demand(Array.isArray(intrinsics) && intrinsics.length === 4, "intrinsics are not four numbers");
  demand(intrinsics.every(Number.isFinite), "intrinsics are not finite");
  demand(intrinsics[0] > 0 && intrinsics[1] > 0, "a focal length is not positive");
}

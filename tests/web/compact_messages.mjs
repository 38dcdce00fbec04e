// `compact` messages made by hand: a small encoder, and what has to come out in plain arithmetic.
import { deflateRawSync, inflateRawSync } from "node:zlib";

export const CAMERA = { fx: 20, fy: 20, cx: 12, cy: 9 };

/**
 * depthAt(column, row) in pixels of the grid, keeps(column, row) of the window, shapeOf(n) of a splat: its nine bytes, for
 * level C → {fields, planes, pixels, steps}: the message without its picture, its planes inflated, colours by pixel.
 */
export function encode({
  grid = [18, 24], window = [0, 0, ...grid], stride = 1, depth_bits = 10, depthAt = () => 2, keeps, shapeOf,
  camera = CAMERA, opacity = 0.95,
}) {
  const [row0, column0, rows, columns] = window;
  const depths = [];
  for (let r = 0; r < rows; r += 1)
    for (let c = 0; c < columns; c += 1) depths.push(depthAt(column0 + c * stride, row0 + r * stride));
  const near = Math.min(...depths, 1e6);
  const far = Math.max(near * 1.001, ...depths);
  const last = 2 ** depth_bits - 1;
  const steps = depths.map((depth) => Math.round((last * Math.log(depth / near)) / Math.log(far / near)));
  const kept = depths.map((_, i) => (keeps === undefined ? true : keeps(i % columns, Math.floor(i / columns))));
  const count = kept.filter(Boolean).length;
  const planes = {
    depth: depthPlane(steps, columns),
    mask: keeps === undefined ? undefined : maskPlane(kept),
    shape: shapeOf === undefined ? undefined : shapePlanes(Array.from({ length: count }, (_, n) => shapeOf(n))),
  };
  const fields = {
    grid, window, stride, near, far, depth_bits, opacity,
    intrinsics: [camera.fx, camera.fy, camera.cx, camera.cy],
    num_splats: count, ...deflated(planes),
  };
  return { fields, planes, pixels: colours(rows, columns), steps, kept };
}

function depthPlane(steps, columns) {
  const zigzags = steps.map((step, i) => {
    const before = i % columns > 0 ? steps[i - 1] : (steps[i - columns] ?? 0);
    const difference = step - before;
    return difference >= 0 ? 2 * difference : -2 * difference - 1;
  });
  return Uint8Array.from([...zigzags.map((value) => value & 255), ...zigzags.map((value) => value >> 8)]);
}

function maskPlane(kept) {
  const mask = new Uint8Array(Math.ceil(kept.length / 8));
  kept.forEach((isKept, i) => isKept && (mask[i >> 3] |= 0x80 >> (i & 7)));
  return mask;
}

function shapePlanes(shapes) {
  const planes = Array.from({ length: 9 }, (_, plane) => shapes.map((bytes) => bytes[plane]));
  return Uint8Array.from(planes.flatMap((values) => values.map((value, n) => value - (values[n - 1] ?? 0))));
}

function deflated(planes) {
  const there = Object.entries(planes).filter(([, bytes]) => bytes !== undefined);
  return Object.fromEntries(there.map(([name, bytes]) => [name, new Uint8Array(deflateRawSync(bytes))]));
}

function colours(rows, columns) {
  const bytes = Uint8Array.from({ length: 3 * rows * columns }, (_, i) => (i * 37) & 255);
  return { bytes, columnStep: 3, rowStep: 3 * columns };
}

/** The planes of a message as it came. */
export function planesOf({ depth, mask, shape }) {
  const inflate = (bytes) => bytes && (bytes.length === 0 ? bytes : new Uint8Array(inflateRawSync(bytes)));
  return { depth: inflate(depth), mask: inflate(mask), shape: inflate(shape) };
}

// Where a result's camera was in the stream's world: its `pose`, [w, x, y, z of a unit quaternion, x, y, z of the
// place], undefined where the camera is the world. Pure numbers, OpenCV axes.
import { cornersOf } from "./framing.js";

const HERE = [1, 0, 0, 0, 0, 0, 0];
const MOVED = 1e-3; // of a pose's numbers: less may be rounding

/** Puts what a result holds where its camera saw it: a three object inside the content. */
export function placeAt(object, pose = HERE) {
  const [w, ...rest] = pose;
  object.quaternion.set(...rest.slice(0, 3), w);
  object.position.set(...rest.slice(3));
}

/**
 * Whether another world begins with `pose`, `before` being that of the result before: its first camera stands where it
 * begins, to the bit, which no later one does that has moved.
 */
export function beginsWorld(before, pose) {
  if (before === undefined || pose === undefined) return false;
  const away = (each) => Math.max(...each.map((value, i) => Math.abs(value - HERE[i])));
  return away(pose) === 0 && away(before) > MOVED;
}

/** [x, y, z] from the camera's axes into the world's. */
export function pointInWorld(point, pose) {
  if (pose === undefined) return point;
  const rotation = pose.slice(0, 4);
  const [w, x, y, z] = rotation;
  const turned = product(product(rotation, [0, ...point]), [w, -x, -y, -z]).slice(1);
  return turned.map((value, axis) => value + pose[4 + axis]);
}

/** The orientation of a thing, wxyz. */
export function rotationInWorld(rotation, pose) {
  return pose === undefined ? rotation : product(pose.slice(0, 4), rotation);
}

/** A box of the world's axes around a box {minimum, maximum} of the camera's. */
export function boundsInWorld(bounds, pose) {
  if (pose === undefined || bounds === undefined) return bounds;
  const corners = cornersOf(bounds).map((corner) => pointInWorld(corner, pose));
  const along = (pick) => [0, 1, 2].map((axis) => pick(...corners.map((corner) => corner[axis])));
  return { minimum: along(Math.min), maximum: along(Math.max) };
}

/** Hamilton's, wxyz: first the right turn, then the left. */
function product([a, b, c, d], [w, x, y, z]) {
  return [
    a * w - b * x - c * y - d * z, a * x + b * w + c * z - d * y,
    a * y - b * z + c * w + d * x, a * z + b * y - c * x + d * w,
  ];
}

// Where the view stands: a point on a sphere around a target, as the server's query has it. Pure numbers.
//
// A place is {theta, phi, radius, target: [x, y, z], up: 1 or -1}; every change makes a new one.

const RAD_PER_PX = 0.005;
const RADII_PER_PX = 0.0016;
const LOG_RADIUS_PER_PX = 0.0012;
const STEEPEST_RAD = 1.55; // at the pole itself left and right change sides
const [NEAREST, FARTHEST] = [0.01, 1e4];

const clamp = (value, least, most) => Math.min(Math.max(value, least), most);

/** Where the view begins; info: of the server. */
export function homeOf({ theta = 0, phi = 0, radius = 4, target = [0, 0, 0], up = 1 }) {
  return { theta, phi, radius: clamp(radius, NEAREST, FARTHEST), target: [...target], up: up < 0 ? -1 : 1 };
}

/** The scene turns as if it was taken by the hand: dx to the right, dy down, in pixels. */
export function turned(place, dx, dy) {
  const theta = place.theta - place.up * dx * RAD_PER_PX;
  return { ...place, theta: wrapped(theta), phi: clamp(place.phi + dy * RAD_PER_PX, -STEEPEST_RAD, STEEPEST_RAD) };
}

/** The scene follows the pointer. */
export function moved(place, dx, dy) {
  const { right, up } = axesOf(place);
  const step = place.radius * RADII_PER_PX;
  return { ...place, target: place.target.map((value, i) => value + step * (dy * up[i] - dx * right[i])) };
}

/** dy: as a wheel says it, down goes away. */
export const zoomed = (place, dy) => scaled(place, Math.exp(dy * LOG_RADIUS_PER_PX));

export const scaled = (place, factor) => ({ ...place, radius: clamp(place.radius * factor, NEAREST, FARTHEST) });

/** For a scene that hangs upside down. */
export const flipped = (place) => ({ ...place, up: -place.up });

/** Right and up of the picture, in the world. */
function axesOf({ theta, phi, up }) {
  const [cosTheta, sinTheta, cosPhi, sinPhi] = [Math.cos(theta), Math.sin(theta), Math.cos(phi), Math.sin(phi)];
  return {
    right: [up * cosTheta, 0, -up * sinTheta],
    up: [-sinPhi * sinTheta, up * cosPhi, -sinPhi * cosTheta],
  };
}

/** The server takes no endless numbers, and a circle is enough. */
function wrapped(angle) {
  const turn = 2 * Math.PI;
  return angle - turn * Math.round(angle / turn);
}

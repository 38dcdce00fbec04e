// web/viewer/orbit.js: the scene follows the hand, whichever way is up. The server's formulas, written out once more.
import assert from "node:assert/strict";
import { test } from "node:test";
import { flipped, homeOf, moved, scaled, turned, zoomed } from "../../web/viewer/orbit.js";

const HOMES = [
  { theta: 0, phi: 0, up: 1 }, { theta: Math.PI, phi: 0, up: -1 },
  { theta: 0.7, phi: 0.4, up: 1 }, { theta: -2.5, phi: -1.1, up: -1 },
].map((home) => homeOf({ ...home, radius: 3, target: [1, 2, 3] }));

const minus = (a, b) => a.map((value, i) => value - b[i]);
const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);
const cross = ([a, b, c], [x, y, z]) => [b * z - c * y, c * x - a * z, a * y - b * x];
const unit = (v) => v.map((value) => value / Math.hypot(...v));

function eyeOf({ theta, phi, radius, target, up }) {
  const offset = [Math.cos(phi) * Math.sin(theta), up * Math.sin(phi), Math.cos(phi) * Math.cos(theta)];
  return target.map((value, i) => value + radius * offset[i]);
}

/** Where a point is in the picture: [right, down], in tangents. */
function seen(place, point) {
  const eye = eyeOf(place);
  const forward = unit(minus(place.target, eye));
  const right = unit(cross(forward, [0, place.up, 0]));
  const down = cross(forward, right);
  const ray = minus(point, eye);
  return [dot(ray, right) / dot(ray, forward), dot(ray, down) / dot(ray, forward)];
}

/** The point between the eye and the target, on the near side of what is turned. */
const nearPoint = (place) => place.target.map((value, i) => value + (eyeOf(place)[i] - value) * 0.3);

for (const home of HOMES) {
  const name = `theta ${home.theta.toFixed(1)}, phi ${home.phi}, up ${home.up}`;

  test(`${name}: what is in front follows a drag to the right and a drag down`, () => {
    const point = nearPoint(home);
    const [right, still] = seen(turned(home, 20, 0), point);
    assert.ok(right > 0.01 && Math.abs(still) < right / 5, `${right}, ${still}`);
    const [same, down] = seen(turned(home, 0, 20), point);
    assert.ok(down > 0.01 && Math.abs(same) < 1e-9, `${same}, ${down}`);
  });

  test(`${name}: moving takes the target along with the pointer, and nothing turns`, () => {
    const [right, down] = seen(moved(home, 30, 10), home.target);
    assert.ok(Math.abs(right - 30 * 0.0016) < 1e-9 && Math.abs(down - 10 * 0.0016) < 1e-9, `${right}, ${down}`);
    const { theta, phi, radius } = moved(home, 30, 10);
    assert.deepEqual({ theta, phi, radius }, { theta: home.theta, phi: home.phi, radius: home.radius });
  });
}

test("a drag of one pixel turns by 0.005", () => {
  const home = homeOf({ up: 1 });
  assert.ok(Math.abs(turned(home, 10, 0).theta + 0.05) < 1e-12);
  assert.ok(Math.abs(turned(home, 0, 10).phi - 0.05) < 1e-12);
});

test("the wheel changes the radius by its exponential, between limits", () => {
  const home = homeOf({ radius: 2 });
  assert.ok(Math.abs(zoomed(home, 100).radius - 2 * Math.exp(0.12)) < 1e-12);
  assert.equal(zoomed(home, -1e6).radius, 0.01);
  assert.equal(zoomed(home, 1e6).radius, 1e4);
  assert.equal(scaled(home, 0.5).radius, 1);
  assert.equal(homeOf({ radius: 1e-9 }).radius, 0.01);
});

test("the view never tips over the pole", () => {
  assert.equal(turned(homeOf({}), 0, 1e6).phi, 1.55);
  assert.equal(turned(homeOf({}), 0, -1e6).phi, -1.55);
});

test("however often one turns around, the angle stays within a circle", () => {
  let place = homeOf({});
  for (let i = 0; i < 1000; i += 1) place = turned(place, 100, 0);
  assert.ok(Math.abs(place.theta) <= Math.PI + 1e-9);
});

test("flipping twice is where one was, and no change touches the place it began with", () => {
  const home = Object.freeze({ ...homeOf({ target: [1, 2, 3] }), target: Object.freeze([1, 2, 3]) });
  assert.deepEqual(flipped(flipped(home)), home);
  const changes = [(place) => turned(place, 1, 1), (place) => moved(place, 1, 1), (place) => zoomed(place, 1)];
  for (const change of changes) assert.notEqual(change(home), home);
});

test("home is what the server says, and without its words that of the table", () => {
  assert.deepEqual(homeOf({}), { theta: 0, phi: 0, radius: 4, target: [0, 0, 0], up: 1 });
  assert.equal(homeOf({ up: -1 }).up, -1);
});

// web/view/framing.js: the view holds the whole picture, and turns about what is in it.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  boundsOf, cornersOf, distanceToHold, pivotDepth, tangentPerPoint, verticalFieldOfView,
} from "../../web/view/framing.js";

const degrees = (radians) => (radians * 180) / Math.PI;

test("a view of the picture's own shape looks exactly as wide as the camera", () => {
  const fov = verticalFieldOfView([378, 504], [378 / 2, 378 / 2, 252, 189], 504 / 378);
  assert.ok(Math.abs(degrees(fov) - 90) < 1e-9);
});

test("a wider view keeps the picture's height, a narrower one its width", () => {
  const [grid, intrinsics] = [[100, 200], [100, 100, 100, 50]];
  const height = degrees(2 * Math.atan(0.5));
  assert.ok(Math.abs(degrees(verticalFieldOfView(grid, intrinsics, 4)) - height) < 1e-9);
  const narrow = verticalFieldOfView(grid, intrinsics, 0.5);
  assert.ok(Math.abs(Math.tan(narrow / 2) * 0.5 - 1) < 1e-9); // half the width, at depth 1, is 1
});

test("the view turns about the person in front, not about the wall behind or the splats far out", () => {
  const depths = [...Array.from({ length: 30 }, () => 1), ...Array.from({ length: 60 }, () => 3), ...Array.from({ length: 10 }, () => 1000)];
  assert.equal(pivotDepth(depths.length, (i) => depths[i]), 1);
});

test("depths that are not usable are passed over; without any there is a default", () => {
  assert.equal(pivotDepth(4, (i) => [NaN, 3, -1, Infinity][i]), 3);
  assert.equal(pivotDepth(0, () => 1), 2);
});

test("a large frame is sampled, not sorted as a whole", () => {
  let calls = 0;
  pivotDepth(190_512, () => { calls += 1; return 1; });
  assert.ok(calls < 1100, `${calls} depths read`);
});

test("a box is held with nothing to spare, whichever of its sides is the widest", () => {
  const corners = cornersOf({ minimum: [-2, -1, -3], maximum: [2, 1, 3] });
  assert.equal(distanceToHold(corners, [1, 1]), 2 + 3); // its front face, 3 nearer than the middle
  assert.equal(distanceToHold(corners, [4, 0.25]), 4 + 3);
});

test("a box without extent is looked at from a little way off", () => {
  assert.equal(distanceToHold(cornersOf({ minimum: [5, 5, 5], maximum: [5, 5, 5] }).map(() => [0, 0, 0]), [1, 1]), 0.1);
});

test("the box of a scene leaves out what lies far out, and what is no number", () => {
  const centers = [...Array.from({ length: 998 }, (_, i) => [i / 997, 0, 1]), [1e6, -1e6, 1e6], [NaN, 0, 0]];
  const { minimum, maximum } = boundsOf(centers.length, (i) => centers[i]);
  assert.ok(minimum[0] < 0.02 && maximum[0] > 0.98 && maximum[0] <= 1);
  assert.deepEqual([minimum[1], maximum[1], maximum[2]], [0, 0, 1]);
});

test("points touch their neighbours, also where only every second one was sent", () => {
  const all = { grid: [30, 40], intrinsics: [20, 20, 20, 15], num_points: 1200 };
  assert.ok(tangentPerPoint(all) >= 1 / 20);
  assert.equal(tangentPerPoint({ ...all, num_points: 300 }), 2 * tangentPerPoint(all));
});

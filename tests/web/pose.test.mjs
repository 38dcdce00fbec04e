// web/view/pose.js and what uses it: where a result's camera was, on the screen, in its box and in a saved file.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Object3D, Vector3 } from "../../web/node_modules/three/build/three.module.js";
import { gaussianPlyOf, plyOf } from "../../web/save/ply.js";
import { beginsWorld, boundsInWorld, placeAt, pointInWorld, rotationInWorld } from "../../web/view/pose.js";

const S = Math.SQRT1_2;
const RIGHT = [S, 0, S, 0, 1, 2, 3]; // a quarter about y: what was ahead is at the right
const OBLIQUE = [0.5, -0.1, 0.7, Math.sqrt(1 - 0.25 - 0.01 - 0.49), -1, 0.5, 2];

const close = (actual, expected, tolerance = 1e-6) => {
  assert.equal(actual.length, expected.length);
  actual.forEach((value, i) => assert.ok(Math.abs(value - expected[i]) < tolerance, `${actual} is not ${expected}`));
};

test("a point ahead of a camera that looks to the right lies at the right of where it stands", () => {
  close(pointInWorld([0, 0, 4], RIGHT), [5, 2, 3]);
  close(pointInWorld([1, 0, 0], RIGHT), [1, 2, 2]);
});

test("three moves an object as the numbers say", () => {
  const object = new Object3D();
  placeAt(object, OBLIQUE);
  object.updateMatrix();
  close(new Vector3(1, -2, 3).applyMatrix4(object.matrix).toArray(), pointInWorld([1, -2, 3], OBLIQUE));
});

test("without a pose a thing goes back to where it was", () => {
  const object = new Object3D();
  placeAt(object, OBLIQUE);
  placeAt(object, undefined);
  object.updateMatrix();
  close(new Vector3(1, -2, 3).applyMatrix4(object.matrix).toArray(), [1, -2, 3]);
  assert.deepEqual(pointInWorld([1, -2, 3], undefined), [1, -2, 3]);
  assert.deepEqual(rotationInWorld([S, S, 0, 0], undefined), [S, S, 0, 0]);
});

test("a world begins where a camera that had gone away stands at its beginning", () => {
  const here = [1, -0, 0, 0, 0, 0, 0];
  assert.ok(beginsWorld(RIGHT, here));
  assert.ok(!beginsWorld(here, RIGHT) && !beginsWorld(here, here) && !beginsWorld(RIGHT, RIGHT));
  assert.ok(!beginsWorld(RIGHT, [1, 0, 0, 0, 1e-9, 0, 0]), "nearly there is a camera that came back");
  assert.ok(!beginsWorld(undefined, here) && !beginsWorld(RIGHT, undefined));
});

test("an orientation turns along", () => {
  close(rotationInWorld([1, 0, 0, 0], RIGHT), RIGHT.slice(0, 4));
  close(rotationInWorld([S, 0, S, 0], RIGHT), [0, 0, 1, 0]);
});

test("a box is the one around its moved corners", () => {
  const box = { minimum: [-1, -1, 2], maximum: [1, 1, 4] };
  const { minimum, maximum } = boundsInWorld(box, RIGHT);
  close([...minimum, ...maximum], [3, 1, 2, 5, 3, 4]);
  assert.equal(boundsInWorld(box, undefined), box);
  assert.equal(boundsInWorld(undefined, RIGHT), undefined);
});

// ---------------------------------------------------------------- saved files

const POINTS = {
  type: "pointcloud", num_points: 1, grid: [1, 1], intrinsics: [1, 1, 0.5, 0.5],
  points: new Uint8Array(new Float32Array([0, 0, 4]).buffer), colors: new Uint8Array([255, 0, 0]),
};

function rows(bytes) {
  const header = new TextDecoder("latin1").decode(bytes).split("end_header\n")[0];
  const body = new DataView(bytes.slice(header.length + "end_header\n".length).buffer);
  return (first, count) => Array.from({ length: count }, (_, i) => body.getFloat32(4 * (first + i), true));
}

test("saved points lie in the world", () => {
  close(rows(plyOf({ ...POINTS, pose: RIGHT }))(0, 3), [5, 2, 3]);
});

test("a saved point's Gaussian has the size that it has in front of its camera", () => {
  const [here, there] = [POINTS, { ...POINTS, pose: RIGHT }].map((result) => rows(gaussianPlyOf(result)));
  close(there(0, 3), [5, 2, 3]);
  close(there(7, 3), here(7, 3));
  close(there(10, 4), RIGHT.slice(0, 4));
});

test("saved splats lie in the world and are turned along", () => {
  const result = { type: "splats16", num_splats: 1, data: new Uint8Array(16) };
  const [here, there] = [result, { ...result, pose: RIGHT }].map((each) => rows(gaussianPlyOf(each)));
  close(there(0, 3), pointInWorld(here(0, 3), RIGHT));
  close(there(10, 4), rotationInWorld(here(10, 4), RIGHT));
});

/** One vertex of these properties, whose values are 1, 2, 3 … */
function ply(names) {
  const lines = names.map((name) => `property float ${name}\n`).join("");
  const header = new TextEncoder().encode(`ply\nformat binary_little_endian 1.0\nelement vertex 1\n${lines}end_header\n`);
  const values = new Uint8Array(Float32Array.from(names, (_, i) => i + 1).buffer);
  return { type: "gaussian_ply", num_splats: 1, ply_data: new Uint8Array([...header, ...values]) };
}

test("a PLY that came over the wire is saved in the world, its other numbers as they came", () => {
  const names = ["x", "y", "z", "nx", "opacity", "rot_0", "rot_1", "rot_2", "rot_3"];
  const row = rows(plyOf({ ...ply(names), pose: RIGHT }));
  close(row(0, 3), pointInWorld([1, 2, 3], RIGHT));
  close(row(3, 2), [4, 5]);
  close(row(5, 4), rotationInWorld([6, 7, 8, 9], RIGHT), 1e-5);
});

test("a PLY with harmonics beyond the colour stays in its camera's axes", () => {
  const file = ply(["x", "y", "z", "f_rest_0", "rot_0", "rot_1", "rot_2", "rot_3"]);
  assert.equal(plyOf({ ...file, pose: RIGHT }), file.ply_data);
});

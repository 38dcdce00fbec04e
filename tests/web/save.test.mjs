// web/save: what leaves the page as a file. The rest of it is judged by splatcam's own reader (tests/test_save.py) and
// by Spark (tests/e2e/view.test.mjs).
import assert from "node:assert/strict";
import { test } from "node:test";
import { fileName } from "../../web/save/file_name.js";
import { gaussianPlyOf, plyOf } from "../../web/save/ply.js";
import { unpack } from "../../web/view/packed16.js";

const POINTS = {
  type: "pointcloud", frame_id: 3, num_points: 2, grid: [1, 2], intrinsics: [2, 2, 1, 0.5],
  points: new Uint8Array(new Float32Array([0, 0, 2, 1, -1, 4]).buffer), colors: new Uint8Array([255, 0, 0, 0, 0, 255]),
};

function read(bytes) {
  const end = new TextDecoder("latin1").decode(bytes).indexOf("end_header\n") + "end_header\n".length;
  return { header: new TextDecoder().decode(bytes.subarray(0, end)), body: new DataView(bytes.slice(end).buffer) };
}

test("a saved file is named after its frame, so that a folder sorts by time", () => {
  assert.equal(fileName({ frame_id: 123 }, "ply"), "splatcam-000123.ply");
  assert.equal(fileName({ frame_id: 12_345_678 }, "spz"), "splatcam-12345678.spz");
});

test("a PLY that came over the wire is saved byte for byte", () => {
  const ply_data = new Uint8Array([1, 2, 3]);
  assert.equal(plyOf({ type: "gaussian_ply", num_splats: 1, ply_data }), ply_data);
});

for (const [type, fields] of [
  ["gaussian_ply", { num_splats: 0, ply_data: new Uint8Array(0) }],
  ["splats16", { num_splats: 0, data: new Uint8Array(0) }],
  ["pointcloud", { ...POINTS, num_points: 0, points: new Uint8Array(0), colors: new Uint8Array(0) }],
]) {
  test(`${type}: a picture without anything in it is a whole file of 0 vertices`, () => {
    const { header, body } = read(plyOf({ type, ...fields }));
    assert.match(header, /^ply\nformat binary_little_endian 1\.0\nelement vertex 0\nproperty float x\n/);
    assert.equal(body.byteLength, 0);
  });
}

test("points are saved as coordinates and colours", () => {
  const { header, body } = read(plyOf(POINTS));
  const names = [...header.matchAll(/property (.*)/g)].map(([, name]) => name);
  assert.deepEqual(names, ["float x", "float y", "float z", "uchar red", "uchar green", "uchar blue"]);
  assert.equal(body.byteLength, 2 * 15);
  assert.deepEqual([0, 4, 8].map((at) => body.getFloat32(15 + at, true)), [1, -1, 4]);
  assert.deepEqual([12, 13, 14].map((at) => body.getUint8(15 + at)), [0, 0, 255]);
});

test("points as Gaussians are as large as their pixels: twice as far, twice as large", () => {
  const { body } = read(gaussianPlyOf(POINTS));
  const [near, far] = [0, 1].map((i) => Math.exp(body.getFloat32(4 * (14 * i + 7), true)));
  assert.ok(near > 2 / 2 / 4 && near < 2 / 2, `${near}`); // a pixel at depth 2 is 1 wide
  assert.ok(Math.abs(far / near - 2) < 1e-5);
});

test("a scale that Spark's record calls flat stays flat for its readers", () => {
  const { lnScales } = unpack(new DataView(new ArrayBuffer(16)), 0);
  assert.ok(lnScales.every((value) => value < -30));
});

// web/source/size.js: how large the pictures of a source and the frames are.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fitToLongSide, sourceLongSide } from "../../web/source/size.js";

test("a frame is made as large as the model wants, in the proportions of the camera", () => {
  assert.deepEqual(fitToLongSide(1280, 720, 504), { width: 504, height: 284 });
  assert.deepEqual(fitToLongSide(720, 1280, 504), { width: 284, height: 504 });
  assert.deepEqual(fitToLongSide(640, 480, 504), { width: 504, height: 378 });
});

test("a small picture is not made larger", () => {
  assert.deepEqual(fitToLongSide(320, 240, 504), { width: 320, height: 240 });
});

test("an extreme picture keeps at least one pixel on each side", () => {
  assert.deepEqual(fitToLongSide(10_000, 1, 100), { width: 100, height: 1 });
});

test("a source brings what the model takes, and never less than a preview needs", () => {
  assert.deepEqual([sourceLongSide(504), sourceLongSide(640), sourceLongSide(1008)], [640, 640, 1008]);
});

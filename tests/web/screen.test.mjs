// web/view/screen.js with a fake stage and fake views: when a result counts as seen, and when to say that none is.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { Screen } from "../../web/view/screen.js";

const BOUNDS = { minimum: [0, 0, 0], maximum: [1, 1, 1] };
const result = (frame_id, changes = {}) => ({
  type: "splats16", frame_id, captured_at_ms: 10 * frame_id, model: "m", grid: [3, 4], bounds: BOUNDS, ...changes,
});

let draw, isDrawn, isDrawnOf, seen, stood, screen, warnings;
beforeEach(() => {
  [isDrawn, seen, stood, warnings] = [true, [], 0, 0];
  const stage = { onRender: (listener) => (draw = listener), standAtCamera: () => (stood += 1) };
  isDrawnOf = () => isDrawn;
  const view = { show: ({ frame_id }, onReady) => onReady(() => isDrawnOf(frame_id)), clear() {}, pivotDepth: () => 1 };
  const on = { shown: (frame) => seen.push(frame), neverDrawn: () => (warnings += 1) };
  screen = new Screen(stage, { splats16: { view, renderer: "spark" } }, on);
});

test("a result is shown at the drawing that holds it, and older ones that were never seen are passed over", () => {
  isDrawn = false;
  screen.show(result(1));
  screen.show(result(2));
  draw();
  assert.deepEqual(seen, []);
  isDrawn = true;
  draw();
  assert.deepEqual(seen, [{ frame_id: 2, captured_at_ms: 20 }]);
});

test("results that come faster than a sort takes are seen all the same", () => {
  let sorted = 0;
  isDrawnOf = (frameId) => frameId <= sorted;
  for (let id = 1; id <= 1000; id += 1) screen.show(result(id));
  for (sorted of [1, 1000]) draw();
  assert.deepEqual(seen.map((frame) => frame.frame_id), [1, 1000]);
});

test("the viewer's own point of view is kept while model and size stay, and chosen afresh where they change", () => {
  screen.show(result(1));
  screen.show(result(2));
  assert.equal(stood, 1);
  screen.show(result(3, { grid: [6, 8] }));
  screen.show(result(4, { grid: [6, 8], model: "another" }));
  assert.equal(stood, 3);
});

test("a result without splats chooses no point of view", () => {
  screen.show(result(1, { bounds: undefined }));
  assert.equal(stood, 0);
});

test("ten seconds of results in view and no picture: it says so, once for each ten seconds", () => {
  screen.lookAtClock(0, true); // nothing came yet
  screen.show(result(1));
  screen.lookAtClock(1000, true);
  screen.lookAtClock(10_999, true);
  assert.equal(warnings, 0);
  screen.lookAtClock(11_000, true);
  screen.lookAtClock(11_250, true);
  assert.equal(warnings, 1);
});

test("a page that nobody can see draws nothing, and that is no fault", () => {
  screen.show(result(1));
  screen.lookAtClock(0, true);
  screen.lookAtClock(5000, false);
  screen.lookAtClock(600_000, true);
  screen.lookAtClock(609_999, true);
  assert.equal(warnings, 0);
});

test("once a picture was drawn there is nothing to say", () => {
  screen.show(result(1));
  screen.lookAtClock(0, true);
  draw();
  screen.show(result(2));
  screen.lookAtClock(60_000, true);
  assert.equal(warnings, 0);
});

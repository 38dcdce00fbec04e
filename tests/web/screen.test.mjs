// web/view/screen.js with a fake stage and fake views: when a result counts as seen, when to say that none is, and what
// waits while the picture is frozen or a file is on the screen.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { Screen } from "../../web/view/screen.js";

const BOUNDS = { minimum: [0, 0, 0], maximum: [1, 1, 1] };
const result = (frame_id, changes = {}) => ({
  type: "splats16", frame_id, captured_at_ms: 10 * frame_id, model: "m", grid: [3, 4], intrinsics: [4, 4, 2, 1.5],
  bounds: BOUNDS, ...changes,
});

/** A file's view whose reading ends when the test says so. */
class FakeFileView {
  scenes = [];
  cleared = 0;

  read() {
    const scene = { bounds: BOUNDS, isDisposed: false, dispose: () => (scene.isDisposed = true) };
    return new Promise((resolve, reject) => this.scenes.push({ scene, done: () => resolve(scene), fail: reject }));
  }

  show(scene, onReady) {
    this.shown = scene;
    onReady(() => true);
  }

  clear() {
    this.cleared += 1;
  }
}

let draw, isDrawn, isDrawnOf, seen, stood, screen, warnings, stage, files, put;
beforeEach(() => {
  [isDrawn, seen, stood, warnings, put] = [true, [], 0, 0, []];
  stage = {
    onRender: (listener) => (draw = listener), standAtCamera: () => (stood += 1),
    standBefore: (bounds) => (stage.stoodBefore = bounds),
  };
  isDrawnOf = () => isDrawn;
  const show = ({ frame_id }, onReady) => {
    put.push(frame_id);
    onReady(() => isDrawnOf(frame_id));
  };
  const view = { show, clear() {}, pivotDepth: () => 1 };
  files = new FakeFileView();
  const on = { shown: (frame) => seen.push(frame), neverDrawn: () => (warnings += 1) };
  screen = new Screen(stage, { splats16: { view, renderer: "spark" }, file: { view: files, renderer: "spark" } }, on);
});

/** Shows a file and draws it. */
async function showFile(name = "one.ply") {
  const shown = screen.showFile({ name });
  files.scenes.at(-1).done();
  await shown;
  draw();
}

test("the box of what is on the screen, and where its camera was, are told of the world", () => {
  const pose = [1, 0, 0, 0, 0, 0, 5];
  screen.show(result(1, { pose }));
  assert.equal(screen.shownPose, pose);
  assert.deepEqual(screen.shownBounds, { minimum: [0, 0, 5], maximum: [1, 1, 6] });
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

test("in another world the point of view is chosen afresh", () => {
  const [here, away] = [[1, 0, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0, 5]];
  for (const pose of [here, away, away]) screen.show(result(1, { pose }));
  assert.equal(stood, 1);
  screen.show(result(2, { pose: here }));
  screen.show(result(3, { pose: here }));
  assert.equal(stood, 2);
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

// ---------------------------------------------------------------- frozen

test("a frozen picture stays, and the newest of the results that came meanwhile follows it", () => {
  screen.show(result(1));
  screen.frozen = true;
  screen.show(result(2));
  screen.show(result(3));
  assert.deepEqual([put, screen.shownResult.frame_id], [[1], 1]);
  screen.frozen = false;
  assert.deepEqual([put, screen.shownResult.frame_id], [[1, 3], 3]);
});

test("a picture that was frozen while nothing came stays as it is", () => {
  screen.show(result(1));
  screen.frozen = true;
  screen.frozen = false;
  assert.deepEqual(put, [1]);
});

test("a result that its view had to unpack is on the screen as what it became", () => {
  const show = (_result, onReady) => onReady(() => true);
  const unpacked = (result) => ({ ...result, type: "splats16", data: "the view's" });
  const view = { show, clear() {}, pivotDepth: () => 1, unpacked };
  screen = new Screen(stage, { compact: { view, renderer: "spark" } }, { shown() {}, neverDrawn() {} });
  screen.show(result(1, { type: "compact" }));
  const { type, data, frame_id } = screen.shownResult;
  assert.deepEqual([type, data, frame_id], ["splats16", "the view's", 1]);
});

test("what is on the screen is the very result that came, and at first there is none", () => {
  assert.equal(screen.shownResult, null);
  const one = result(1);
  screen.show(one);
  assert.equal(screen.shownResult, one);
});

test("what can be fitted into the view is the box of what is on the screen", async () => {
  assert.equal(screen.shownBounds, undefined);
  screen.show(result(1, { bounds: { minimum: [1, 1, 1], maximum: [2, 2, 2] } }));
  assert.deepEqual(screen.shownBounds.maximum, [2, 2, 2]);
  await showFile();
  assert.equal(screen.shownBounds, BOUNDS);
});

test("a result that waited for the person is seen, but when it was captured says nothing any more", async () => {
  screen.show(result(1));
  draw();
  screen.frozen = true;
  screen.show(result(2));
  await showFile();
  screen.backToLive();
  draw();
  screen.frozen = false;
  draw();
  assert.deepEqual(seen, [{ frame_id: 1, captured_at_ms: 10 }, { frame_id: 1 }, { frame_id: 2 }]);
});

test("a screen that is frozen before the first picture does not complain that none is drawn", () => {
  screen.frozen = true;
  screen.show(result(1));
  screen.lookAtClock(0, true);
  screen.lookAtClock(60_000, true);
  assert.equal(warnings, 0);
});

// ---------------------------------------------------------------- files

test("a file takes the place of the live picture; afterwards the newest result is shown", async () => {
  screen.show(result(1));
  await showFile();
  assert.deepEqual([screen.isShowingFile, screen.shownResult, stage.stoodBefore], [true, null, BOUNDS]);
  assert.equal(stage.orbit, "turn");
  screen.show(result(2));
  screen.show(result(3));
  assert.deepEqual(put, [1]);
  screen.backToLive();
  assert.deepEqual([put, screen.isShowingFile, stage.orbit], [[1, 3], false, "swing"]);
  assert.equal(files.cleared, 2); // by the first result, and now
  assert.equal(stood, 2); // at the camera's own place again
});

test("a file that is drawn counts as no result that was seen", async () => {
  await showFile();
  assert.deepEqual(seen, []);
});

test("back from a file without a new result there is the old picture, without any an empty screen", async () => {
  await showFile();
  screen.backToLive();
  assert.deepEqual([put, files.cleared], [[], 1]);
  screen.show(result(1));
  await showFile();
  screen.backToLive();
  assert.deepEqual(put, [1, 1]);
});

test("back from a file a picture that was frozen is frozen still", async () => {
  screen.show(result(1));
  screen.frozen = true;
  await showFile();
  screen.show(result(2));
  screen.backToLive();
  assert.deepEqual(put, [1, 1]);
  screen.frozen = false;
  assert.deepEqual(put, [1, 1, 2]);
});

test("thawing leaves a file where it is", async () => {
  screen.frozen = true;
  screen.show(result(1));
  await showFile();
  screen.frozen = false;
  assert.deepEqual([put, screen.isShowingFile], [[], true]);
});

test("a file that cannot be read is told, and the live picture goes on", async () => {
  const shown = screen.showFile({});
  files.scenes[0].fail(new Error("“x.ply” cannot be read"));
  await assert.rejects(shown, /“x.ply” cannot be read/);
  screen.show(result(1));
  assert.deepEqual([put, screen.isShowingFile], [[1], false]);
});

test("of two files the one that was asked for last is shown, in whatever order they are read", async () => {
  const [first, second] = [screen.showFile({}), screen.showFile({})];
  files.scenes[1].done();
  await second;
  files.scenes[0].done();
  await first;
  assert.deepEqual([files.shown, files.scenes[0].scene.isDisposed], [files.scenes[1].scene, true]);
});

test("the name is that of the file on the screen, whatever else was asked for and came to nothing", async () => {
  assert.equal(screen.fileName, null);
  const late = screen.showFile({ name: "late.ply" });
  await showFile("seen.ply");
  files.scenes[0].done();
  await late;
  const broken = screen.showFile({ name: "broken.ply" });
  files.scenes.at(-1).fail(new Error("broken"));
  await assert.rejects(broken);
  assert.equal(screen.fileName, "seen.ply");
  screen.backToLive();
  assert.equal(screen.fileName, null);
});

test("a file that is still being read when the person goes back to live is not shown", async () => {
  const shown = screen.showFile({});
  screen.backToLive();
  files.scenes[0].done();
  await shown;
  assert.deepEqual([screen.isShowingFile, files.scenes[0].scene.isDisposed], [false, true]);
});

// ---------------------------------------------------------------- recordings

test("a recording holds the screen; live results wait, and the newest is there when it is left", () => {
  screen.show(result(1));
  draw();
  const drawn = [];
  screen.replay(result(50), () => drawn.push(50));
  screen.show(result(2));
  screen.show(result(3));
  draw();
  assert.deepEqual([put, drawn, screen.isReplaying], [[1, 50], [50], true]);
  assert.equal(screen.shownResult.frame_id, 50); // it can be saved
  screen.backToLive();
  draw();
  assert.deepEqual([put, screen.isReplaying], [[1, 50, 3], false]);
  assert.deepEqual(seen.map(({ frame_id }) => frame_id), [1, 3]); // a recorded step is none that the server waits for
});

test("left without a newer result the last live one is shown again, and without any an empty screen", () => {
  screen.show(result(1));
  screen.replay(result(50), () => {});
  screen.backToLive();
  assert.deepEqual(put, [1, 50, 1]);
  assert.equal(stood, 1); // the same point of view all along
});

test("without a camera a recording that is left leaves nothing behind", () => {
  screen.replay(result(50), () => {});
  screen.backToLive();
  assert.deepEqual([put, screen.shownResult, files.cleared > 0], [[50], null, true]);
});

test("a picture that was frozen is frozen still when a recording is left", () => {
  screen.show(result(1));
  screen.frozen = true;
  screen.replay(result(50), () => {});
  screen.show(result(2));
  screen.frozen = false;
  assert.deepEqual(put, [1, 50]); // the recording stays before it
  screen.backToLive();
  assert.deepEqual(put, [1, 50, 2]);
});

test("a recording takes the place of a file, and a file that of a recording", async () => {
  await showFile();
  screen.replay(result(50), () => {});
  assert.deepEqual([screen.isShowingFile, screen.isReplaying], [false, true]);
  await showFile("two.ply");
  assert.deepEqual([screen.isShowingFile, screen.isReplaying], [true, false]);
});

test("an older step that is still being unpacked does not come after a newer one of another format", () => {
  const slow = [];
  const compact = {
    show: (one, onReady) => slow.push(() => onReady(() => true)), clear() {}, pivotDepth: () => 1,
    forget: () => slow.splice(0),
  };
  const plain = { show: (_one, onReady) => onReady(() => true), clear() {}, pivotDepth: () => 1 };
  const views = { compact: { view: compact, renderer: "spark" }, splats16: { view: plain, renderer: "spark" } };
  screen = new Screen(stage, views, { shown() {}, neverDrawn() {} });
  screen.replay(result(1), () => {});
  screen.replay(result(2, { type: "compact" }), () => {});
  screen.replay(result(3), () => {});
  for (const come of slow) come();
  assert.equal(screen.shownResult.frame_id, 3);
});

test("a program's scene is stood before once, and is no frame that could be saved", () => {
  const nodes = { show: (_one, onReady) => onReady(() => true), clear() {}, bounds: BOUNDS };
  screen = new Screen(stage, { nodes: { view: nodes, renderer: "spark" } }, { shown() {}, neverDrawn() {} });
  screen.replay({ type: "nodes", nodes: new Map(), model: "nodes", grid: [] }, () => {});
  assert.deepEqual([stage.stoodBefore, screen.shownResult, screen.shownBounds], [BOUNDS, null, BOUNDS]);
});

// web/source/capture.js: sizes, times, and one JPEG at a time, with a fake video and canvas.
import assert from "node:assert/strict";
import { test } from "node:test";
import { captureTime, fitToLongSide, FrameGrabber } from "../../web/source/capture.js";

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

test("the time of capture is the camera's where it is on our clock, else now", () => {
  assert.equal(captureTime({ captureTime: 990 }, 1000), 990);
  assert.equal(captureTime({}, 1000), 1000);
  assert.equal(captureTime(undefined, 1000), 1000);
  assert.equal(captureTime({ captureTime: 2000 }, 1000), 1000); // later than now
  assert.equal(captureTime({ captureTime: 5 }, 1_000_000), 1_000_000); // another clock's zero
});

class FakeCanvas {
  width = 0;
  height = 0;
  pending = [];
  getContext() {
    return { drawImage: (_video, _x, _y, width, height) => (this.drawn = [width, height]) };
  }
  toBlob(done, type) {
    this.pending.push({ done, type });
  }
}

function makeGrabber(overrides = {}) {
  const canvas = new FakeCanvas();
  const frames = [];
  const video = { videoWidth: 640, videoHeight: 480 };
  const onFrame = (at, jpeg) => frames.push([at, jpeg]);
  const options = { longSide: () => 504, wantsFrame: () => true, onFrame, ...overrides };
  return { grabber: new FrameGrabber(video, canvas, options), canvas, frames, video };
}

const jpeg = new Blob([new Uint8Array([0xff, 0xd8, 0xff])]);

test("a picture becomes one JPEG at the model's size, with its time of capture", async () => {
  const { grabber, canvas, frames } = makeGrabber();
  const grabbed = grabber.grab(12.5);
  assert.deepEqual([canvas.width, canvas.height, canvas.drawn], [504, 378, [504, 378]]);
  assert.equal(canvas.pending[0].type, "image/jpeg");
  canvas.pending[0].done(jpeg);
  await grabbed;
  assert.deepEqual(frames, [[12.5, new Uint8Array([0xff, 0xd8, 0xff])]]);
});

test("pictures that come while one is encoded are let go", async () => {
  const { grabber, canvas, frames } = makeGrabber();
  const first = grabber.grab(1);
  await grabber.grab(2);
  assert.equal(canvas.pending.length, 1);
  canvas.pending[0].done(jpeg);
  await first;
  const third = grabber.grab(3);
  canvas.pending[1].done(jpeg);
  await third;
  assert.deepEqual(frames.map(([at]) => at), [1, 3]);
});

test("nothing is drawn or encoded while nobody wants a frame or the video has no picture", async () => {
  const unwanted = makeGrabber({ wantsFrame: () => false });
  await unwanted.grabber.grab(1);
  const dark = makeGrabber();
  dark.video.videoWidth = 0;
  await dark.grabber.grab(1);
  assert.equal(unwanted.canvas.pending.length + dark.canvas.pending.length, 0);
});

test("a picture that cannot be encoded does not stop the next", async () => {
  const { grabber, canvas, frames } = makeGrabber();
  const first = grabber.grab(1);
  canvas.pending[0].done(null); // what toBlob gives for a canvas without pixels
  await first;
  const failing = grabber.grab(2);
  canvas.pending[1].done({ arrayBuffer: () => Promise.reject(new Error("gone")) });
  await assert.rejects(failing, /gone/);
  const third = grabber.grab(3);
  canvas.pending[2].done(jpeg);
  await third;
  assert.deepEqual(frames.map(([at]) => at), [3]);
});

test("each picture that the video announces is grabbed, with the time that it tells", () => {
  const { grabber, canvas, video } = makeGrabber();
  const announce = [];
  video.requestVideoFrameCallback = (callback) => announce.push(callback);
  grabber.start();
  announce.shift()(1000, { captureTime: 990 });
  assert.deepEqual([canvas.pending.length, announce.length], [1, 1]);
});

test("a browser that announces no pictures is asked at every drawing whether the video went on", (t) => {
  const { grabber, canvas, video } = makeGrabber();
  const drawings = [];
  t.after(() => delete globalThis.requestAnimationFrame);
  globalThis.requestAnimationFrame = (callback) => drawings.push(callback);
  const draw = (now) => drawings.shift()(now);
  video.currentTime = 0;
  grabber.start();
  draw(16);
  assert.equal(canvas.pending.length, 0);
  video.currentTime = 0.04;
  draw(33);
  assert.deepEqual([canvas.pending.length, drawings.length], [1, 1]);
  draw(50);
  assert.equal(canvas.pending.length, 1);
});

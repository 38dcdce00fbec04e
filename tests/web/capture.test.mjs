// web/source/capture.js: times, and one JPEG at a time, with a fake video and canvas.
import assert from "node:assert/strict";
import { test } from "node:test";
import { captureTime, FrameGrabber } from "../../web/source/capture.js";

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
    return {
      setTransform: (...matrix) => (this.matrix = matrix),
      drawImage: (_video, _x, _y, width, height) => (this.drawn = [width, height]),
    };
  }
  toBlob(done, type, quality) {
    this.pending.push({ done, type, quality });
  }
}

function makeGrabber(overrides = {}) {
  const canvas = new FakeCanvas();
  const frames = [];
  const video = { videoWidth: 640, videoHeight: 480, srcObject: null, src: "blob:first" };
  const onFrame = (at, jpeg) => frames.push([at, jpeg]);
  const options = {
    longSide: () => 504, quality: () => 0.8, isMirrored: () => false, wantsFrame: () => true, onFrame, ...overrides,
  };
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

test("the next picture has the size and the quality that are wanted by then", async () => {
  let [longSide, quality] = [504, 0.8];
  const { grabber, canvas, frames } = makeGrabber({ longSide: () => longSide, quality: () => quality });
  const first = grabber.grab(1);
  [longSide, quality] = [252, 0.4];
  canvas.pending[0].done(jpeg);
  await first;
  const second = grabber.grab(2);
  canvas.pending[1].done(jpeg);
  await second;
  assert.deepEqual(canvas.pending.map((asked) => asked.quality), [0.8, 0.4]);
  assert.deepEqual([grabber.size, frames.length], [{ width: 252, height: 189 }, 2]);
});

test("a picture is drawn from right to left while it is to be mirrored", async () => {
  let isMirrored = true;
  const { grabber, canvas } = makeGrabber({ isMirrored: () => isMirrored });
  const first = grabber.grab(1);
  assert.deepEqual(canvas.matrix, [-1, 0, 0, 1, 504, 0]);
  canvas.pending[0].done(jpeg);
  await first;
  isMirrored = false;
  const second = grabber.grab(2);
  assert.deepEqual(canvas.matrix, [1, 0, 0, 1, 0, 0]);
  canvas.pending[1].done(jpeg);
  await second;
});

const CHANGES = {
  "another file": { src: "blob:second" },
  "a camera": { src: "", srcObject: { id: "stream" } },
  nothing: { src: "" },
};
for (const [what, change] of Object.entries(CHANGES)) {
  test(`a picture is not sent where ${what} took the place of its source meanwhile, and the next one is`, async () => {
    const { grabber, canvas, frames, video } = makeGrabber();
    const first = grabber.grab(1);
    Object.assign(video, change);
    canvas.pending[0].done(jpeg);
    await first;
    const second = grabber.grab(2);
    canvas.pending[1].done(jpeg);
    await second;
    assert.deepEqual(frames.map(([at]) => at), [2]);
  });
}

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

test("the pictures that the source brings are counted, those too that nobody wants", () => {
  const { grabber, canvas, video } = makeGrabber({ wantsFrame: () => false });
  const announce = [];
  video.requestVideoFrameCallback = (callback) => announce.push(callback);
  grabber.start();
  for (const now of [1000, 1033, 1066]) announce.shift()(now, {});
  assert.deepEqual([grabber.framesSeen, canvas.pending.length, announce.length], [3, 0, 1]);
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

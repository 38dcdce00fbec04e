// web/source/sources.js: the last choice wins, with fake video elements, fake cameras and files that the test decides
// about. What the sources themselves do is in camera.test.mjs and stills.test.mjs.
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { Sources } from "../../web/source/sources.js";
import { FakeCanvas, FakeTrack } from "./fake_media.mjs";

/** A video element whose play() does as it is told: `plays` resolves or rejects it. */
class FakeVideo {
  srcObject = null;
  src = "";
  videoWidth = 640;
  plays = () => Promise.resolve();

  play() {
    return this.plays();
  }

  removeAttribute(name) {
    this[name] = "";
  }

  load() {}
}

/** A promise and the two ways to end it. */
function later() {
  const handle = {};
  handle.promise = new Promise((resolve, reject) => Object.assign(handle, { resolve, reject }));
  return handle;
}

const makeStream = (id) => {
  const track = new FakeTrack(id);
  return { track, getVideoTracks: () => [track] };
};
const refusal = (name) => new DOMException("no", name);
const fileNamed = (name) => Object.assign(new Blob(["x"]), { name });
const bitmap = { width: 40, height: 30, close() {} };

let video, trials, prompts, said, sources, liveUrls;
const { createObjectURL, revokeObjectURL } = URL;

function makeSources() {
  const getUserMedia = (constraints) => prompts[prompts.push({ ...later(), constraints }) - 1].promise;
  sources = new Sources({
    video,
    makeVideo: () => trials[trials.push(Object.assign(new FakeVideo(), { plays: () => trial.promise })) - 1],
    makeCanvas: () => new FakeCanvas(),
    mediaDevices: Object.assign(devices, { getUserMedia, enumerateDevices: async () => [] }),
    longSide: () => 504,
    storage: () => null,
    on: {
      changed: () => said.push("changed"),
      failed: (sentence) => said.push(sentence),
      camerasChanged: () => said.push("cameras changed"),
    },
  });
}

let trial, devices;
beforeEach(() => {
  [video, trials, prompts, said, liveUrls, trial] = [new FakeVideo(), [], [], [], new Set(), later()];
  devices = new EventTarget();
  URL.createObjectURL = () => {
    const url = `blob:${liveUrls.size}`;
    liveUrls.add(url);
    return url;
  };
  URL.revokeObjectURL = (url) => liveUrls.delete(url);
  makeSources();
});
afterEach(() => {
  Object.assign(URL, { createObjectURL, revokeObjectURL });
  delete globalThis.createImageBitmap;
});

async function liveCamera(id) {
  const stream = makeStream(id);
  const started = sources.startCamera(id);
  prompts.at(-1).resolve(stream);
  await started;
  return stream;
}

test("a file that cannot be played does not cost the camera that is still being asked for", async () => {
  const asked = sources.startCamera();
  const tried = sources.startFiles([fileNamed("notes.mp4")]);
  trial.reject(refusal("NotSupportedError"));
  await tried;
  const stream = makeStream();
  prompts[0].resolve(stream);
  await asked;
  assert.deepEqual([sources.isPlaying, sources.isCamera, stream.track.isStopped], [true, true, false]);
  assert.match(said[0], /notes\.mp4/);
});

test("the camera that is allowed plays", async () => {
  const stream = await liveCamera();
  assert.equal(video.srcObject, stream);
  assert.deepEqual([sources.isPlaying, sources.isCamera, said], [true, true, ["changed"]]);
});

test("a refused camera is told by the browser's reason", async () => {
  const started = sources.startCamera();
  prompts[0].reject(refusal("NotFoundError"));
  await started;
  assert.match(said[0], /^No camera was found/);
  assert.equal(sources.isPlaying, false);
});

test("where there are no media devices the origin is named as the reason", async () => {
  sources = new Sources({ video, storage: () => null, on: { failed: (sentence) => said.push(sentence) } });
  await sources.startCamera();
  assert.match(said[0], /secure pages only/);
});

test("a camera that the browser gives and does not play is let go, and told in words of its own", async () => {
  video.plays = () => Promise.reject(refusal("NotAllowedError"));
  const stream = await liveCamera();
  assert.match(said[0], /^The browser did not start the camera's picture\. Press “Start camera”/);
  assert.deepEqual([sources.isPlaying, stream.track.isStopped, video.srcObject], [false, true, null]);
});

test("a camera that is unplugged is told, and nothing plays any more", async () => {
  const stream = await liveCamera();
  stream.track.onended();
  assert.match(said[1], /^The camera was disconnected/);
  assert.deepEqual([sources.isPlaying, video.srcObject], [false, null]);
});

test("a file takes the camera's place once it was seen to play", async () => {
  const stream = await liveCamera();
  const started = sources.startFiles([fileNamed("clip.webm")]);
  assert.equal(video.srcObject, stream);
  trial.resolve();
  await started;
  assert.deepEqual([video.srcObject, video.src, video.loop, stream.track.isStopped], [null, "blob:0", true, true]);
  assert.deepEqual([sources.isPlaying, sources.kind, sources.cameraId], [true, "video", null]);
});

test("a file that cannot be played leaves the live camera alone", async () => {
  const stream = await liveCamera();
  const started = sources.startFiles([fileNamed("notes.txt")]);
  trial.reject(refusal("NotSupportedError"));
  await started;
  assert.deepEqual([video.srcObject, stream.track.isStopped, sources.isCamera], [stream, false, true]);
  assert.match(said[1], /cannot play “notes\.txt”/);
  assert.equal(liveUrls.size, 0);
});

test("a file without a picture is told as one that cannot be played", async () => {
  const started = sources.startFiles([fileNamed("song.mp3")]);
  trials[0].videoWidth = 0;
  trial.resolve();
  await started;
  assert.match(said[0], /cannot play “song\.mp3”/);
  assert.deepEqual([sources.isPlaying, liveUrls.size], [false, 0]);
});

test("a file's address is given back when another source takes its place", async () => {
  trial.resolve();
  await sources.startFiles([fileNamed("clip.webm")]);
  assert.equal(liveUrls.size, 1);
  await liveCamera();
  assert.equal(liveUrls.size, 0);
});

test("a camera that is allowed after a file was chosen is switched off, without a word", async () => {
  const stream = makeStream();
  const asked = sources.startCamera();
  trial.resolve();
  await sources.startFiles([fileNamed("clip.webm")]);
  prompts[0].resolve(stream);
  await asked;
  assert.deepEqual([stream.track.isStopped, sources.isCamera, said], [true, false, ["changed"]]);
});

test("a camera that is refused after a file was chosen says nothing", async () => {
  const asked = sources.startCamera();
  trial.resolve();
  await sources.startFiles([fileNamed("clip.webm")]);
  prompts[0].reject(refusal("NotAllowedError"));
  await asked;
  assert.deepEqual(said, ["changed"]);
});

test("a file that is ready after the camera was chosen is let go", async () => {
  const opened = sources.startFiles([fileNamed("clip.webm")]);
  const stream = await liveCamera();
  trial.resolve();
  await opened;
  assert.deepEqual([video.srcObject, liveUrls.size, said], [stream, 0, ["changed"]]);
});

test("of two quick presses of the button one camera is left, and nothing is rejected", async () => {
  const streams = [makeStream(), makeStream()];
  const starts = [sources.startCamera(), sources.startCamera()];
  streams.forEach((stream, i) => prompts[i].resolve(stream));
  await Promise.all(starts);
  assert.deepEqual(streams.map(({ track }) => track.isStopped), [true, false]);
  assert.deepEqual([video.srcObject, said], [streams[1], ["changed"]]);
});

test("a camera whose start was cut short by the next one says nothing", async () => {
  const playing = later();
  video.plays = () => playing.promise;
  const first = sources.startCamera();
  prompts[0].resolve(makeStream());
  await new Promise(setImmediate); // it waits for play()
  video.plays = () => Promise.resolve();
  const stream = await liveCamera();
  playing.reject(refusal("AbortError"));
  await first;
  assert.deepEqual([video.srcObject, sources.isPlaying, said.filter((word) => word !== "changed")], [stream, true, []]);
});

test("the chosen camera is asked for, and the page can tell which one plays", async () => {
  await liveCamera("front");
  assert.deepEqual(prompts[0].constraints.video.deviceId, { exact: "front" });
  assert.deepEqual([sources.kind, sources.cameraId], ["camera", "front"]);
});

test("a camera that comes or goes is told", () => {
  devices.dispatchEvent(new Event("devicechange"));
  assert.deepEqual(said, ["cameras changed"]);
});

test("where a phone gives one camera at a time, the one that plays is let go for the next", async () => {
  const front = await liveCamera("front");
  const started = sources.startCamera("back");
  prompts[1].reject(refusal("NotReadableError"));
  await new Promise(setImmediate);
  assert.equal(front.track.isStopped, true);
  prompts[2].resolve(makeStream("back"));
  await started;
  assert.deepEqual([sources.cameraId, said], ["back", ["changed", "changed"]]);
});

test("a camera that stays busy is told once", async () => {
  await liveCamera("front");
  const started = sources.startCamera("back");
  prompts[1].reject(refusal("NotReadableError"));
  await new Promise(setImmediate);
  prompts[2].reject(refusal("NotReadableError"));
  await started;
  assert.match(said[1], /^The camera is busy/);
  assert.deepEqual([sources.kind, said.length], [null, 2]);
});

test("a busy camera does not cost the video that plays", async () => {
  trial.resolve();
  await sources.startFiles([fileNamed("clip.webm")]);
  const started = sources.startCamera();
  prompts[0].reject(refusal("NotReadableError"));
  await started;
  assert.deepEqual([sources.kind, prompts.length], ["video", 1]);
  assert.match(said[1], /^The camera is busy/);
});

test("the camera that plays follows the model; a file has nothing to follow with", async () => {
  const { track } = await liveCamera();
  await sources.followModel();
  assert.equal(track.applied.length, 1);
  trial.resolve();
  await sources.startFiles([fileNamed("clip.webm")]);
  await sources.followModel();
  assert.equal(track.applied.length, 1);
});

test("stop lets the camera go", async () => {
  const { track } = await liveCamera();
  sources.stop();
  assert.deepEqual([track.isStopped, video.srcObject, sources.kind, said], [true, null, null, ["changed", "changed"]]);
});

test("stop lets a file go", async () => {
  trial.resolve();
  await sources.startFiles([fileNamed("clip.webm")]);
  sources.stop();
  assert.deepEqual([video.src, liveUrls.size, sources.isPlaying], ["", 0, false]);
});

test("a camera that is allowed after stop is switched off, without a word", async () => {
  const stream = makeStream();
  const asked = sources.startCamera();
  sources.stop();
  prompts[0].resolve(stream);
  await asked;
  assert.deepEqual([stream.track.isStopped, sources.isPlaying, said], [true, false, ["changed"]]);
});

test("a camera that is refused after stop says nothing", async () => {
  const asked = sources.startCamera();
  sources.stop();
  prompts[0].reject(refusal("NotAllowedError"));
  await asked;
  assert.deepEqual(said, ["changed"]);
});

test("pictures take the camera's place", async () => {
  const { track } = await liveCamera();
  globalThis.createImageBitmap = async () => bitmap;
  await sources.startFiles([fileNamed("a.jpg"), fileNamed("b.jpg")]);
  assert.deepEqual([sources.kind, sources.isCamera, track.isStopped], ["stills", false, true]);
  assert.equal(video.srcObject.getTracks()[0].isStopped, false);
  sources.stop();
});

test("stop ends the pictures' stream", async () => {
  globalThis.createImageBitmap = async () => bitmap;
  await sources.startFiles([fileNamed("a.jpg")]);
  const [track] = video.srcObject.getTracks();
  sources.stop();
  assert.deepEqual([track.isStopped, video.srcObject], [true, null]);
});

test("pictures of which none can be read leave the live camera alone, and are told", async () => {
  const stream = await liveCamera();
  globalThis.createImageBitmap = () => Promise.reject(refusal("InvalidStateError"));
  await sources.startFiles([fileNamed("a.jpg"), fileNamed("b.jpg")]);
  assert.deepEqual([video.srcObject, sources.kind], [stream, "camera"]);
  assert.equal(said[1], "This browser can read none of the 2 pictures. Try JPEG, PNG or WebP.");
});

test("a photo that cannot be read is told by its name", async () => {
  globalThis.createImageBitmap = () => Promise.reject(refusal("InvalidStateError"));
  await sources.startFiles([fileNamed("a.heic")]);
  assert.deepEqual(said, ["This browser cannot read “a.heic”. Try JPEG, PNG or WebP."]);
});

test("of a video and pictures the video plays", async () => {
  trial.resolve();
  await sources.startFiles([fileNamed("a.jpg"), fileNamed("clip.mp4")]);
  assert.equal(sources.kind, "video");
});

// web/source/camera.js: which camera is asked for and how large, with fake media devices.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Cameras } from "../../web/source/camera.js";
import { FakeTrack } from "./fake_media.mjs";

/** Media devices with the cameras `ids`; `asked` are the constraints of getUserMedia. */
class FakeDevices extends EventTarget {
  asked = [];
  tracks = [];
  labels = {};

  constructor(...ids) {
    super();
    this.ids = ids;
  }

  async enumerateDevices() {
    const cameras = this.ids.map((id) => ({ kind: "videoinput", deviceId: id, label: this.labels[id] ?? "" }));
    return [{ kind: "audioinput", deviceId: "mic", label: "Microphone" }, ...cameras];
  }

  async getUserMedia({ video }) {
    this.asked.push(video);
    const id = video.deviceId?.exact ?? this.ids[0];
    if (!this.ids.includes(id)) throw new DOMException("no", "OverconstrainedError");
    const track = new FakeTrack(id);
    this.tracks.push(track);
    return { getVideoTracks: () => [track] };
  }
}

class FakeStorage {
  values = new Map();
  getItem(key) {
    return this.values.get(key) ?? null;
  }
  setItem(key, value) {
    this.values.set(key, value);
  }
}

const makeCameras = (mediaDevices, { storage = () => null, longSide = () => 504 } = {}) =>
  new Cameras({ mediaDevices, storage, longSide });

test("cameras are listed by their names, and by numbers before the browser tells the names", async () => {
  const devices = new FakeDevices("a", "b");
  devices.labels.b = "Webcam";
  const expected = [{ id: "a", label: "Camera 1" }, { id: "b", label: "Webcam" }];
  assert.deepEqual(await makeCameras(devices).list(), expected);
});

test("where there are no media devices there are no cameras", async () => {
  assert.deepEqual(await makeCameras(undefined).list(), []);
});

test("where there are no media devices nothing can be opened, for the origin's sake", async () => {
  await assert.rejects(makeCameras(undefined).open(), { name: "InsecureOrigin" });
});

test("a camera that is plugged in is told", () => {
  const devices = new FakeDevices();
  let told = 0;
  makeCameras(devices).onChange(() => (told += 1));
  devices.dispatchEvent(new Event("devicechange"));
  assert.equal(told, 1);
});

test("the first time, the camera that looks away from the person is wished for", async () => {
  const devices = new FakeDevices("a");
  await makeCameras(devices).open();
  assert.deepEqual([devices.asked[0].facingMode, devices.asked[0].deviceId], ["environment", undefined]);
});

test("an id that the browser keeps to itself before it is allowed chooses no camera", async () => {
  const devices = new FakeDevices("a");
  await makeCameras(devices).open("");
  assert.equal(devices.asked[0].deviceId, undefined);
});

test("the chosen camera is opened, and again where none is chosen the next time", async () => {
  const devices = new FakeDevices("a", "b");
  const cameras = makeCameras(devices);
  assert.equal((await cameras.open("b")).cameraId, "b");
  assert.equal((await cameras.open()).cameraId, "b");
});

test("the last camera is remembered beyond the page", async () => {
  const storage = new FakeStorage();
  await makeCameras(new FakeDevices("a", "b"), { storage: () => storage }).open("b");
  const later = makeCameras(new FakeDevices("a", "b"), { storage: () => storage });
  assert.equal((await later.open()).cameraId, "b");
});

test("a page whose storage is forbidden remembers for itself", async () => {
  const storage = () => {
    throw new DOMException("no", "SecurityError");
  };
  const cameras = makeCameras(new FakeDevices("a", "b"), { storage });
  await cameras.open("b");
  assert.equal((await cameras.open()).cameraId, "b");
});

test("where the chosen camera is gone, any other does", async () => {
  const devices = new FakeDevices("a");
  const camera = await makeCameras(devices).open("unplugged");
  assert.deepEqual([camera.cameraId, devices.asked.length], ["a", 2]);
});

test("another failure of the chosen camera is not hidden by another camera", async () => {
  const devices = new FakeDevices("a");
  devices.getUserMedia = () => Promise.reject(new DOMException("no", "NotReadableError"));
  await assert.rejects(makeCameras(devices).open("a"), { name: "NotReadableError" });
});

test("a camera is wished 640 wide, and as wide as the model where that takes more", async () => {
  const devices = new FakeDevices("a");
  await makeCameras(devices).open();
  await makeCameras(devices, { longSide: () => 1008 }).open();
  const sizes = devices.asked.map(({ width, height }) => [width.ideal, height.ideal]);
  assert.deepEqual(sizes, [[640, 480], [1008, 756]]);
});

test("nothing of a size is a must", async () => {
  const devices = new FakeDevices("a");
  await makeCameras(devices).open();
  for (const wish of [devices.asked[0].width, devices.asked[0].height, devices.asked[0].frameRate]) {
    assert.deepEqual(Object.keys(wish), ["ideal"]);
  }
});

test("a running camera is asked for another size when the model is another one", async () => {
  const devices = new FakeDevices("a");
  let longSide = 504;
  const camera = await makeCameras(devices, { longSide: () => longSide }).open();
  longSide = 1008;
  await camera.followModel();
  assert.deepEqual(devices.tracks[0].applied.map(({ width }) => width.ideal), [1008]);
});

test("a camera that cannot change its size goes on as it is", async () => {
  const devices = new FakeDevices("a");
  const camera = await makeCameras(devices).open();
  devices.tracks[0].applyConstraints = () => Promise.reject(new DOMException("no", "OverconstrainedError"));
  await camera.followModel();
  assert.equal(devices.tracks[0].isStopped, false);
});

// web/source/stills.js: which picture is painted when, with a fake canvas, fake pictures and pauses that the test ends.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { inNaturalOrder, openStills } from "../../web/source/stills.js";
import { FakeCanvas } from "./fake_media.mjs";

const file = (name, path) => ({ name, webkitRelativePath: path ?? "" });
const files = (...names) => names.map((name) => file(name));

let canvas, decoded, open, longSide, pauses;
beforeEach(() => {
  [canvas, decoded, open, longSide, pauses] = [new FakeCanvas(), [], new Set(), 504, []];
  globalThis.createImageBitmap = async ({ name, width = 40, height = 30 }) => {
    decoded.push(name);
    if (name.startsWith("broken")) throw new DOMException("no", "InvalidStateError");
    const bitmap = { name, width, height, close: () => open.delete(bitmap) };
    open.add(bitmap);
    return bitmap;
  };
});

/** The pictures play; returns {source, video, ended: how often the end was told}. */
async function playing(list) {
  const pause = (ms) => new Promise((done) => pauses.push({ ms, done }));
  const source = await openStills(list, canvas, () => longSide, pause);
  const state = { source, ended: 0, video: {} };
  source.attach(state.video, () => (state.ended += 1));
  await settled();
  return state;
}

const settled = () => new Promise(setImmediate);

/** Ends the pauses that are made, one after the other; returns how long they were to be. */
async function pass(times) {
  const lengths = [];
  for (let i = 0; i < times && pauses.length > 0; i += 1) {
    const { ms, done } = pauses.shift();
    lengths.push(ms);
    done();
    await settled();
  }
  return lengths;
}

const painted = () => canvas.paintings.map((picture) => picture.name ?? picture);

test("numbers in names count as numbers", () => {
  const sorted = inNaturalOrder(files("img10.jpg", "img2.jpg", "img1.jpg"));
  assert.deepEqual(sorted.map(({ name }) => name), ["img1.jpg", "img2.jpg", "img10.jpg"]);
});

test("the pictures of one folder stay together", () => {
  const mixed = [file("1.jpg", "all/b/1.jpg"), file("2.jpg", "all/a/2.jpg"), file("1.jpg", "all/a/1.jpg")];
  const sorted = inNaturalOrder(mixed).map(({ webkitRelativePath }) => webkitRelativePath);
  assert.deepEqual(sorted, ["all/a/1.jpg", "all/a/2.jpg", "all/b/1.jpg"]);
});

test("several pictures are played in their order at ten a second, again and again", async () => {
  await playing(files("img10.jpg", "img2.jpg", "img1.jpg"));
  assert.deepEqual(painted(), ["img1.jpg", "itself"]);
  assert.deepEqual(await pass(4), [100, 100, 100, 100]);
  assert.deepEqual(painted().slice(2), ["img2.jpg", "img10.jpg", "img1.jpg", "img2.jpg"]);
});

test("one picture is decoded ahead, and none is kept that was painted", async () => {
  const { source } = await playing(files("1.jpg", "2.jpg", "3.jpg", "4.jpg"));
  assert.deepEqual(decoded, ["1.jpg", "2.jpg"]);
  await pass(10);
  assert.deepEqual([decoded.length, open.size], [12, 1]);
  source.close();
  await pass(1);
  assert.equal(open.size, 0);
});

test("a photo is painted again every second and decoded once", async () => {
  await playing(files("photo.png"));
  assert.deepEqual(await pass(3), [1000, 1000, 1000]);
  assert.deepEqual(painted(), ["photo.png", "itself", "itself", "itself", "itself"]);
  assert.deepEqual([decoded.length, open.size], [1, 0]);
});

test("a photo is decoded again where the model takes another size", async () => {
  await playing([{ name: "photo.jpg", width: 4000, height: 3000 }]);
  assert.deepEqual([canvas.width, canvas.height], [640, 480]);
  longSide = 1008;
  await pass(3);
  assert.deepEqual([canvas.width, canvas.height, decoded.length], [1008, 756, 2]);
});

test("a small picture is painted as large as it is", async () => {
  await playing(files("icon.png"));
  assert.deepEqual([canvas.width, canvas.height], [40, 30]);
});

test("a picture that cannot be read is left out, and not tried again", async () => {
  await playing(files("1.jpg", "broken.jpg", "3.jpg"));
  await pass(4);
  assert.deepEqual(painted().slice(2), ["3.jpg", "1.jpg", "3.jpg", "1.jpg"]);
  assert.equal(decoded.filter((name) => name === "broken.jpg").length, 1);
});

test("of several pictures the only one that can be read is a photo", async () => {
  await playing(files("1.jpg", "broken.jpg"));
  assert.deepEqual(await pass(3), [100, 1000, 1000]);
});

test("where no picture can be read there is no source", async () => {
  await assert.rejects(openStills(files("broken1.jpg", "broken2.jpg"), canvas, () => 504), { name: "NoPicture" });
});

test("the end is told once where the pictures cannot be read any more", async () => {
  const list = files("1.jpg", "2.jpg");
  const state = await playing(list);
  for (const one of list) one.name = `broken ${one.name}`;
  await pass(3);
  assert.deepEqual([state.ended, open.size, pauses.length], [1, 0, 0]);
});

test("a source that is closed paints nothing more and ends its stream", async () => {
  const { source, video } = await playing(files("1.jpg", "2.jpg"));
  source.close();
  const before = canvas.paintings.length;
  await pass(3);
  assert.deepEqual([canvas.paintings.length, open.size, pauses.length], [before, 0, 0]);
  assert.equal(video.srcObject.getTracks()[0].isStopped, true);
});

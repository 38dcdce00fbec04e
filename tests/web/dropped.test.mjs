// web/source/dropped.js: what a drop holds and what it is, with fake folders.
import assert from "node:assert/strict";
import { test } from "node:test";
import { filesOf, kindOf, MOST_FILES, sortOut } from "../../web/source/dropped.js";

const AT_A_TIME = 100; // entries that a reader gives, as Chromium's does

const file = (name, type = "") => ({ name, type });
const fileEntry = (name, fullPath) => ({
  name, fullPath, isFile: true, isDirectory: false, file: (done) => done(file(name)),
});

/** `content`: names of files, or {folder: content}. */
function folderEntry(name, content, parent = "") {
  const fullPath = `${parent}/${name}`;
  const entries = content.flatMap((one) =>
    typeof one === "string"
      ? [fileEntry(one, `${fullPath}/${one}`)]
      : Object.entries(one).map(([child, inside]) => folderEntry(child, inside, fullPath)),
  );
  const createReader = () => {
    const left = [...entries];
    return { readEntries: (done) => done(left.splice(0, AT_A_TIME)) };
  };
  return { name, fullPath, isFile: false, isDirectory: true, createReader };
}

const itemOf = (entry) => ({ kind: "file", webkitGetAsEntry: () => entry, getAsFile: () => file(entry.name) });
const drop = (...entries) => ({ items: entries.map(itemOf) });
const namesOf = async (dataTransfer) => (await filesOf(dataTransfer)).map(({ name }) => name);

test("dropped files are taken as they are", async () => {
  assert.deepEqual(await namesOf(drop(fileEntry("a.jpg", "/a.jpg"), fileEntry("b.jpg", "/b.jpg"))), ["a.jpg", "b.jpg"]);
});

test("a browser without entries gives the files alone", async () => {
  assert.deepEqual(await namesOf({ items: [{ kind: "file", getAsFile: () => file("a.jpg") }] }), ["a.jpg"]);
});

test("dropped text is no file", async () => {
  assert.deepEqual(await namesOf({ items: [{ kind: "string" }] }), []);
});

test("what cannot be had as a file is left out", async () => {
  const item = { kind: "file", webkitGetAsEntry: () => null, getAsFile: () => null };
  assert.deepEqual(await namesOf({ items: [item] }), []);
});

test("a dropped folder gives its files and those of its folders, with their paths", async () => {
  const files = await filesOf(drop(folderEntry("all", ["1.jpg", { deep: ["2.jpg", { deeper: ["3.jpg"] }] }])));
  const paths = files.map(({ webkitRelativePath }) => webkitRelativePath);
  assert.deepEqual(paths, ["all/1.jpg", "all/deep/2.jpg", "all/deep/deeper/3.jpg"]);
});

test("a folder is read until it gives no more", async () => {
  const names = Array.from({ length: 250 }, (_, i) => `${i}.jpg`);
  assert.deepEqual(await namesOf(drop(folderEntry("all", names))), names);
});

test("of too many files the first are taken", async () => {
  const names = Array.from({ length: MOST_FILES + 1 }, (_, i) => `${i}.jpg`);
  const found = await namesOf(drop(folderEntry("all", names), fileEntry("last.jpg", "/last.jpg")));
  assert.deepEqual([found.length, found.at(-1)], [MOST_FILES, `${MOST_FILES - 1}.jpg`]);
});

test("hidden files and folders inside a folder are left out", async () => {
  const folder = folderEntry("all", [".DS_Store", "1.jpg", { ".git": ["config"] }]);
  assert.deepEqual(await namesOf(drop(folder)), ["1.jpg"]);
});

test("a file and a folder that cannot be read are left out", async () => {
  const lost = { ...fileEntry("lost.jpg", "/all/lost.jpg"), file: (_done, failed) => failed(new Error("gone")) };
  const closed = folderEntry("closed", ["2.jpg"]);
  closed.createReader = () => ({ readEntries: (_done, failed) => failed(new Error("forbidden")) });
  const folder = folderEntry("all", []);
  const left = [lost, closed, fileEntry("1.jpg", "/all/1.jpg")];
  folder.createReader = () => ({ readEntries: (done) => done(left.splice(0)) });
  assert.deepEqual(await namesOf(drop(folder)), ["1.jpg"]);
});

test("everything is taken from the drop before the first wait, since then it is empty", async () => {
  const dataTransfer = drop(fileEntry("a.jpg", "/a.jpg"), folderEntry("all", ["b.jpg"]));
  const found = namesOf(dataTransfer);
  for (const item of dataTransfer.items) item.getAsFile = item.webkitGetAsEntry = () => null;
  dataTransfer.items.length = 0;
  assert.deepEqual(await found, ["a.jpg", "b.jpg"]);
});

const KINDS = {
  recording: [file("a.scam"), file("take.SCAM")],
  splats: [file("a.ply"), file("a.SPZ"), file("a.splat"), file("a.ksplat"), file("a.sog", "application/zip")],
  video: [file("a.MOV", "video/quicktime"), file("a.mkv"), file("clip", "video/mp4")],
  picture: [file("a.JPG", "image/jpeg"), file("a.webp"), file("photo", "image/png")],
  undefined: [file("notes.txt", "text/plain"), file("song.wav", "audio/wav"), file("no extension")],
};
for (const [kind, ofKind] of Object.entries(KINDS)) {
  test(`${ofKind.map(({ name, type }) => `${name} ${type}`.trim()).join(", ")}: ${kind}`, () => {
    assert.deepEqual(ofKind.map((one) => String(kindOf(one))), ofKind.map(() => kind));
  });
}

const [notes, photo, other] = [file("notes.txt"), file("1.jpg"), file("2.png")];
const [clip, scene] = [file("clip.mp4"), file("scene.ply")];

test("of a mixture splats win over a video, and a video over pictures", () => {
  assert.deepEqual(sortOut([notes, photo, clip, scene]), { kind: "splats", file: scene });
  assert.deepEqual(sortOut([notes, photo, clip]), { kind: "video", file: clip });
  assert.deepEqual(sortOut([notes, photo, other]), { kind: "pictures", files: [photo, other] });
});

test("hidden files are none of the pictures", () => {
  assert.deepEqual(sortOut([file("._1.jpg"), photo]), { kind: "pictures", files: [photo] });
});

test("what the page does not know is told by its name, or by how many they are", () => {
  assert.match(sortOut([notes]).sentence, /^This page cannot open “notes\.txt”\. Try /);
  assert.match(sortOut([notes, file("song.wav")]).sentence, /^This page can open none of the 2 files\. Try /);
  assert.deepEqual(sortOut([file(".DS_Store")]), { kind: "unknown", sentence: "There is no file in it." });
});

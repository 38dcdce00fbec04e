// web/commands.js: what goes wrong in a command is told in words.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { makeCommands } from "../../web/commands.js";

let told, saved, screen, stage, commands;
beforeEach(() => {
  [told, saved] = [[], []];
  screen = { shownResult: null };
  stage = { screenshot: async () => "a picture" };
  const notices = { mention: (_subject, sentence) => told.push(sentence) };
  commands = makeCommands({ stage, screen, notices }, { save: (name, data) => saved.push([name, data]) });
});

test("a screenshot is saved", async () => {
  await commands.screenshot();
  assert.deepEqual([saved, told], [[["splatcam.png", "a picture"]], []]);
});

test("a screenshot that cannot be taken is told in words", async () => {
  stage.screenshot = () => Promise.reject(new Error("The graphics card took the picture away."));
  await commands.screenshot();
  assert.deepEqual(saved, []);
  assert.deepEqual(told, ["The screenshot could not be saved: The graphics card took the picture away."]);
});

test("without a camera's frame on the screen there is none to save", async () => {
  await commands.savePly();
  assert.deepEqual([saved, told], [[], ["There is no frame of a camera on the screen that could be saved."]]);
});

test("a frame is saved under its number, and one that cannot be written is told in words", async () => {
  const ply_data = new Uint8Array([1]);
  screen.shownResult = { type: "gaussian_ply", frame_id: 7, num_splats: 1, ply_data };
  await commands.savePly();
  assert.deepEqual(saved, [["splatcam-000007.ply", ply_data]]);
  screen.shownResult = { type: "splats16", frame_id: 8, num_splats: 1 }; // without its data
  await commands.savePly();
  assert.equal(saved.length, 1);
  assert.match(told[0], /^The frame could not be saved as \.ply: /);
});

test("the key that freezes plays and pauses where a recording is open", () => {
  const done = [];
  const deck = { isOpen: true, togglePlaying: () => done.push("played") };
  const page = { changed: () => done.push("frozen") };
  const { freeze } = makeCommands({ screen: { frozen: false }, deck }, page);
  freeze();
  deck.isOpen = false;
  freeze();
  assert.deepEqual(done, ["played", "frozen"]);
});

// web/timeline: deck.js, commands.js, step_result.js and words.js. What is open, what is being made, and what is told.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { BlobSource } from "../../web/timeline/blob_source.js";
import { makeDeckCommands } from "../../web/timeline/commands.js";
import { Deck, NEWEST } from "../../web/timeline/deck.js";
import { ScamError } from "../../web/timeline/scam.js";
import { picturesOf, resultOf } from "../../web/timeline/step_result.js";
import { clockText, recordingText, sizeText, stepText, whyNoRecording, whyNoStop } from "../../web/timeline/words.js";
import { golden } from "./golden.mjs";
import { block, file, goldenTake, info, steps } from "./takes.mjs";

const soon = async () => {
  for (let i = 0; i < 100; i += 1) await new Promise((done) => setImmediate(done));
};
const sourceOf = (name) => new BlobSource(new Blob([goldenTake(name)]));
const made = (changes = {}) => ({
  type: "recording", id: "r1", state: "recording", steps: 3, seconds: 2, size_bytes: 1000, lost: 0, sound: false,
  message: "", ...changes,
});

let deck, screen, told, ended, pictures, frames, sounds, asked;
beforeEach(() => {
  [told, pictures, frames, sounds, asked, ended] = [[], [], [], [], [], ""];
  screen = {
    put: [], live: 0, replay: (result, seen) => screen.put.push({ result, seen }), backToLive: () => (screen.live += 1),
  };
  deck = new Deck({
    screen, now: () => 0, nextFrame: (callback) => frames.push(callback),
    sourceOf: (id) => (asked.push(id), sourceOf("recording")),
    makeSounds: () => {
      sounds.push({ isClosed: false, tick() {}, close() { this.isClosed = true; } });
      return sounds.at(-1);
    },
    on: {
      changed() {}, failed: (sentence) => told.push(sentence), ended: (sentence) => (ended = sentence),
      pictures: (shown) => pictures.push([...shown.keys()]),
    },
  });
});

test("a recording is put on the screen as the results that it holds, with the camera's picture beside", async () => {
  assert.equal(await deck.open(sourceOf("recording"), { name: "a.scam" }), true);
  await soon();
  const { result, seen } = screen.put[0];
  assert.deepEqual([result.type, result.frame_id, pictures.at(-1)], ["splats16", 0, ["camera"]]);
  assert.equal(deck.drawnStep, null);
  seen();
  assert.deepEqual([deck.drawnStep, deck.drawn, deck.name, deck.id, deck.tape.numSteps], [0, 1, "a.scam", null, 3]);
});

test("what cannot be opened is told by name, and what was open stays", async () => {
  await deck.open(sourceOf("recording"), { name: "good.scam" });
  assert.equal(await deck.open(new BlobSource(new Blob(["no"])), { name: "bad.scam" }), false);
  assert.match(told[0], /^“bad\.scam” cannot be opened: this is no \.scam file, .*\.$/);
  assert.equal(deck.name, "good.scam");
  await deck.open({ index: () => Promise.reject(new TypeError("no network")) }, { name: "far" });
  assert.equal(told[1], "“far” cannot be opened: it cannot be read now (no network).");
});

test("of two that are opened the newest wish wins, whichever answers first", async () => {
  let answer;
  const slow = { index: () => new Promise((done) => (answer = done)), read: () => {} };
  const first = deck.open(slow, { name: "slow" });
  await deck.open(sourceOf("recording"), { name: "quick" });
  answer(await sourceOf("timeline").index());
  assert.equal(await first, false);
  assert.deepEqual([deck.name, told], ["quick", []]);
});

test("a recording that was cut off, or holds no step, says so and is open", async () => {
  const torn = file(info(), steps(0, 2), steps(2, 2)).subarray(0, -5);
  await deck.open(new BlobSource(new Blob([torn])), { name: "torn" });
  assert.deepEqual(told, ["“torn” was cut off in the middle; its 2 whole steps play."]);
  await deck.open(new BlobSource(new Blob([file(info(), block(5, { lost: 0 }))])), { name: "empty" });
  assert.equal(told[1], "“empty” holds no step yet.");
  assert.equal(deck.isOpen, true);
});

test("a step that cannot be read is told, and the next one is shown", async () => {
  const message = (step) => (step === 0 ? new Uint8Array([1]) : golden("server", "compact").bytes);
  const at = (step) => ({
    nodes: { scene: { kind: "result", format: "compact", message: message(step) } },
    facts: { frame_id: step, captured_at_ms: 0, received_at_ms: 40 * step },
  });
  await deck.open(new BlobSource(new Blob([file(info(), steps(0, 2, at))])), { name: "odd" });
  await soon();
  assert.match(told[0], /^a step of the recording cannot be read/);
  deck.player.next();
  await soon();
  assert.equal(screen.put.at(-1).result.type, "compact");
});

test("back to live: the player is closed with its sound, and the screen shows the stream again", async () => {
  await deck.open(sourceOf("recording"), { name: "a" });
  const [player] = [deck.player];
  deck.goLive();
  assert.deepEqual([deck.isOpen, screen.live, sounds[0].isClosed, pictures.at(-1)], [false, 1, true, []]);
  frames.splice(0).forEach((callback) => callback());
  assert.equal(frames.length, 0); // nothing draws for it any more
  player.play();
  assert.equal(deck.tape, null);
});

test("the recording that is being made can be scrubbed: it is opened at the newest wish", async () => {
  deck.told(made());
  assert.deepEqual([deck.isRecording, deck.tape], [true, { step: 2, numSteps: 3, id: "r1" }]);
  const opened = deck.seek(0);
  deck.seek(1); // the slider goes on
  assert.equal(deck.tape.step, 1);
  await opened;
  assert.deepEqual([asked, deck.player.step, deck.id], [["r1"], 1, "r1"]);
  await deck.seek(2);
  assert.deepEqual([asked.length, deck.player.step], [1, 2]);
});

test("play begins the recording that is being made at its first step, and pauses it again", async () => {
  deck.told(made({ state: "ended" }));
  await deck.togglePlaying();
  assert.deepEqual([deck.player.isPlaying, deck.player.step], [true, 0]);
  await deck.togglePlaying();
  assert.equal(deck.player.isPlaying, false);
});

test("an ended recording is offered until it is closed, a running one is not closed", () => {
  deck.told(made());
  deck.close();
  assert.equal(deck.made.id, "r1");
  deck.told(made({ state: "ended" }));
  deck.close();
  assert.equal(deck.tape, null);
});

test("a recording that failed is told, and kept if it holds steps", () => {
  deck.told(made({ state: "failed", message: "The disk is full." }));
  assert.deepEqual([ended, deck.made.state], ["The recording has ended: The disk is full.", "failed"]);
  deck.told(made({ state: "failed", steps: 0, message: "The disk is full." }));
  assert.equal(deck.made, null);
});

test("why a recording has ended stands until the next one begins, or until it is closed", () => {
  const full = made({ message: "the disk is full" });
  deck.told(full);
  assert.equal(ended, ""); // its last word comes when the file is whole
  deck.told({ ...full, state: "ended" });
  assert.equal(ended, "The recording has ended: the disk is full.");
  deck.told(made({ id: "r2" }));
  assert.equal(ended, "");
  deck.told({ ...full, id: "r2", state: "ended" });
  deck.close();
  assert.equal(ended, "");
});

test("the last word about the recording before takes nothing from the one that runs", () => {
  deck.told(made({ id: "r2" }));
  deck.told(made({ id: "r1", state: "ended" }));
  deck.told(made({ id: "r1", state: "failed", steps: 0, message: "The disk is full." }));
  assert.deepEqual([deck.made.id, deck.isRecording, told], ["r2", true, []]);
  assert.equal(ended, "The recording has ended: The disk is full.");
  deck.told(made({ id: "r2", state: "ended" }));
  assert.equal(deck.isRecording, false);
});

test("with the connection a running recording is forgotten, an ended one stays", () => {
  deck.told(made());
  deck.forget();
  assert.equal(deck.made, null);
  deck.told(made({ state: "ended" }));
  deck.forget();
  assert.equal(deck.made.state, "ended");
});

test("the commands steer what is open, and do nothing where nothing is", async () => {
  const commands = makeDeckCommands(deck);
  for (const act of Object.values(commands)) act();
  assert.equal(asked.length, 0);
  await deck.open(sourceOf("recording"), { name: "a" });
  commands.faster();
  commands.loop();
  commands.nextStep();
  assert.deepEqual([deck.player.speed, deck.player.loop, deck.player.step], [1.5, true, 1]);
  for (let i = 0; i < 9; i += 1) commands.slower();
  commands.previousStep();
  assert.deepEqual([deck.player.speed, deck.player.step], [0.25, 0]);
  commands.goLive();
  assert.equal(deck.isOpen, false);
});

test("a step back from live shows the newest step of the recording that is being made", async () => {
  deck.told(made());
  await makeDeckCommands(deck).previousStep();
  assert.equal(deck.player.step, 2);
  assert.equal(NEWEST > 2 ** 31, true);
});

// ---------------------------------------------------------------- steps as results

const node = (name) => ({ kind: "result", format: name, message: golden("server", name).bytes });

test("a compact result without a picture of its own takes the camera's", () => {
  const jpeg = Uint8Array.of(255, 216, 255, 9);
  const scene = (name) => new Map([["camera", { kind: "picture", jpeg }], ["scene", node(name)]]);
  const shownAs = (name) => resultOf({ scene: scene(name), info: { source: "recording" } });
  assert.deepEqual(shownAs("compact_own").color, jpeg);
  assert.notDeepEqual(shownAs("compact").color, jpeg);
});

test("a camera's node that is no picture is nobody's colours", () => {
  const cloud = { kind: "pointcloud", num_points: 0, points: new Uint8Array(0), colors: new Uint8Array(0) };
  const scene = new Map([["camera", cloud], ["scene", node("compact_own")]]);
  assert.equal(resultOf({ scene, info: { source: "recording" } }).color, undefined);
});

test("a program's nodes are results by name; an unchanged one is the same, and pictures have no place in space", () => {
  const ground = { kind: "pointcloud", num_points: 0, points: new Uint8Array(0), colors: new Uint8Array(0) };
  const note = { kind: "picture", jpeg: Uint8Array.of(255, 216, 255) };
  const scene = new Map([["ground", ground], ["live", node("splats16")], ["note", note]]);
  const [one, two] = [1, 2].map(() => resultOf({ scene, info: { source: "timeline" } }));
  const types = [...one.nodes].map(([name, { type }]) => [name, type]);
  assert.deepEqual(types, [["ground", "pointcloud"], ["live", "splats16"]]);
  assert.equal(one.nodes.get("live"), two.nodes.get("live"));
  assert.deepEqual([...picturesOf({ scene }).keys()], ["note"]);
});

test("a message that is no result is refused in words", () => {
  const scene = new Map([["scene", node("pong")]]);
  assert.throws(() => resultOf({ scene, info: { source: "recording" } }), ScamError);
});

// ---------------------------------------------------------------- words

test("times, sizes and steps in words", () => {
  assert.deepEqual([0, 75.9, 3661].map(clockText), ["0:00", "1:15", "1:01:01"]);
  assert.deepEqual([0, 999, 3.4e6, 2e9].map(sizeText), ["0 kB", "1 kB", "3.4 MB", "2.00 GB"]);
  assert.equal(stepText({ step: 119, numSteps: 600, seconds: 4.1, state: "ready" }), "120 / 600 · 4.1 s");
  assert.equal(stepText({ step: 0, numSteps: 2, seconds: 0, state: "waiting" }), "1 / 2 · 0.0 s …");
  assert.equal(stepText({ step: 21, numSteps: 22, seconds: null, state: "waiting" }), "22 / 22 …");
  assert.equal(stepText({ numSteps: 0 }), "no step yet");
  assert.equal(recordingText(made({ seconds: 12, size_bytes: 3.4e6, lost: 2 })), "0:12 · 3.4 MB · 2 lost");
});

test("why nothing can be recorded is one sentence, or none", () => {
  const welcome = { recording: "asked" };
  const reason = (changes) => whyNoRecording({ welcome, isWatching: false, hasSource: true, ...changes });
  assert.equal(reason({}), "");
  assert.match(reason({ isWatching: true }), /whose camera/);
  assert.match(reason({ welcome: null }), /no connection/);
  assert.match(reason({ welcome: { recording: "off" } }), /--record off/);
  assert.match(reason({ hasSource: false }), /Start a camera/);
  assert.deepEqual([whyNoStop(null), whyNoStop(welcome)], ["", ""]);
  assert.match(whyNoStop({ recording: "always" }), /records every camera/);
});

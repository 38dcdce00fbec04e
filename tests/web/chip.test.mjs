// web/panel/chip.js: the state in a word, the model in a line.
import assert from "node:assert/strict";
import { test } from "node:test";
import { chipOf, modelText, statusText } from "../../web/panel/chip.js";
import { golden } from "./golden.mjs";

const LIVE = {
  connection: "open", status: null, isStalled: false, isFrozen: false, isShowingFile: false, isReplaying: false,
  hasSource: true,
  hasResult: true,
};
const textOf = (changes) => chipOf({ ...LIVE, ...changes }).text;

test("a stream that flows is live", () => {
  assert.deepEqual(chipOf(LIVE), { kind: "live", text: "Live" });
});

test("every state of the connection has a word of its own", () => {
  const states = ["connecting", "waiting", "idle", "refused", "closed"];
  const words = states.map((connection) => textOf({ connection }));
  assert.deepEqual(words, ["Connecting", "Reconnecting", "Idle", "Refused by the server", "Disconnected"]);
});

test("who has no source yet is connected, who waits for the first result is told so", () => {
  assert.equal(textOf({ hasSource: false, hasResult: false }), "Connected");
  assert.equal(textOf({ hasResult: false }), "Waiting for the first frame");
});

test("a stream that hangs is stalled, also where the picture is frozen", () => {
  assert.equal(textOf({ isStalled: true, isFrozen: true }), "Stalled");
  assert.equal(textOf({ isFrozen: true }), "Frozen");
  assert.equal(textOf({ isFrozen: true, hasSource: false }), "Frozen"); // the moment is still there
});

test("a failed model and a file on the screen are told before all else", () => {
  assert.equal(textOf({ status: { state: "restarting", message: "" } }), "The model restarts");
  assert.equal(textOf({ status: { state: "failed", message: "no memory" } }), "The model failed");
  assert.equal(textOf({ isShowingFile: true, connection: "waiting" }), "File");
  assert.equal(textOf({ isReplaying: true, connection: "waiting" }), "Replay");
});

test("a model that loads says how far it is; one that is ready says nothing", () => {
  assert.equal(statusText(golden("server", "status_loading").meaning), "Loading the model. 50 %");
  assert.equal(statusText(golden("server", "status_ready").meaning), "");
  assert.equal(statusText(null), "");
});

test("a non-commercial licence is named as such", () => {
  const { model: builtin } = golden("server", "welcome").meaning;
  const { model: giant } = golden("server", "welcome_non_commercial").meaning;
  assert.equal(modelText(builtin), "Built-in · Apache-2.0");
  assert.equal(modelText(giant), "Depth Anything 3 giant · CC BY-NC 4.0, not for commercial use");
});

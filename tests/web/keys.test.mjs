// web/panel/keys.js: each key once, each known to commands.js, none taken from a control that needs it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { makeCommands } from "../../web/commands.js";
import { actionOf, KEYS } from "../../web/panel/keys.js";

const press = (key, target = { tagName: "BODY" }, more = {}) => actionOf({ key, target, ...more });

test("no key does two things, and every action is a command", () => {
  const keys = KEYS.flatMap((entry) => entry.keys);
  assert.equal(new Set(keys).size, keys.length);
  const commands = makeCommands({}, {});
  for (const { action } of KEYS) assert.equal(typeof commands[action], "function", action);
});

test("a key does the same with the shift key or caps lock", () => {
  assert.equal(press("R"), "reset");
  assert.equal(press("r"), "reset");
  assert.equal(press("?"), "help");
});

test("shortcuts of the browser stay the browser's", () => {
  for (const modifier of ["ctrlKey", "metaKey", "altKey"]) {
    assert.equal(press("r", { tagName: "BODY" }, { [modifier]: true }), undefined);
  }
  assert.equal(press("Tab"), undefined);
});

test("a control gets the keys that it needs", () => {
  assert.equal(press(" ", { tagName: "BUTTON" }), undefined);
  assert.equal(press("r", { tagName: "BUTTON" }), "reset");
  assert.equal(press("r", { tagName: "SELECT" }), undefined);
  assert.equal(press("r", { tagName: "INPUT", type: "text" }), undefined);
  assert.equal(press(" ", { tagName: "INPUT", type: "checkbox" }), undefined);
  assert.equal(press("r", { tagName: "INPUT", type: "range" }), "reset");
});

test("a key that is held down acts once, but the size goes on changing", () => {
  const hold = (key) => press(key, { tagName: "BODY" }, { repeat: true });
  assert.deepEqual([" ", "s", "d", "p"].map(hold), [undefined, undefined, undefined, undefined]);
  assert.deepEqual(["+", "-"].map(hold), ["larger", "smaller"]);
});

test("escape closes from anywhere", () => {
  assert.equal(press("Escape", { tagName: "SELECT" }), "close");
});

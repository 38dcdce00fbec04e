// web/choices.js: the address, the panel and the server's settings hold the same choices.
import assert from "node:assert/strict";
import { test } from "node:test";
import { AUTO, Choices, CHOICES, everyNthPixel, isPinned } from "../../web/choices.js";
import { msgpack } from "./golden.mjs";
import { settings } from "../../web/wire.js";

test("without anything in the address all is as usual, and the server is asked for nothing", () => {
  const choices = new Choices("");
  for (const choice of CHOICES) assert.equal(choices.get(choice.name), choice.default);
  assert.equal(choices.wishes(), null);
  assert.equal(choices.writtenInto(""), "");
});

test("what stands in the address holds, and goes back into it", () => {
  const search = "?watch=newest&stride=2&motion=orbit&mirror=true&hud=false";
  const choices = new Choices(search);
  assert.deepEqual(["stride", "motion", "mirror", "hud"].map((name) => choices.get(name)), [2, "orbit", true, false]);
  assert.equal(choices.writtenInto(search), search);
});

test("nonsense in the address counts as not given; a number out of range is the nearest that makes sense", () => {
  const choices = new Choices("?motion=warp&mirror=perhaps&stride=&opacity=abc&depth=7&fps=-3");
  const valuesOf = (...names) => names.map((name) => choices.get(name));
  assert.deepEqual(valuesOf("motion", "mirror", "stride", "opacity"), ["still", false, AUTO, 0.1]);
  assert.deepEqual(valuesOf("depth", "fps"), [1, 1]);
});

test("a number between two steps is the nearest step: the server refuses half a stride", () => {
  const choices = new Choices("?stride=2.5&depth=0.777&scale=1.26&opacity=0.3&fps=0.5");
  const values = ["stride", "depth", "scale", "opacity", "fps"].map((name) => choices.get(name));
  assert.deepEqual(values, [3, 0.78, 1.3, 0.3, 1]);
});

test("a choice is told once, and not where nothing changes", () => {
  const choices = new Choices("");
  const told = [];
  choices.onChange(({ name }, value) => told.push([name, value]));
  choices.set("stride", "3");
  choices.set("stride", 3);
  choices.set("stride", "nonsense");
  assert.deepEqual(told, [["stride", 3]]);
});

test("a choice that goes back to the usual leaves the address, and the server is told", () => {
  const choices = new Choices("?opacity=0.4");
  choices.set("opacity", 0.1);
  assert.equal(choices.writtenInto("?opacity=0.4"), "");
  assert.deepEqual(choices.wishes(), { min_opacity: 0.1 });
});

const STREAM = {
  format: ["splats16", "format", "splats16"],
  output: ["pixel", "output", "pixel"],
  stride: ["4", "stride", 4],
  bits: ["10", "depth_bits", 10],
  fps: ["15", "max_fps", 15],
};
for (const [name, [text, field, value]] of Object.entries(STREAM)) {
  test(`${name} is left to the link until somebody chose, and can be left to it again`, () => {
    assert.equal(new Choices(`?${name}=${AUTO}`).wishes(), null);
    const choices = new Choices(`?${name}=${text}`);
    assert.deepEqual(choices.wishes(), { [field]: value });
    choices.set(name, AUTO);
    assert.deepEqual([choices.wishes(), choices.writtenInto(`?${name}=${text}`)], [{ [field]: AUTO }, ""]);
  });
}

test("points go one way only: while they are chosen, the format that was chosen for splats waits", () => {
  const choices = new Choices("?format=compact");
  choices.set("output", "points");
  assert.deepEqual(choices.wishes(), { format: AUTO, output: "points" });
  choices.set("output", AUTO);
  assert.deepEqual(choices.wishes(), { format: "compact", output: AUTO });
});

test("what somebody decided is pinned, where the link would have decided it", () => {
  const choices = new Choices("?stride=2&motion=orbit&jpeg=low");
  const pinned = CHOICES.filter((choice) => isPinned(choice, choices.get(choice.name)));
  assert.deepEqual(pinned.map(({ name }) => name), ["stride", "jpeg"]);
});

test("how good the camera's pictures are is no business of the server", () => {
  const choices = new Choices("?jpeg=low&size=three-quarters");
  assert.equal(choices.wishes(), null);
  assert.equal(choices.writtenInto(""), "?jpeg=low&size=three-quarters");
});

test("all fields travel as the protocol's settings take them", () => {
  const choices = new Choices("?format=compact&output=pixel&stride=2&bits=12&opacity=0.3&depth=0.9&fps=10");
  const wishes = {
    format: "compact", output: "pixel", stride: 2, depth_bits: 12, min_opacity: 0.3, max_depth_percentile: 0.9,
    max_fps: 10,
  };
  assert.deepEqual(choices.wishes(), wishes);
  assert.deepEqual(msgpack.decode(settings(wishes)), { type: "settings", ...wishes });
});

test("strides are named for people", () => {
  assert.deepEqual([1, 2, 3, 4].map(everyNthPixel), [
    "every pixel", "every 2nd pixel", "every 3rd pixel", "every 4th pixel",
  ]);
});

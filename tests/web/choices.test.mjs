// web/choices.js: the address, the panel and the server's settings hold the same choices.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Choices, CHOICES } from "../../web/choices.js";
import { msgpack } from "./golden.mjs";
import { settings } from "../../web/wire.js";

const GIANT = { supports_gaussians: true };
const SMALL = { supports_gaussians: false };

test("without anything in the address all is as usual, and the server is asked for nothing", () => {
  const choices = new Choices("");
  for (const choice of CHOICES) assert.equal(choices.get(choice.name), choice.default);
  assert.equal(choices.wishes(SMALL), null);
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
  assert.deepEqual(valuesOf("motion", "mirror", "stride", "opacity"), ["still", false, 1, 0.1]);
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
  const choices = new Choices("?stride=4");
  choices.set("stride", 1);
  assert.equal(choices.writtenInto("?stride=4"), "");
  assert.deepEqual(choices.wishes(SMALL), { stride: 1 });
});

test("what suits the model follows the model, and is left to the server until somebody chose", () => {
  const choices = new Choices("?output=points");
  assert.deepEqual(choices.wishes(GIANT), { output: "points" });
  choices.set("output", "auto");
  assert.deepEqual(choices.wishes(GIANT), { output: "network" });
  assert.deepEqual(choices.wishes(SMALL), { output: "pixel" });
  assert.equal(choices.wishes(undefined), null);
});

test("all fields travel as the protocol's settings take them", () => {
  const choices = new Choices("?output=pixel&stride=2&opacity=0.3&depth=0.9&fps=10");
  const wishes = { output: "pixel", stride: 2, min_opacity: 0.3, max_depth_percentile: 0.9, max_fps: 10 };
  assert.deepEqual(choices.wishes(SMALL), wishes);
  assert.deepEqual(msgpack.decode(settings(wishes)), { type: "settings", ...wishes });
  choices.set("fps", 60);
  assert.equal(choices.wishes(SMALL).max_fps, 240);
});

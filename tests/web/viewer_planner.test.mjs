// web/viewer/planner.js: coarse while it moves, sharp at rest, never more than the server draws.
import assert from "node:assert/strict";
import { test } from "node:test";
import { homeOf } from "../../web/viewer/orbit.js";
import { maxScaleOf, nextDivisor, plan, queryOf, steppedScale } from "../../web/viewer/planner.js";

const SCREEN = { width: 400, height: 300, pixelRatio: 1 };

test("at rest a picture has the screen's own pixels and a high quality", () => {
  assert.deepEqual(plan(SCREEN, 1, null), { width: 400, height: 300, quality: 90 });
});

test("while it moves the sides are a half, or a quarter, and the quality is lower", () => {
  assert.deepEqual(plan(SCREEN, 1, 2), { width: 200, height: 150, quality: 70 });
  assert.deepEqual(plan(SCREEN, 1, 4), { width: 100, height: 75, quality: 70 });
  assert.deepEqual(plan(SCREEN, 0.5, 2), { width: 100, height: 75, quality: 70 });
});

test("a fine screen counts at most twofold", () => {
  assert.equal(plan({ ...SCREEN, pixelRatio: 2 }, 1, null).width, 800);
  assert.equal(plan({ ...SCREEN, pixelRatio: 4 }, 1, null).width, 800);
});

test("a picture is never larger than what the server draws, nor flatter than the screen", () => {
  for (const [width, height, pixelRatio] of [[3840, 2160, 2], [1921, 1089, 1], [777, 3001, 1.5], [5000, 420, 1]]) {
    const planned = plan({ width, height, pixelRatio }, 1, null, 1920 * 1088);
    assert.ok(planned.width * planned.height <= 1920 * 1088);
    assert.ok(planned.width * planned.height > 0.98 * Math.min(1920 * 1088, width * height * pixelRatio ** 2));
    assert.ok(Math.abs(Math.log((planned.width / planned.height) * (height / width))) < 0.01);
  }
});

test("no side is smaller than 16", () => {
  assert.deepEqual(plan({ width: 20, height: 20, pixelRatio: 1 }, 0.25, 4), { width: 16, height: 16, quality: 70 });
});

test("a slow half becomes a quarter, and a half again only where that would be quick", () => {
  assert.deepEqual([20, 80, 81, 500].map((ms) => nextDivisor(2, ms)), [2, 2, 4, 4]);
  assert.deepEqual([10, 19, 20, 60, 500].map((ms) => nextDivisor(4, ms)), [2, 2, 4, 4, 4]);
});

test("the server's wish for less is kept within limits, and what is heavy is at most a half", () => {
  assert.deepEqual([0.01, 0.5, 7].map((asked) => maxScaleOf({ max_scale: asked })), [0.1, 0.5, 1]);
  assert.equal(maxScaleOf({}), 1);
  assert.equal(maxScaleOf({ heavy: true }), 0.5);
  assert.equal(maxScaleOf({ heavy: true, max_scale: 0.3 }), 0.3);
});

test("the keys go by quarters, from a quarter to the whole", () => {
  assert.deepEqual([1, 0.75, 0.5, 0.25].map((scale) => steppedScale(scale, -1)), [0.75, 0.5, 0.25, 0.25]);
  assert.deepEqual([0.25, 0.75, 1].map((scale) => steppedScale(scale, 1)), [0.5, 1, 1]);
});

test("the query has every name of the contract, and no endless digits", () => {
  const place = homeOf({ theta: 1 / 3, phi: 0.25, radius: 2, target: [1, 2, 3], up: -1 });
  const query = new URLSearchParams(queryOf(place, 60, { width: 64, height: 48, quality: 70 }, "depth", "abc"));
  assert.deepEqual(Object.fromEntries(query), {
    theta: "0.3333333", phi: "0.25", radius: "2", tx: "1", ty: "2", tz: "3", fov: "60", w: "64", h: "48", q: "70",
    mode: "depth", up: "-1", client: "abc",
  });
});

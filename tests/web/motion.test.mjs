// web/view/motion.js: what moves the eye by itself, told by the loop's own time.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { Motion } from "../../web/view/motion.js";

const TICK_MS = 100;
const degrees = (radians) => (radians * 180) / Math.PI;

let motion, nowMs;
beforeEach(() => {
  motion = new Motion();
  nowMs = 5000;
  motion.offsetAt(nowMs);
});

/** The offsets of the ticks of so many seconds. */
function run(seconds) {
  const offsets = [];
  for (let i = 0; i < (seconds * 1000) / TICK_MS; i += 1) offsets.push(motion.offsetAt((nowMs += TICK_MS)));
  return offsets;
}

const azimuths = (offsets) => offsets.map((offset) => degrees(offset.azimuth));
const largest = (values) => Math.max(...values.map(Math.abs));

test("a still view is left alone", () => {
  assert.deepEqual(new Set(run(1)), new Set([null]));
});

test("an orbit about what one camera saw swings 35 degrees to each side and comes back in 40 seconds", () => {
  motion.kind = "orbit";
  const seen = azimuths(run(40));
  assert.ok(Math.abs(Math.max(...seen) - 35) < 0.01);
  assert.ok(Math.abs(Math.min(...seen) + 35) < 0.01);
  assert.ok(Math.abs(seen.at(-1)) < 0.01);
});

test("an orbit about a scene with a back side goes all the way round in 40 seconds", () => {
  motion.orbit = "turn";
  motion.kind = "orbit";
  assert.ok(Math.abs(azimuths(run(40)).at(-1) - 360) < 0.01);
});

test("a parallax wobbles by three parts of a hundred about where the eye was left, in six seconds", () => {
  motion.kind = "parallax";
  const offsets = run(6);
  assert.ok(Math.abs(largest(offsets.map(({ azimuth }) => azimuth)) - 0.03) < 0.001);
  assert.ok(Math.abs(largest(offsets.map(({ elevation }) => elevation)) - 0.015) < 0.001);
  assert.ok(Math.abs(offsets.at(-1).azimuth) < 0.001);
});

for (const kind of ["orbit", "parallax"]) {
  test(`${kind} begins where the eye is, without a jump`, () => {
    motion.kind = kind;
    const [first] = run(TICK_MS / 1000);
    assert.ok(Math.abs(degrees(first.azimuth)) < 1 && Math.abs(degrees(first.elevation)) < 1);
  });
}

test("while the person holds the view nothing moves, and three seconds after that it begins anew", () => {
  motion.kind = "orbit";
  run(10);
  motion.hold();
  assert.deepEqual(new Set(run(60)), new Set([null]));
  motion.release();
  const offsets = run(4);
  assert.equal(offsets.findIndex((offset) => offset !== null), 3000 / TICK_MS - 1);
  assert.ok(largest(azimuths(offsets.filter(Boolean))) < 7);
});

test("a tab that was hidden for an hour goes on where it stopped", () => {
  motion.kind = "orbit";
  const before = azimuths(run(5)).at(-1);
  nowMs += 3_600_000;
  const [after] = azimuths(run(TICK_MS / 1000));
  assert.ok(Math.abs(after - before) < 2, `${before} became ${after}`);
});

test("what nobody knows to do is refused", () => {
  assert.throws(() => { motion.kind = "dance"; }, /dance is none of still,orbit,parallax/);
  assert.throws(() => { motion.orbit = "spiral"; }, /spiral is none of swing,turn/);
});

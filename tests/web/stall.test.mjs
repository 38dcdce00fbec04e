// web/panel/stall.js: a stream that stands still is noticed, and where it hangs is told.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { expectsResults, STALL, StallWatch } from "../../web/panel/stall.js";

const FLOWING = { expects: true, isWatching: false };
let watch;
beforeEach(() => {
  watch = new StallWatch();
  watch.look(0, { ...FLOWING, framesSeen: 1, received: 1 });
});

test("results that keep coming are no stall", () => {
  for (let s = 1; s < 60; s += 1) {
    const seen = watch.look(1000 * s, { ...FLOWING, framesSeen: s + 1, received: s + 1 });
    assert.deepEqual(seen, { isStalled: false, sentence: "" });
  }
});

test("two seconds without a result are a stall, five are worth a sentence", () => {
  const silent = { ...FLOWING, received: 1 };
  assert.deepEqual(watch.look(1900, { ...silent, framesSeen: 2 }), { isStalled: false, sentence: "" });
  assert.deepEqual(watch.look(2000, { ...silent, framesSeen: 3 }), { isStalled: true, sentence: "" });
  assert.deepEqual(watch.look(5000, { ...silent, framesSeen: 4 }), { isStalled: true, sentence: STALL.server });
});

test("a model that takes four seconds a frame is no stall, until it takes twice as long", () => {
  for (let s = 1; s <= 20; s += 1) {
    const received = 1 + Math.floor(s / 4);
    const seen = watch.look(1000 * s, { ...FLOWING, framesSeen: s + 1, received });
    if (s >= 4) assert.deepEqual(seen, { isStalled: false, sentence: "" }, `second ${s}`);
  }
  const late = { ...FLOWING, received: 6 };
  assert.equal(watch.look(27_900, { ...late, framesSeen: 28 }).isStalled, false);
  assert.equal(watch.look(28_000, { ...late, framesSeen: 29 }).sentence, STALL.server);
});

test("a source without pictures is told apart from a server without answers", () => {
  const nothing = { ...FLOWING, framesSeen: 1, received: 1 };
  assert.equal(watch.look(5000, nothing).sentence, STALL.source);
});

test("who watches another camera is told that it is that one", () => {
  const nothing = { expects: true, isWatching: true, framesSeen: 1, received: 1 };
  assert.equal(watch.look(5000, nothing).sentence, STALL.watched);
});

test("where nothing is expected nothing is missed, and the time counts from when it is", () => {
  const nothing = { framesSeen: 1, received: 1 };
  assert.equal(watch.look(60_000, { expects: false, isWatching: false, ...nothing }).isStalled, false);
  assert.equal(watch.look(61_000, { ...FLOWING, ...nothing }).isStalled, false);
  assert.equal(watch.look(62_900, { ...FLOWING, ...nothing }).isStalled, false);
  assert.equal(watch.look(63_000, { ...FLOWING, ...nothing }).isStalled, true);
});

test("results are expected of an open connection with a source, and not while the model restarts or has failed", () => {
  const streaming = { connection: "open", status: null, hasSource: true, isHidden: false };
  const expects = (changes) => expectsResults({ ...streaming, ...changes });
  assert.deepEqual([expects({}), expects({ status: { state: "ready" } })], [true, true]);
  const quiet = [
    { connection: "waiting" }, { hasSource: false }, { isHidden: true }, { status: { state: "restarting" } },
    { status: { state: "failed" } },
  ];
  assert.deepEqual(quiet.filter(expects), []);
});

// web/source/screen_lock.js with a fake wake lock.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { ScreenLock } from "../../web/source/screen_lock.js";

let locks, lock;
const held = () => locks.filter(({ released }) => !released).length;
beforeEach(() => {
  locks = [];
  lock = new ScreenLock({
    async request() {
      const one = { released: false, release: () => (one.released = true) };
      locks.push(one);
      return one;
    },
  });
});

test("one lock is held while it is wanted, however often that is said", async () => {
  await Promise.all([lock.want(true), lock.want(true)]);
  await lock.want(true);
  assert.equal(held(), 1);
  await lock.want(false);
  assert.equal(held(), 0);
});

test("a lock that comes after it is no longer wanted is given back", async () => {
  const coming = lock.want(true);
  await lock.want(false);
  await coming;
  assert.equal(held(), 0);
});

test("a lock that the browser took away is asked for again", async () => {
  await lock.want(true);
  locks[0].released = true; // as when the page was hidden
  await lock.want(true);
  assert.deepEqual([locks.length, held()], [2, 1]);
});

test("a browser without locks, or one that refuses, is no fault", async () => {
  await new ScreenLock(undefined).want(true);
  await new ScreenLock({ request: async () => { throw new Error("low battery"); } }).want(true);
});

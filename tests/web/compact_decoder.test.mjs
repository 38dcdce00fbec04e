// web/compact/decoder.js with a fake worker: one frame at a time, the newest waits, and workers that fail.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { WorkerDecoder } from "../../web/compact/decoder.js";

class FakeWorker {
  asked = [];
  isTerminated = false;

  postMessage(message, transferred) {
    this.asked.push({ ...message, transferred });
  }

  terminate() {
    this.isTerminated = true;
  }

  answer(fields = {}) {
    this.onmessage({ data: { words: new ArrayBuffer(16), count: 1, ...fields } });
  }

  fail(fields) {
    let isHandled = false;
    this.onerror({ ...fields, preventDefault: () => (isHandled = true) });
    return isHandled;
  }
}

const resultOf = (frame_id) => ({ type: "compact", frame_id, num_splats: frame_id, color: new Uint8Array(1) });

let workers, timers, done, decoder;
const worker = () => workers.at(-1);
const ask = (result) => decoder.decode(result, (error, words, count) => done.push([result.frame_id, error, count]));
const outcomes = () => done.map(([frameId, error]) => [frameId, error?.message ?? "done"]);

beforeEach(() => {
  [workers, timers, done] = [[], [], []];
  decoder = new WorkerDecoder({
    createWorker: () => workers[workers.push(new FakeWorker()) - 1],
    schedule: (callback, ms) => timers.push({ callback, ms }),
  });
});

test("no worker is made before there is something to decode, and one serves all frames", () => {
  assert.equal(workers.length, 0);
  for (let id = 1; id <= 3; id += 1) {
    ask(resultOf(id));
    worker().answer();
  }
  assert.equal(workers.length, 1);
  assert.deepEqual(outcomes(), [[1, "done"], [2, "done"], [3, "done"]]);
});

test("one frame at a time is decoded; the newest waits and replaces older ones", () => {
  for (let id = 1; id <= 4; id += 1) ask(resultOf(id));
  assert.deepEqual(worker().asked.map(({ fields }) => fields.num_splats), [1]);
  worker().answer();
  worker().answer();
  assert.deepEqual(worker().asked.map(({ fields }) => fields.num_splats), [1, 4]);
  assert.deepEqual(outcomes(), [[1, "done"], [4, "done"]]);
});

test("the buffer goes back and forth, and comes back from a frame that failed as well", () => {
  const words = new ArrayBuffer(64);
  ask(resultOf(1));
  assert.deepEqual([worker().asked[0].words, worker().asked[0].transferred], [null, []]);
  worker().answer({ words });
  ask(resultOf(2));
  assert.equal(worker().asked[1].words, words);
  assert.deepEqual(worker().asked[1].transferred, [words]);
  worker().answer({ words, error: "no deflate" });
  ask(resultOf(3));
  assert.equal(worker().asked[2].words, words);
  assert.deepEqual(outcomes(), [[1, "done"], [2, "no deflate"]]);
});

test("the fields that decoding needs go to the worker, and no others", () => {
  ask({ ...resultOf(1), mask: new Uint8Array(2), timings_ms: {} });
  const { fields } = worker().asked[0];
  assert.deepEqual([fields.mask.length, fields.color.length, "timings_ms" in fields], [2, 1, false]);
});

test("a frame whose picture is gone fails without the worker, and one without splats needs none", () => {
  ask({ ...resultOf(1), color: undefined });
  assert.deepEqual([workers.length, outcomes()], [0, [[1, "its picture is gone"]]]);
  ask({ ...resultOf(0), color: undefined });
  worker().answer({ count: 0 });
  assert.deepEqual(outcomes()[1], [0, "done"]);
});

test("a worker that dies fails its frame, and the next frame gets another", () => {
  ask(resultOf(1));
  ask(resultOf(2));
  const [first] = workers;
  assert.ok(first.fail({ message: "out of memory" }));
  assert.ok(first.isTerminated);
  assert.equal(workers.length, 2);
  worker().answer();
  assert.deepEqual(outcomes(), [[1, "out of memory"], [2, "done"]]);
});

test("a worker that cannot be loaded says nothing about why", () => {
  ask(resultOf(1));
  worker().fail({});
  assert.deepEqual(outcomes(), [[1, "the decoder could not be started"]]);
});

test("a browser that knows no such workers fails the frame", () => {
  decoder = new WorkerDecoder({ createWorker: () => { throw new Error("no module workers"); }, schedule: () => {} });
  ask(resultOf(1));
  ask(resultOf(2));
  assert.deepEqual(outcomes(), [[1, "no module workers"], [2, "no module workers"]]);
});

test("a worker that dies while it has nothing to do is replaced without a word", () => {
  ask(resultOf(1));
  worker().answer();
  worker().fail({ message: "gone" });
  ask(resultOf(2));
  worker().answer();
  assert.deepEqual([workers.length, outcomes()], [2, [[1, "done"], [2, "done"]]]);
});

test("a worker that says nothing for ten seconds is given up; one that answered is not", () => {
  ask(resultOf(1));
  worker().answer();
  ask(resultOf(2));
  assert.deepEqual(timers.map(({ ms }) => ms), [10_000, 10_000]);
  timers[0].callback();
  assert.equal(workers[0].isTerminated, false);
  timers[1].callback();
  assert.deepEqual([workers[0].isTerminated, outcomes()], [true, [[1, "done"], [2, "the decoder does not answer"]]]);
});

test("what is forgotten is never done, and the decoder goes on", () => {
  ask(resultOf(1));
  ask(resultOf(2));
  decoder.forget();
  worker().answer();
  assert.deepEqual(outcomes(), []);
  ask(resultOf(3));
  worker().answer();
  assert.deepEqual(outcomes(), [[3, "done"]]);
});

test("a reader that throws does not hold up the frames behind it", () => {
  decoder.decode(resultOf(1), () => { throw new Error("a bug"); });
  ask(resultOf(2));
  assert.throws(() => worker().answer(), /a bug/);
  worker().answer();
  assert.deepEqual(outcomes(), [[2, "done"]]);
});

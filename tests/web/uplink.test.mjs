// web/source/uplink.js and its meter: what becomes of the camera's pictures on links that a small model plays.
import assert from "node:assert/strict";
import { test } from "node:test";
import { RUNGS, Uplink } from "../../web/source/uplink.js";
import { simulate } from "./uplink_link.mjs";

const MINUTE_MS = 60_000;
const MOST_TRIES = 6; // in a minute: waits of 4, 8, 16 and 32 s, and the one that the quickest frame's age allows
const rungOf = ({ quality, size }) => RUNGS.findIndex((rung) => rung.quality === quality && rung.size === size);
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const noise = (i) => Math.abs(Math.sin(i * 12.9898) * 43_758.5453) % 1; // even in [0, 1)
const triesOf = ({ changes }) => changes.filter((change, i) => i > 0 && rungOf(change) < rungOf(changes[i - 1])).length;

/** A link for a minute. */
function play(link, untilMs = MINUTE_MS) {
  const uplink = new Uplink();
  const simulation = simulate(uplink, link);
  simulation.run(untilMs);
  return { uplink, ...simulation, rung: rungOf(uplink.choice) };
}

test("a link that carries the best pictures gets them, and nothing is ever changed", () => {
  for (const mbitPerS of [10, 20, 100]) {
    const { rung, changes } = play({ mbitPerS: () => mbitPerS });
    assert.deepEqual([rung, changes], [0, []], `${mbitPerS} Mbit/s`);
  }
});

const CARRIED = { 5: [1, 2], 4: [1, 2, 3], 3: [2, 3], 2: [3, 4], 1: [3, 4] };
for (const [mbitPerS, rungs] of Object.entries(CARRIED)) {
  test(`${mbitPerS} Mbit/s: pictures that the link carries, tried again ever more seldom`, () => {
    const played = play({ mbitPerS: () => Number(mbitPerS) }, 2 * MINUTE_MS);
    assert.ok(rungs.includes(played.rung), `rung ${played.rung}`);
    assert.ok(triesOf(played) <= 2 * MOST_TRIES, JSON.stringify(played.changes));
    assert.ok(median(played.queuesMs(MINUTE_MS)) < 60);
    assert.ok(played.answeredFps(MINUTE_MS) > 18);
  });

  test(`${mbitPerS} Mbit/s: a try that fails ends where it began`, () => {
    const visited = play({ mbitPerS: () => Number(mbitPerS) }, 2 * MINUTE_MS).changes.map(rungOf);
    const failed = visited.flatMap((rung, i) => (i > 0 && rung < visited[i - 1] && visited[i + 1] > rung ? [i] : []));
    assert.ok(failed.length > 0);
    for (const i of failed) assert.equal(visited[i + 1], visited[i - 1]);
  });
}

test("a link too thin for anything gets the smallest pictures, and what waits is bounded by the window", () => {
  const { rung, queuesMs } = play({ mbitPerS: () => 0.5 });
  assert.equal(rung, RUNGS.length - 1);
  assert.ok(Math.max(...queuesMs(MINUTE_MS / 2)) < 200);
});

test("a link that breaks down: the pictures go down at once, several rungs in one step, and come back with it", () => {
  const fallsMs = 20_000;
  const risesMs = 60_000;
  const uplink = new Uplink();
  const simulation = simulate(uplink, { mbitPerS: (ms) => (ms >= fallsMs && ms < risesMs ? 1 : 100) });
  simulation.run(fallsMs + 3000);
  assert.deepEqual(simulation.changes.map(rungOf), [RUNGS.length - 1]);
  assert.match(uplink.choice.reason, /^the uplink queued \d+0 ms$/);
  simulation.run(risesMs);
  assert.ok(median(simulation.queuesMs(fallsMs + 3000)) < 60);
  simulation.run(risesMs + 15_000);
  assert.deepEqual([rungOf(uplink.choice), uplink.choice.reason], [0, "the uplink carries it"]);
  assert.ok(simulation.changes.length <= 12, JSON.stringify(simulation.changes));
});

test("a way that becomes shorter ends the waits: what failed before is tried at once", () => {
  const risesMs = 75_000; // the next try after the one at about 70 s would come at about 130 s
  const uplink = new Uplink();
  const isOld = (ms) => ms < risesMs;
  const simulation = simulate(uplink, { mbitPerS: (ms) => (isOld(ms) ? 1 : 100), delayMs: (ms) => (isOld(ms) ? 40 : 5) });
  simulation.run(risesMs);
  assert.ok(rungOf(uplink.choice) >= 3);
  simulation.run(risesMs + 12_000);
  assert.equal(rungOf(uplink.choice), 0);
});

test("frames that come late one by one, as over the air, change nothing", () => {
  const { changes } = play({ mbitPerS: () => 20, jitterMs: (i) => (noise(i) > 0.85 ? 60 : 5) * noise(i + 1000) });
  assert.deepEqual(changes, []);
});

test("where the server is what is slow, smaller pictures would help nobody", () => {
  const { changes } = play({ mbitPerS: () => 20, serverMs: 400 });
  assert.deepEqual(changes, []);
});

test("where the server is what is slow, frames that come late one by one change nothing either", () => {
  const { changes } = play({ mbitPerS: () => 20, serverMs: 100, jitterMs: (i) => 60 * noise(i) });
  assert.deepEqual(changes, []);
});

test("a long way is no queue", () => {
  const { changes } = play({ mbitPerS: () => 50, delayMs: () => 150 });
  assert.deepEqual(changes, []);
});

test("a way that became longer for good is the usual one after half a minute", () => {
  const { rung, changes } = play({ mbitPerS: () => 100, delayMs: (ms) => (ms < 20_000 ? 20 : 100) }, 65_000);
  assert.equal(rung, 0);
  assert.ok(changes.length <= 6);
});

test("a new connection to a server with another clock changes nothing", () => {
  const uplink = new Uplink();
  simulate(uplink, { mbitPerS: () => 100 }).run(5000);
  uplink.reconnected(5000);
  for (let sentAtMs = 5010; sentAtMs < 9000; sentAtMs += 33) {
    const answer = { sentAtMs, answeredAtMs: sentAtMs + 50, receivedAtMs: sentAtMs + 9e9, bytes: 40_000, frames: 1 };
    uplink.answered({ ...answer, timingsMs: {} });
  }
  assert.deepEqual([rungOf(uplink.choice), uplink.choice.reason], [0, ""]);
});

test("what a person decided stays, and the rest follows the link", () => {
  const uplink = new Uplink();
  uplink.pin({ quality: 0.8, size: undefined }, 0);
  simulate(uplink, { mbitPerS: () => 0.5 }).run(4000);
  const { quality, size, pinned } = uplink.choice;
  assert.deepEqual([quality, size, pinned], [0.8, 0.5, ["quality"]]);
});

test("with both decided nothing changes; left to the link again it begins with the best", () => {
  const uplink = new Uplink();
  uplink.pin({ quality: 0.65, size: 0.75 }, 0);
  const simulation = simulate(uplink, { mbitPerS: () => 0.5 });
  simulation.run(10_000);
  assert.deepEqual(uplink.choice, { quality: 0.65, size: 0.75, reason: "as you chose", pinned: ["quality", "size"] });
  assert.deepEqual(simulation.changes, []);
  uplink.pin({}, 10_000);
  assert.deepEqual(uplink.choice, { ...RUNGS[0], reason: "", pinned: [] });
});

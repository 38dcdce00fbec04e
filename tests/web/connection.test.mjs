// web/connection.js with a fake socket, a fake clock and a fake timer.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import {
  Connection, FORGOTTEN_AFTER_MS, PING_EVERY_MS, PINGS_UNANSWERED, SOUND_WAITS_BYTES, WINDOW,
} from "../../web/connection.js";
import { HEALTHY_MS } from "../../web/viewer/retries.js";
import { golden, msgpack } from "./golden.mjs";

const { decode: unpack, encode: pack } = msgpack;
const JPEG = new Uint8Array([0xff, 0xd8, 0xff]);
const SOUND = new Uint8Array([1, 0, 2, 0]);

class FakeSocket {
  sent = [];
  bufferedAmount = 0;
  isClosed = false;

  send(data) {
    this.sent.push(unpack(data));
  }

  close() {
    this.isClosed = true;
  }

  receive(fields) {
    this.onmessage({ data: new Uint8Array(pack(fields, { ignoreUndefined: true })).buffer });
  }

  types() {
    return this.sent.map((message) => message.type);
  }
}

const deaf = { state() {}, welcome() {}, answered() {} };
let clock, timers, beats, sockets, seen, refusal, connection;
const socket = () => sockets.at(-1);
const serverSays = (name, changes = {}) => socket().receive({ ...golden("server", name).meaning, ...changes });

function connect(options = {}) {
  connection = new Connection({
    createSocket: () => sockets[sockets.push(new FakeSocket()) - 1],
    now: () => clock,
    schedule: (callback, ms) => (ms === PING_EVERY_MS ? beats : timers).push({ callback, ms }),
    random: () => 1,
    whyRefused: async () => refusal,
    greeting: { formats: ["splats16"], client: "test" },
    wishes: () => null,
    on: {
      state: (state, sentence) => seen.states.push([state, sentence]),
      asked: () => (seen.asked += 1),
      welcome: () => {},
      status: (status) => seen.statuses.push(status),
      adapted: (adapted) => seen.adapted.push(adapted),
      recording: (recording) => seen.recordings.push(recording),
      answered: (answer) => seen.answers.push(answer),
      result: (result, bytes, jpeg) => seen.results.push([result.frame_id, bytes, jpeg]),
      error: (sentence, code) => seen.errors.push([sentence, code]),
    },
    ...options,
  });
  connection.open();
}

function connectAndWelcome(options) {
  connect(options);
  socket().onopen();
  serverSays("welcome");
  socket().sent.length = 0;
}

/** All promises that can go on have gone on. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

/** The newest socket is refused before it opens. */
async function refuse() {
  socket().onclose({ code: 1006, reason: "" });
  await settle();
}

beforeEach(() => {
  [clock, timers, beats, sockets] = [0, [], [], []];
  refusal = { what: "The server cannot be reached.", leastMs: 0, next: "again" };
  seen = { states: [], asked: 0, statuses: [], adapted: [], recordings: [], answers: [], results: [], errors: [] };
});

test("it says hello first, and what this viewer wishes after it", () => {
  connect({ wishes: () => ({ output: "points" }) });
  socket().onopen();
  assert.deepEqual(socket().types(), ["hello", "settings"]);
  assert.equal(socket().binaryType, "arraybuffer");
});

test("no frame goes out before the server's welcome", () => {
  connect();
  socket().onopen();
  assert.equal(connection.takesFrames, false);
  serverSays("welcome");
  assert.equal(connection.takesFrames, true);
});

test("frames go out without waiting for results, as many as the window holds; the rest is dropped and counted", () => {
  connectAndWelcome();
  const ids = Array.from({ length: WINDOW + 2 }, () => connection.sendFrame(clock, JPEG));
  assert.deepEqual(ids, [0, 1, 2, null, null]);
  assert.deepEqual(socket().types(), ["frame", "frame", "frame"]);
  assert.deepEqual([connection.counts.sent, connection.counts.dropped], [3, 2]);
});

test("a frame is dropped while the socket still holds bytes of the one before", () => {
  connectAndWelcome();
  socket().bufferedAmount = 1;
  assert.equal(connection.sendFrame(clock, JPEG), null);
  socket().bufferedAmount = 0;
  assert.equal(connection.sendFrame(clock, JPEG), 0);
});

test("a result is acknowledged before the page works on it", () => {
  let typesAtResult;
  connectAndWelcome({ on: { ...deaf, result: () => (typesAtResult = socket().types()) } });
  serverSays("splats16", { frame_id: 9 });
  assert.deepEqual(typesAtResult, ["ack"]);
  assert.equal(socket().sent[0].frame_id, 9);
});

test("a result answers its own frame and the older ones that the server dropped for it", () => {
  connectAndWelcome();
  for (let i = 0; i < WINDOW; i += 1) connection.sendFrame(clock, JPEG);
  serverSays("splats16", { frame_id: 1 });
  assert.equal(connection.framesInFlight, 1);
});

test("a result comes with the picture that was sent as its frame, as long as that is remembered", () => {
  connectAndWelcome();
  const jpegs = [0, 1].map((last) => new Uint8Array([0xff, 0xd8, 0xff, last]));
  for (const jpeg of jpegs) connection.sendFrame(clock, jpeg);
  serverSays("compact_own", { frame_id: 0 });
  serverSays("compact_own", { frame_id: 7 });
  clock += FORGOTTEN_AFTER_MS + 1;
  connection.sendFrame(clock, JPEG);
  serverSays("compact_own", { frame_id: 1 });
  const pictures = seen.results.map(([frameId, , jpeg]) => [frameId, jpeg]);
  assert.deepEqual(pictures, [[0, jpegs[0]], [7, undefined], [1, undefined]]);
});

test("what the server chose is told", () => {
  connectAndWelcome();
  serverSays("adapted");
  const told = seen.adapted.map(({ stride, reason }) => [stride, reason]);
  assert.deepEqual(told, [[2, "the link carries about 2 Mbit/s"]]);
});

test("an answered frame is told with its times, and with the bytes of those that the server dropped for it", () => {
  connectAndWelcome();
  for (const bytes of [1000, 2000, 4000]) {
    clock += 10;
    connection.sendFrame(clock, new Uint8Array(bytes));
  }
  clock = 100;
  const timings = { wait: 3, total: 8 };
  serverSays("splats16", { frame_id: 1, received_at_ms: 7000, timings_ms: timings });
  serverSays("splats16", { frame_id: 2, received_at_ms: 7010, timings_ms: timings });
  assert.deepEqual(seen.answers, [
    { sentAtMs: 20, answeredAtMs: 100, receivedAtMs: 7000, bytes: 3000, frames: 2, timingsMs: timings },
    { sentAtMs: 30, answeredAtMs: 100, receivedAtMs: 7010, bytes: 4000, frames: 1, timingsMs: timings },
  ]);
});

test("the results of another's camera say nothing of a way that this page's frames take", () => {
  connectAndWelcome({ greeting: { formats: ["splats16"], watch: "newest" } });
  serverSays("splats16", { frame_id: 0 });
  assert.deepEqual([seen.answers.length, seen.results.length], [0, 1]);
});

test("it can say hello again with other formats: no new socket, and no frames before the next welcome", () => {
  connectAndWelcome({ wishes: () => ({ output: "pixel" }) });
  connection.greetAgain({ formats: ["pointcloud"], client: "test" });
  assert.deepEqual(socket().types(), ["hello", "settings"]);
  assert.deepEqual([socket().sent[0].formats, connection.takesFrames], [["pointcloud"], false]);
  serverSays("welcome");
  assert.deepEqual([connection.takesFrames, connection.counts.connects], [true, 1]);
  socket().onclose({ code: 1006, reason: "" });
  timers.pop().callback();
  socket().onopen();
  assert.deepEqual(socket().sent[0].formats, ["pointcloud"]);
});

test("another hello that is to be said without a connection is the next one", () => {
  connect();
  connection.greetAgain({ formats: ["pointcloud"], client: "test" });
  assert.deepEqual(socket().sent, []);
  socket().onopen();
  assert.deepEqual(socket().sent[0].formats, ["pointcloud"]);
});

test("a frame leaves the window even where the page fails at its result", () => {
  const fail = () => { throw new Error("a bug"); };
  connectAndWelcome({ on: { ...deaf, result: fail } });
  connection.sendFrame(clock, JPEG);
  assert.throws(() => serverSays("splats16", { frame_id: 0 }), /a bug/);
  assert.equal(connection.framesInFlight, 0);
});

test("an error about a frame frees its place, and is told in words", () => {
  connectAndWelcome();
  connection.sendFrame(clock, JPEG);
  serverSays("error_bad_jpeg", { frame_id: 0 });
  assert.equal(connection.framesInFlight, 0);
  assert.deepEqual(seen.errors, [["The server could not decode a frame.", "bad_jpeg"]]);
});

test("a frame that is never answered holds its place for some seconds only", () => {
  connectAndWelcome();
  for (let i = 0; i < WINDOW; i += 1) connection.sendFrame(clock, JPEG);
  clock += FORGOTTEN_AFTER_MS;
  assert.equal(connection.takesFrames, false);
  clock += 1;
  assert.equal(connection.takesFrames, true);
});

test("a message that cannot be read is an error in words, and the session goes on", () => {
  connectAndWelcome();
  socket().onmessage({ data: "text" });
  assert.match(seen.errors[0][0], /cannot read \(not a binary message\)/);
  serverSays("splats16");
  assert.equal(seen.results.length, 1);
});

test("the bytes of a message are told with its result", () => {
  connectAndWelcome();
  socket().onmessage({ data: new Uint8Array(golden("server", "splats16").bytes).buffer });
  assert.deepEqual(seen.results, [[7, golden("server", "splats16").bytes.length, undefined]]);
});

test("after a loss it says so, waits longer each time, and starts with an empty window", async () => {
  connectAndWelcome();
  connection.sendFrame(clock, JPEG);
  socket().onclose({ code: 1006, reason: "" });
  const waits = [timers.at(-1).ms];
  for (let i = 0; i < 5; i += 1) {
    timers.at(-1).callback();
    await refuse();
    waits.push(timers.at(-1).ms);
  }
  assert.deepEqual(waits, [1000, 2000, 4000, 8000, 16_000, 16_000]); // at most: random() is 1 here
  assert.equal(sockets.length, 6);
  assert.equal(connection.framesInFlight, 0);
  assert.deepEqual(seen.states.at(-1), ["waiting", "The server cannot be reached. Trying again."]);
});

test("five healthy seconds start the waits afresh, less do not, and frame ids go on", () => {
  connectAndWelcome();
  connection.sendFrame(clock, JPEG);
  const waits = [];
  for (const healthyMs of [0, HEALTHY_MS - 1, HEALTHY_MS, 0]) {
    clock += healthyMs;
    socket().onclose({ code: 1012, reason: "" });
    waits.push(timers.at(-1).ms);
    timers.at(-1).callback();
    socket().onopen();
    serverSays("welcome");
  }
  assert.deepEqual(waits, [1000, 2000, 1000, 2000]);
  assert.equal(connection.sendFrame(clock, JPEG), 1);
});

test("a server that refuses is asked why, and left alone for as long as it asks and some more", async () => {
  refusal = { what: "The server is full.", leastMs: 30_000, next: "again" };
  connect();
  await refuse();
  assert.deepEqual(seen.states.at(-1), ["waiting", "The server is full. Trying again."]);
  assert.equal(timers.at(-1).ms, 31_000);
});

test("until the reason is known the page is connecting, and asks no second time", async () => {
  connect();
  socket().onclose({ code: 1006, reason: "" });
  assert.deepEqual([connection.state, timers.length], ["connecting", 0]);
  await settle();
  assert.deepEqual([connection.state, timers.length], ["waiting", 1]);
});

test("on each new socket the wishes are asked again, after the hello", () => {
  connectAndWelcome({ wishes: () => ({ stride: 3 }) });
  socket().onclose({ code: 1012, reason: "" });
  timers.at(-1).callback();
  socket().onopen();
  assert.deepEqual(socket().types(), ["hello", "settings"]);
  assert.equal(socket().sent[1].stride, 3);
});

test("a session that was let go for idleness stays away until there is something to send, and resumes as it was", () => {
  connectAndWelcome({ wishes: () => ({ stride: 3 }) });
  connection.wake();
  assert.equal(sockets.length, 1); // it was awake
  socket().onclose({ code: 4408, reason: "idle" });
  const sentence =
    "Nothing was sent for long, so the server made room for others. " +
    "The page connects again when it has a picture to send, or at your next press.";
  assert.deepEqual([seen.states.at(-1), timers.length, sockets.length], [["idle", sentence], 0, 1]);
  connection.wake();
  connection.wake();
  assert.deepEqual([connection.state, sockets.length], ["connecting", 2]);
  socket().onopen();
  assert.deepEqual(socket().types(), ["hello", "settings"]);
});

test("a wish that changes goes out at once, one that changes without a connection with the next hello", () => {
  let wishes = null;
  connect({ wishes: () => wishes });
  wishes = { stride: 2 };
  connection.ask(); // nothing is open yet
  socket().onopen();
  wishes = { stride: 3 };
  connection.ask();
  const asked = socket().sent.filter(({ type }) => type === "settings").map(({ stride }) => stride);
  assert.deepEqual(asked, [2, 3]);
});

test("where the server does not allow it, the page says so in the server's words and stops", () => {
  connectAndWelcome();
  socket().onclose({ code: 1008, reason: "too many messages" });
  const sentence = "The server does not allow this connection (too many messages). Reload the page to try again.";
  assert.deepEqual(seen.states.at(-1), ["closed", sentence]);
  connection.wake();
  assert.deepEqual([timers.length, sockets.length], [0, 1]);
});

test("a camera that is not there is asked for again as after a loss", () => {
  connect({ greeting: { formats: ["splats16"], watch: "s-9" } });
  socket().onopen();
  serverSays("error_unknown_session");
  assert.equal(socket().isClosed, true);
  socket().onclose({ code: 1005, reason: "" });
  assert.equal(timers.length, 1);
  const sentence = "The camera that this page should show is not connected. Trying again.";
  assert.deepEqual(seen.states.at(-1), ["waiting", sentence]);
});

test("why this side once left is not told of a later loss", () => {
  connect({ greeting: { formats: ["splats16"], watch: "s-9" } });
  socket().onopen();
  serverSays("error_unknown_session");
  socket().onclose({ code: 1005, reason: "" });
  timers[0].callback();
  socket().onopen();
  serverSays("welcome");
  socket().onclose({ code: 1012, reason: "" });
  assert.deepEqual(seen.states.at(-1), ["waiting", "The server is restarting. Trying again."]);
});

test("a camera that leaves in the middle is asked for again", () => {
  connectAndWelcome({ greeting: { formats: ["splats16"], watch: "newest" } });
  serverSays("error_unknown_session");
  assert.equal(socket().isClosed, true);
});

test("formats that the server does not know are told, and not asked for again", () => {
  connect();
  socket().onopen();
  serverSays("error_unsupported_format");
  assert.deepEqual([connection.state, socket().isClosed], ["refused", false]);
  assert.equal(seen.errors[0][1], "unsupported_format");
});

test("where there is no room for one viewer more, it comes back to ask again", () => {
  connect();
  socket().onopen();
  serverSays("error_too_many_variants");
  socket().onclose({ code: 1005, reason: "" });
  assert.equal(timers.length, 1);
  assert.match(seen.states.at(-1)[1], /^Too many different formats .* Trying again\.$/);
});

test("the same errors about a setting leave the session as it is", () => {
  connectAndWelcome({ wishes: () => ({ output: "points" }) });
  serverSays("error_unsupported_format");
  serverSays("error_too_many_variants");
  assert.deepEqual([connection.state, socket().isClosed], ["open", false]);
});

test("a wish is asked once of each model, also where it was refused before the welcome", () => {
  connect({ wishes: () => ({ output: "network" }) });
  socket().onopen();
  serverSays("error_no_gaussian_head");
  serverSays("welcome");
  serverSays("welcome");
  assert.deepEqual([socket().types(), seen.asked], [["hello", "settings"], 1]);
  serverSays("welcome_non_commercial");
  assert.deepEqual([socket().types(), seen.asked], [["hello", "settings", "settings"], 2]);
});

test("a result that cannot be read is acknowledged all the same and leaves the window", () => {
  connectAndWelcome();
  connection.sendFrame(clock, JPEG);
  socket().sent.length = 0;
  serverSays("splats16", { frame_id: 0, num_splats: 2049 });
  assert.deepEqual(socket().sent, [{ type: "ack", frame_id: 0 }]);
  assert.deepEqual([connection.framesInFlight, seen.results.length, seen.errors.length], [0, 0, 1]);
});

const beat = () => beats.shift().callback();

test("while it is open it asks every five seconds whether the server is there", () => {
  connectAndWelcome();
  assert.equal(beats.length, 1);
  clock = 42;
  beat();
  assert.deepEqual(socket().sent, [{ type: "ping", t: 42 }]);
  assert.equal(beats.length, 1);
});

test("a server that answers nothing for three pings is lost, and what its socket says later is not heard", () => {
  connectAndWelcome();
  for (let i = 0; i < PINGS_UNANSWERED; i += 1) beat();
  assert.equal(connection.state, "open");
  const old = socket();
  beat();
  assert.equal(old.isClosed, true);
  assert.deepEqual([old.onopen, old.onmessage, old.onclose], [null, null, null]);
  assert.deepEqual(seen.states.at(-1), ["waiting", "The server cannot be reached. Trying again."]);
  timers.at(-1).callback();
  assert.equal(sockets.length, 2);
});

test("whatever the server says shows that it is there", () => {
  connectAndWelcome();
  for (let i = 0; i < 3 * PINGS_UNANSWERED; i += 1) {
    beat();
    serverSays(i % 2 ? "pong" : "splats16");
  }
  assert.equal(connection.state, "open");
});

test("the beat of a connection that is gone stops", () => {
  connectAndWelcome();
  const old = socket();
  socket().onclose({ code: 1006, reason: "" });
  timers.at(-1).callback();
  beat();
  assert.deepEqual([old.sent, beats.length], [[], 0]);
});

test("shown is sent with the latency where it is known", () => {
  connectAndWelcome();
  connection.sendShown(3, 40.5);
  connection.sendShown(4, undefined);
  assert.deepEqual(socket().sent, [{ type: "shown", frame_id: 3, latency_ms: 40.5 }, { type: "shown", frame_id: 4 }]);
});

test("a recording is begun and ended by a word, and how it stands is told", () => {
  connectAndWelcome();
  connection.record("start");
  connection.record("stop");
  assert.deepEqual(socket().sent, [{ type: "record", action: "start" }, { type: "record", action: "stop" }]);
  serverSays("recording");
  assert.deepEqual(seen.recordings, [golden("server", "recording").meaning]);
});

test("nothing is asked to be recorded while no server listens", () => {
  connect();
  connection.record("start");
  assert.equal(connection.sendSound(0.5, 16_000, SOUND), false);
  socket().onopen();
  connection.record("start");
  assert.equal(connection.sendSound(0.5, 16_000, SOUND), false);
  assert.deepEqual(socket().types(), ["hello"]);
});

test("sound goes out with the time of its first sample, and is left out where too much waits already", () => {
  connectAndWelcome();
  assert.equal(connection.sendSound(0.5, 16_000, SOUND), true);
  assert.deepEqual(socket().sent, [{ type: "sound", captured_at_ms: 0.5, sample_rate: 16_000, samples: SOUND }]);
  socket().bufferedAmount = SOUND_WAITS_BYTES + 1;
  assert.equal(connection.sendSound(100.5, 16_000, SOUND), false);
  assert.equal(socket().sent.length, 1);
});

test("a camera's room is in its hello", () => {
  connect({ greeting: { formats: ["splats16"], room: "stage" } });
  socket().onopen();
  assert.equal(socket().sent[0].room, "stage");
});

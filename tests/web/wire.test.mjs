// web/wire.js against the golden messages that splatcam/wire wrote, and against hostile bytes.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as wire from "../../web/wire.js";
import { golden, goldens, msgpack } from "./golden.mjs";

const { encode: pack } = msgpack;
const BUILD = {
  hello: (m) => wire.hello(m),
  frame: (m) => wire.frame(m.frame_id, m.captured_at_ms, m.jpeg),
  ack: (m) => wire.ack(m.frame_id),
  shown: (m) => wire.shown(m.frame_id, m.latency_ms),
  settings: ({ type, ...changes }) => wire.settings(changes),
  ping: (m) => wire.ping(m.t),
  record: (m) => wire.record(m.action),
  sound: (m) => wire.sound(m.captured_at_ms, m.sample_rate, m.samples),
};

const buffer = (bytes) => new Uint8Array(bytes).buffer; // a buffer of its own, as a websocket gives it
const changed = (name, changes) => buffer(pack({ ...golden("server", name).meaning, ...changes }));

for (const { name, bytes, meaning } of goldens("client")) {
  test(`the page writes ${name} with the same bytes as the server's own code`, () => {
    assert.deepEqual(new Uint8Array(BUILD[meaning.type](meaning)), bytes);
  });
}

for (const { name, bytes, meaning } of goldens("server")) {
  test(`the page reads ${name} as it was meant`, () => {
    assert.deepEqual(wire.decode(buffer(bytes)), meaning);
  });
}

test("byte fields are views into the message, not copies", () => {
  const message = buffer(golden("server", "splats16").bytes);
  assert.equal(wire.decode(message).data.buffer, message);
});

test("results are told from other messages, and counted", () => {
  const read = (name) => wire.decode(buffer(golden("server", name).bytes));
  assert.deepEqual(["splats16", "gaussian_ply_empty", "pointcloud"].map((n) => wire.countOf(read(n))), [1, 0, 2]);
  assert.equal(wire.isResult(read("pointcloud")), true);
  assert.equal(wire.isResult(read("welcome")), false);
});

test("a field that a newer server adds is left alone", () => {
  assert.equal(wire.decode(changed("pong", { mood: "good" })).t, 42.125);
});

const REFUSED = {
  "a text message": "hello",
  "no bytes at all": buffer([]),
  "bytes after the map": buffer([0x80, 0x80]),
  "an array": buffer(pack([1, 2])),
  "a map without a type": buffer(pack({})),
  "an unknown type": buffer(pack({ type: "weather" })),
  "a type that every object has": buffer(pack({ type: "constructor" })),
  "a negative frame_id": changed("splats16", { frame_id: -1 }),
  "a count that is not whole": changed("splats16", { num_splats: 0.5 }),
  "a payload that is text": changed("splats16", { data: "abc" }),
  "fewer splats than counted": changed("splats16", { num_splats: 2049 }),
  "fewer points than counted": changed("pointcloud", { num_points: 3 }),
  "colours that are too few": changed("pointcloud", { colors: new Uint8Array(5) }),
  "a window of three numbers": changed("compact", { window: [0, 0, 1] }),
  "a mask that is no bytes": changed("compact", { mask: [1] }),
  "an empty file with splats": changed("gaussian_ply", { ply_data: new Uint8Array(0) }),
  "intrinsics of three numbers": changed("splats16", { intrinsics: [1, 2, 3] }),
  "a bound that is not a number": changed("splats16", { bounds: { minimum: [0, 0, NaN], maximum: [1, 1, 1] } }),
  "a model without a licence": changed("welcome", { model: { name: "x" } }),
  "a state that is not one": changed("status_ready", { state: "tired" }),
  "a way to record that is not known": changed("welcome", { recording: "sometimes" }),
  "a recording in no state": changed("recording", { state: "paused" }),
  "a recording without a name": changed("recording", { id: undefined }),
  "a recording of a negative size": changed("recording", { size_bytes: -1 }),
};
for (const [what, data] of Object.entries(REFUSED)) {
  test(`${what} is refused with a WireError`, () => {
    assert.throws(() => wire.decode(data), wire.WireError);
  });
}

test("a refused result tells its frame_id where that can be read, for the acknowledgement", () => {
  const frameIdOf = (data) => {
    try {
      wire.decode(data);
    } catch (error) {
      return error.frameId;
    }
    return "not refused";
  };
  assert.equal(frameIdOf(REFUSED["fewer splats than counted"]), golden("server", "splats16").meaning.frame_id);
  assert.equal(frameIdOf(REFUSED["intrinsics of three numbers"]), golden("server", "splats16").meaning.frame_id);
  assert.equal(frameIdOf(REFUSED["a negative frame_id"]), undefined);
  assert.equal(frameIdOf(buffer(pack({ type: "status", frame_id: 3 }))), undefined); // no result
  assert.equal(frameIdOf(REFUSED["a type that every object has"]), undefined);
});

test("a message cut short anywhere is refused with a WireError", () => {
  const { bytes } = golden("server", "pointcloud");
  for (let length = 0; length < bytes.length; length += 1) {
    assert.throws(() => wire.decode(buffer(bytes.subarray(0, length))), wire.WireError, `${length} bytes`);
  }
});

test("random bytes are refused with a WireError or read as a known message, never anything else", () => {
  let seed = 1;
  const random = (below) => (seed = (seed * 48271) % 0x7fffffff) % below;
  for (let round = 0; round < 2000; round += 1) {
    const bytes = Uint8Array.from({ length: random(40) }, () => random(256));
    try {
      wire.decode(buffer(bytes));
    } catch (error) {
      assert.ok(error instanceof wire.WireError, `${bytes}: ${error.stack}`);
    }
  }
});

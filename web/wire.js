// The protocol, version 1: twin of splatcam/wire/, which says what each message is for. Pure: no socket, no clock,
// no DOM. Both are held to the golden messages under tests/golden.
import { decode as unpack, encode as pack } from "@msgpack/msgpack";

const PROTOCOL_VERSION = 1;
/** What a hello asks for that says nothing else, best first. */
const FORMATS = ["splats16", "gaussian_ply", "pointcloud"];
export const BYTES_PER_SPLAT = 16;

/** A message from the server that is not what the protocol says; `frameId` where it is a result that names one. */
export class WireError extends Error {
  constructor(text, frameId = undefined) {
    super(text);
    this.frameId = frameId;
  }
}

// ---------------------------------------------------------------- client → server

export function hello({ formats = FORMATS, client = "", watch = undefined, room = undefined } = {}) {
  return message({ type: "hello", protocol: PROTOCOL_VERSION, formats, client, watch, room });
}

/** `jpeg`: Uint8Array; `capturedAtMs`: our own clock, echoed in the result. */
export function frame(frameId, capturedAtMs, jpeg) {
  return message({ type: "frame", frame_id: frameId, captured_at_ms: capturedAtMs, jpeg });
}

export function ack(frameId) {
  return message({ type: "ack", frame_id: frameId });
}

export function shown(frameId, latencyMs = undefined) {
  return message({ type: "shown", frame_id: frameId, latency_ms: latencyMs });
}

/**
 * `changes`: any of sh, ply, min_opacity, max_depth_percentile, and of format, output, stride, depth_bits, max_fps, which
 * may be "auto" as well: as suits the link.
 */
export function settings(changes) {
  return message({ type: "settings", ...changes });
}

export function ping(t) {
  return message({ type: "ping", t });
}

/** `action`: "start" or "stop". */
export function record(action) {
  return message({ type: "record", action });
}

/** `capturedAtMs`: of the first sample, by the clock of `frame`; `samples`: Uint8Array of little-endian int16, mono. */
export function sound(capturedAtMs, sampleRate, samples) {
  return message({ type: "sound", captured_at_ms: capturedAtMs, sample_rate: sampleRate, samples });
}

function message(fields) {
  return pack(fields, { ignoreUndefined: true });
}

// ---------------------------------------------------------------- server → client

const isText = (v) => typeof v === "string";
const isNumber = (v) => Number.isFinite(v);
const isCount = (v) => Number.isSafeInteger(v) && v >= 0;
const isFlag = (v) => typeof v === "boolean";
const isBytes = (v) => v instanceof Uint8Array;
const isMap = (v) => typeof v === "object" && v !== null && !Array.isArray(v) && !isBytes(v);
const oneOf = (...values) => (v) => values.includes(v);
const listOf = (check, length) => (v) => Array.isArray(v) && v.every(check) && v.length === (length ?? v.length);
const optional = (check) => (v) => v === undefined || check(v);
const mapOf = (fields) => (v) => isMap(v) && firstBadField(v, fields) === undefined;

const MODEL = {
  name: isText, title: isText, supports_gaussians: isFlag, licence: isText, non_commercial: isFlag,
  demonstration: isFlag, device: isText, steady: oneOf("off", "on", "window"),
};
const LIMITS = { max_message_bytes: isCount, max_frame_pixels: isCount, frame_long_side_px: isCount };
const BOUNDS = { minimum: listOf(isNumber, 3), maximum: listOf(isNumber, 3) };
const RESULT = {
  frame_id: isCount,
  captured_at_ms: isNumber,
  received_at_ms: isNumber, // by the server's clock: only differences mean something
  timings_ms: (v) => isMap(v) && Object.values(v).every(isNumber),
  bounds: optional(mapOf(BOUNDS)),
  model: isText,
  intrinsics: listOf(isNumber, 4), // fx, fy, cx, cy in pixels of the grid
  grid: listOf(isCount, 2), // height, width
  pose: optional(listOf(isNumber, 7)), // of the camera in the stream's world: see view/pose.js
};

const SERVER_MESSAGES = {
  welcome: {
    protocol: isCount, session_id: isText, model: mapOf(MODEL), formats: listOf(isText), format: isText,
    limits: mapOf(LIMITS), recording: oneOf("off", "asked", "always"), room: optional(isText),
  },
  status: {
    state: oneOf("starting", "loading", "ready", "restarting", "failed"), message: isText, progress: optional(isNumber),
  },
  adapted: {
    format: isText, output: isText, stride: isCount, depth_bits: optional(isCount), max_fps: optional(isNumber),
    pinned: listOf(isText), reason: isText, link_mbit_s: optional(isNumber), round_trip_ms: optional(isNumber),
  },
  recording: {
    id: isText, state: oneOf("recording", "ended", "failed"), steps: isCount, seconds: isNumber, size_bytes: isCount,
    lost: isCount, sound: isFlag, message: isText,
  },
  error: { code: isText, message: isText, frame_id: optional(isCount) },
  pong: { t: isNumber },
  gaussian_ply: { ...RESULT, num_splats: isCount, ply_data: isBytes },
  pointcloud: { ...RESULT, num_points: isCount, points: isBytes, colors: isBytes },
  splats16: { ...RESULT, num_splats: isCount, data: isBytes },
  compact: {
    ...RESULT, num_splats: isCount, window: listOf(isCount, 4), stride: isCount, near: isNumber, far: isNumber,
    depth_bits: isCount, opacity: isNumber, depth: isBytes, mask: optional(isBytes), shape: optional(isBytes),
    color: optional(isBytes),
  },
};

/** Whether the payload is as long as its count says. */
const PAYLOAD_FITS = {
  gaussian_ply: (m) => m.num_splats === 0 || m.ply_data.byteLength > 0,
  pointcloud: (m) => m.points.byteLength === 12 * m.num_points && m.colors.byteLength === 3 * m.num_points,
  splats16: (m) => m.data.byteLength >= BYTES_PER_SPLAT * m.num_splats,
  compact: () => true, // deflated: compact/fields.js and compact/planes.js hold it to its count
};

export function isResult(message) {
  return message.type in PAYLOAD_FITS;
}

/** How many splats or points a result holds. */
export function countOf(result) {
  return result.num_splats ?? result.num_points;
}

/**
 * One websocket message (ArrayBuffer) → the server's message. Byte fields are views into it, at any offset.
 * Fields that are not known are left alone: a newer server may have more to say. Throws WireError.
 */
export function decode(buffer) {
  const fields = unpackMap(buffer);
  const known = Object.hasOwn(SERVER_MESSAGES, fields.type) ? SERVER_MESSAGES[fields.type] : undefined;
  if (known === undefined) throw new WireError(`an unknown message: ${String(fields.type)}`);
  const bad = firstBadField(fields, known);
  const frameId = isResult(fields) && isCount(fields.frame_id) ? fields.frame_id : undefined;
  if (bad !== undefined) throw new WireError(`${fields.type}: bad field ${bad}`, frameId);
  if (isResult(fields) && !PAYLOAD_FITS[fields.type](fields)) {
    throw new WireError(`${fields.type}: the payload is not as long as its count says`, frameId);
  }
  return fields;
}

function unpackMap(buffer) {
  if (!(buffer instanceof ArrayBuffer)) throw new WireError("not a binary message");
  let fields;
  try {
    fields = unpack(buffer);
  } catch (error) {
    throw new WireError(`not a msgpack map: ${error.message}`);
  }
  if (!isMap(fields)) throw new WireError("not a msgpack map");
  return fields;
}

function firstBadField(fields, known) {
  return Object.keys(known).find((name) => !known[name](fields[name]));
}

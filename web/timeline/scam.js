// The bytes of a .scam file → blocks → steps: docs/scam-format.md has the tables, splatcam/timeline/block_file.py and
// nodes.py are the twins. Pure: knows no file, no server and no picture. Hostile bytes give ScamError and nothing else.
import { inflate } from "../compact/inflate.js";
import { crc32 } from "./crc32.js";
import { isMap, MAX_RAW_BYTES, unpackPayload } from "./payload.js";
import { ScamError } from "./scam_error.js";

export { ScamError };

export const FILE_HEADER_BYTES = 16;
export const BLOCK_HEADER_BYTES = 32;
export const TRAILER_BYTES = 16;
export const MAX_BLOCKS = 1 << 20;
export const Kind = { INFO: 1, STEPS: 2, STATIC: 3, AUDIO: 4, END: 5, INDEX: 6 };

const VERSION = 1;
const FILE_MAGIC = [0x89, 0x53, 0x43, 0x41, 0x4d, 0x0d, 0x0a, 0x1a];
const BLOCK_MAGIC = 0x4b4c4253; // "SBLK", read as a number
const TRAILER_MAGIC = 0x7363616d; // "macs"
const MAX_BLOCK_STEPS = 1 << 12;
const MAX_STEP = 2 ** 31;
const INDEX_ROW_BYTES = 17;
const STORED = 0;
const DEFLATE = 1;
const MAX_NAME = 200;
const ROW_SPLATS = 2048; // of Spark's words: the last row is padded

const isBytes = (value) => value instanceof Uint8Array;
const isCount = (value) => Number.isSafeInteger(value) && value >= 0;
const isWithin = (value, least, most) => Number.isFinite(value) && value >= least && value <= most;
const viewOf = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

// ---------------------------------------------------------------- the file

/** bytes: the file's first ones. Throws ScamError unless they begin a file of a version that is known here. */
export function checkFileHeader(bytes) {
  const isOurs = FILE_MAGIC.every((byte, i) => bytes[i] === byte);
  if (!isOurs) throw new ScamError("this is no .scam file, or was cut off in its first bytes");
  if (bytes.length < FILE_HEADER_BYTES) throw new ScamError("the file was cut off in its first bytes");
  const view = viewOf(bytes);
  if (view.getUint32(12, true) !== crc32(bytes.subarray(0, 12))) {
    throw new ScamError("the first bytes of the file are damaged");
  }
  const version = view.getUint16(8, true);
  if (version !== VERSION) {
    throw new ScamError(`the file is of version ${version} of the format, this page reads version ${VERSION}`);
  }
}

/** bytes: the file's last ones. Where its index block begins, or null where that is not told. */
export function indexOffset(bytes) {
  if (bytes.length < TRAILER_BYTES) return null;
  const view = viewOf(bytes.subarray(bytes.length - TRAILER_BYTES));
  const isTold = view.getUint32(12, true) === TRAILER_MAGIC;
  if (!isTold || view.getUint32(8, true) !== crc32(bytes.subarray(-TRAILER_BYTES).subarray(0, 8))) return null;
  const at = Number(view.getBigUint64(0, true));
  return Number.isSafeInteger(at) ? at : null;
}

/** The payload of an index block → [{offset, kind, firstStep, numSteps}], or null where it is none. */
export function parseIndex(rows) {
  const count = rows.length / INDEX_ROW_BYTES;
  if (!Number.isInteger(count) || count > MAX_BLOCKS) return null;
  const view = viewOf(rows);
  return Array.from({ length: count }, (_, i) => {
    const at = i * INDEX_ROW_BYTES;
    return {
      offset: Number(view.getBigUint64(at, true)), kind: view.getUint8(at + 8),
      firstStep: view.getUint32(at + 9, true), numSteps: view.getUint32(at + 13, true),
    };
  });
}

// ---------------------------------------------------------------- blocks

/** The first bytes of a block → its header, or null: bytes that are none, or whose numbers are beyond all limits. */
export function blockHeader(bytes) {
  if (bytes.length < BLOCK_HEADER_BYTES) return null;
  const view = viewOf(bytes);
  const number = (at) => view.getUint32(at, true);
  if (number(0) !== BLOCK_MAGIC || number(28) !== crc32(bytes.subarray(0, 28))) return null;
  const header = {
    kind: bytes[4], codec: bytes[5], firstStep: number(8), numSteps: number(12), storedBytes: number(16),
    rawBytes: number(20), crc: number(24),
  };
  const { firstStep, numSteps, storedBytes, rawBytes } = header;
  const isWithinLimits =
    numSteps <= MAX_BLOCK_STEPS && firstStep <= MAX_STEP && Math.max(storedBytes, rawBytes) <= MAX_RAW_BYTES;
  return isWithinLimits ? header : null;
}

/** A whole block → {kind, firstStep, numSteps, raw: its payload, inflated}. Rejects with ScamError. */
export async function readRaw(bytes) {
  const header = blockHeader(bytes);
  if (header === null) throw new ScamError("a block of the recording is damaged: its header is not whole");
  const stored = bytes.subarray(BLOCK_HEADER_BYTES);
  if (stored.length !== header.storedBytes) throw damaged(header, "it is not whole");
  if (crc32(stored) !== header.crc) throw damaged(header, "its check sum is wrong");
  return { ...header, raw: await inflated(header, stored) };
}

/**
 * A whole block → {kind, firstStep, numSteps, rawBytes, fields: its payload's map, release(): gives the memory of what
 * was inflated back at once; its byte strings are empty then}. Rejects with ScamError.
 */
export async function readBlock(bytes) {
  const { kind, firstStep, numSteps, rawBytes, raw } = await readRaw(bytes);
  const release = () => raw.buffer !== bytes.buffer && raw.buffer.transfer?.(0);
  try {
    return { kind, firstStep, numSteps, rawBytes, fields: unpackPayload(raw), release };
  } catch (error) {
    throw error instanceof ScamError ? damaged({ kind, firstStep }, error.message) : error;
  }
}

async function inflated(header, stored) {
  const { codec, rawBytes } = header;
  if (codec === STORED) return stored;
  if (codec !== DEFLATE) throw damaged(header, `codec ${codec} is not known here`);
  try {
    return await inflate(stored, rawBytes, (wrong) => new ScamError(`it is ${wrong} than its header says`));
  } catch (error) {
    throw damaged(header, error.message);
  }
}

function damaged({ kind, firstStep }, why) {
  const which = kind === Kind.STEPS ? `the block of steps from ${firstStep} on` : `a block of kind ${kind}`;
  return new ScamError(`${which} is damaged: ${why}`);
}

// ---------------------------------------------------------------- what blocks say

/** A block of kind info → {source, fps, model, beganAt}. Throws ScamError. */
export function parseInfo({ kind, fields }) {
  const { source = "recording", fps = 30, model = "", began_at: beganAt = "" } = fields;
  const isGood =
    kind === Kind.INFO && ["recording", "timeline"].includes(source) && isWithin(fps, 1e-9, 1000) &&
    typeof model === "string" && typeof beganAt === "string";
  if (!isGood) throw new ScamError("the file does not begin with what it is");
  return { source, fps, model, beganAt };
}

/**
 * A block of steps → {checkpoint: name → node, steps: [{nodes: name → node or null, facts or null}]}. Throws ScamError.
 */
export function parseSteps(block) {
  const { checkpoint = {}, steps } = block.fields;
  checkStep(block, isMap(checkpoint) && Array.isArray(steps), "it holds no steps");
  checkStep(block, steps.length === block.numSteps, `it has ${steps.length} steps, its header says ${block.numSteps}`);
  for (const node of Object.entries(checkpoint)) checkNode(block, node);
  return { checkpoint, steps: steps.map((step) => parseStep(block, step)) };
}

/** A block of what is static → name → node. Throws ScamError. */
export function parseStatic(block) {
  for (const node of Object.entries(block.fields)) checkNode(block, node);
  return block.fields;
}

/**
 * A block of sound → {name, sampleRate, channels, startStep, volume, capturedAtMs or null, samples}. Throws ScamError.
 */
export function parseAudio(block) {
  const { name, sample_rate: sampleRate, channels, start_step: startStep, volume, samples } = block.fields;
  const { captured_at_ms: capturedAtMs = null } = block.fields;
  const isGood =
    typeof name === "string" && isWithin(sampleRate, 1, 384_000) && [1, 2].includes(channels) &&
    isCount(startStep) && isWithin(volume, 0, 4) && samples instanceof Uint8Array &&
    samples.length % (2 * channels) === 0 && (capturedAtMs === null || Number.isFinite(capturedAtMs));
  checkStep(block, isGood, "it says no sound that is known");
  return { name, sampleRate, channels, startStep, volume, capturedAtMs, samples };
}

/** The scene at a step of a parsed block: name → node. `index`: of the step in its block. */
export function sceneAt({ checkpoint, steps }, index) {
  const scene = new Map(Object.entries(checkpoint));
  for (let i = 0; i <= index; i += 1) {
    for (const [name, node] of Object.entries(steps[i].nodes)) {
      if (node === null) scene.delete(name);
      else scene.set(name, node);
    }
  }
  return scene;
}

function parseStep(block, step) {
  checkStep(block, isMap(step) && isMap(step.nodes), "a step has no nodes");
  for (const [name, node] of Object.entries(step.nodes)) if (node !== null) checkNode(block, [name, node]);
  return { nodes: step.nodes, facts: parseFacts(block, step.facts) };
}

function parseFacts(block, facts) {
  if (facts === undefined || facts === null) return null;
  const { frame_id: frameId, captured_at_ms: capturedAtMs, received_at_ms: receivedAtMs } = facts;
  const { lost_before: lostBefore = 0 } = facts;
  const numbers = [frameId, capturedAtMs, receivedAtMs, lostBefore];
  checkStep(block, numbers.every(Number.isFinite), "the facts of a step are no numbers");
  return { frameId, capturedAtMs, receivedAtMs, lostBefore };
}

/** kind → whether the node's fields fit each other. */
const NODE_FITS = {
  splats16: ({ num_splats: count, data }) =>
    isCount(count) && isBytes(data) && data.length === Math.ceil(count / ROW_SPLATS) * ROW_SPLATS * 16,
  pointcloud: ({ num_points: count, points, colors }) =>
    isCount(count) && isBytes(points) && isBytes(colors) && points.length === 12 * count && colors.length === 3 * count,
  picture: ({ jpeg }) => isBytes(jpeg) && jpeg[0] === 0xff && jpeg[1] === 0xd8 && jpeg[2] === 0xff,
  result: ({ format, message }) => typeof format === "string" && isBytes(message),
};

function checkNode(block, [name, node]) {
  checkStep(block, name.length >= 1 && name.length <= MAX_NAME, "a name is empty or too long");
  const isKnown = isMap(node) && typeof node.kind === "string" && Object.hasOwn(NODE_FITS, node.kind);
  checkStep(block, isKnown, "a node is of no kind that is known");
  checkStep(block, NODE_FITS[node.kind](node), `a node of kind ${node.kind} does not have the size that it says`);
}

function checkStep(block, condition, why) {
  if (!condition) throw damaged(block, why);
}

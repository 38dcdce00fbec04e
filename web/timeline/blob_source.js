// A .scam file on this machine, a File or a Blob, as a source of blocks: found by its index, or by walking from block
// to block. Bytes are read when they are asked for. Knows no step and no player.
import {
  BLOCK_HEADER_BYTES, blockHeader, checkFileHeader, FILE_HEADER_BYTES, indexOffset, Kind, MAX_BLOCKS, parseIndex,
  parseInfo, readBlock, readRaw, ScamError, TRAILER_BYTES,
} from "./scam.js";

const PAGE_BYTES = 1 << 16; // small blocks are walked over many at a time
const MAX_BLOCK_BYTES = BLOCK_HEADER_BYTES + (1 << 27);

export class BlobSource {
  #blob;
  #page = { at: 0, bytes: new Uint8Array(0) };

  constructor(blob) {
    this.#blob = blob;
  }

  /**
   * → {info, isGrowing: false, isCutOff: whether something torn lies at its end, numSteps, blocks: [{offset, sizeBytes,
   * kind, firstStep, numSteps}]}. Rejects with ScamError.
   */
  async index() {
    checkFileHeader(await this.#read(0, FILE_HEADER_BYTES));
    const { blocks, isCutOff } = (await this.#indexed()) ?? (await this.#walked());
    if (blocks.length === 0) throw new ScamError("the recording was cut off before its first block");
    const info = parseInfo(await readBlock(await this.read(blocks[0])));
    return { info, isGrowing: false, isCutOff, numSteps: countSteps(blocks), blocks };
  }

  /** Resolves to the whole block. */
  read({ offset, sizeBytes }) {
    return this.#read(offset, sizeBytes);
  }

  /** As the index at the end tells; null where there is none, or none that can be believed. */
  async #indexed() {
    const { size } = this.#blob;
    const at = indexOffset(await this.#read(Math.max(0, size - TRAILER_BYTES), TRAILER_BYTES));
    if (at === null || at > size - TRAILER_BYTES) return null;
    try {
      const { kind, raw } = await readRaw(await this.#read(at, size - TRAILER_BYTES - at));
      const rows = kind === Kind.INDEX ? parseIndex(raw) : null;
      const blocks = rows && withSizes(rows, at);
      return blocks && { blocks, isCutOff: false };
    } catch (error) {
      if (error instanceof ScamError) return null;
      throw error;
    }
  }

  /** Every whole block. The last one counts only if its check sum holds: a machine may have lost its power. */
  async #walked() {
    const blocks = [];
    let at = FILE_HEADER_BYTES;
    for (let block = await this.#blockAt(at); block !== null; block = await this.#blockAt(at)) {
      blocks.push(block);
      at += block.sizeBytes;
      if (blocks.length > MAX_BLOCKS) throw new ScamError("the file has too many blocks");
    }
    const isSound = blocks.length === 0 || (await this.#isSound(blocks.at(-1)));
    if (!isSound) blocks.pop();
    const isAtIndex = (await this.#headerAt(at))?.kind === Kind.INDEX; // of a trailer that is gone nothing was lost
    return { blocks, isCutOff: !isSound || (at < this.#blob.size && !isAtIndex) };
  }

  async #blockAt(offset) {
    const header = await this.#headerAt(offset);
    if (header === null || header.kind === Kind.INDEX) return null;
    const sizeBytes = BLOCK_HEADER_BYTES + header.storedBytes;
    if (offset + sizeBytes > this.#blob.size) return null;
    const { kind, firstStep, numSteps } = header;
    return { offset, sizeBytes, kind, firstStep, numSteps };
  }

  async #headerAt(offset) {
    const { at, bytes } = this.#page;
    const isHere = offset >= at && offset + BLOCK_HEADER_BYTES <= at + bytes.length;
    if (!isHere) this.#page = { at: offset, bytes: await this.#read(offset, PAGE_BYTES) };
    return blockHeader(this.#page.bytes.subarray(offset - this.#page.at).subarray(0, BLOCK_HEADER_BYTES));
  }

  async #isSound(block) {
    try {
      await readRaw(await this.read(block));
      return true;
    } catch (error) {
      if (error instanceof ScamError) return false;
      throw error;
    }
  }

  async #read(offset, size) {
    return new Uint8Array(await this.#blob.slice(offset, offset + size).arrayBuffer());
  }
}

/** Blocks lie one after the other, the index behind the last one; null where the rows say otherwise. */
function withSizes(rows, indexAt) {
  const ends = [...rows.slice(1).map(({ offset }) => offset), indexAt];
  const blocks = rows.map((row, i) => ({ ...row, sizeBytes: ends[i] - row.offset }));
  const isSound = ({ sizeBytes }) => sizeBytes >= BLOCK_HEADER_BYTES && sizeBytes <= MAX_BLOCK_BYTES;
  return (rows[0]?.offset ?? indexAt) === FILE_HEADER_BYTES && blocks.every(isSound) ? blocks : null;
}

/** Throws ScamError unless the blocks' steps follow each other from 0 on. */
export function countSteps(blocks) {
  let next = 0;
  for (const { kind, firstStep, numSteps } of blocks) {
    if (kind !== Kind.STEPS) continue;
    if (firstStep !== next || numSteps < 1) throw new ScamError("the steps of the recording do not follow each other");
    next += numSteps;
  }
  return next;
}

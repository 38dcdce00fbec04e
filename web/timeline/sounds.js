// The sound of a recording, in time with its steps: pieces are placed by when they were heard, against when the step's
// frame was captured; without that, by the step at which their track begins. The audio context is handed in.
import { Kind, parseAudio, readBlock } from "./scam.js";

const AHEAD_MS = 600; // of wall clock, that is scheduled
const OUT_OF_STEP_MS = 150; // further away it begins anew: a seek, a pause, a stall
const SEAM_MS = 60; // pieces that nearly follow each other do so exactly
const FASTEST = 2; // faster than that it is no sound any more
const KEPT_PIECES = 256;

export class Sounds {
  #player;
  #source;
  #makeContext;
  #context = null; // made when there is something to hear
  #pieces = new Map(); // key of a block → piece or null while it is loaded, or cannot be
  #isLoading = false;
  #ends = new Map(); // name of a track → where its newest piece ends, of those that tell no time
  #tracks = ""; // of a program: which pieces there are
  #anchor = null; // {contextS, mediaMs, speed}: what was scheduled counts from here
  #playing = new Map(); // key of a piece → its node
  #chained = null; // {mediaEndMs, contextEndS} of the piece that was scheduled last

  /** makeContext() → an AudioContext. */
  constructor(player, source, makeContext) {
    this.#player = player;
    this.#source = source;
    this.#makeContext = makeContext;
  }

  /** For each drawing of the page. */
  tick() {
    const { isPlaying, speed, state, soundBlocks } = this.#player;
    if (soundBlocks.length === 0 || state !== "ready" || speed > FASTEST) return this.#stop();
    this.#noticeOtherTracks();
    this.#loadNear(); // while it stands, too: it is heard from the first moment on
    if (!isPlaying) return this.#stop();
    this.#context ??= this.#makeContext();
    if (this.#context.state === "suspended") {
      this.#context.resume(); // is done only after the person did something: until then its time stands
      return this.#stop();
    }
    this.#keepInStep();
    this.#schedule();
  }

  close() {
    this.#stop();
    this.#context?.close();
  }

  // ---------------------------------------------------------------- pieces

  /** A program may write its sounds anew; where each piece is, follows from those before it. */
  #noticeOtherTracks() {
    if (this.#player.info.source === "recording") return;
    const tracks = this.#player.soundBlocks.map(({ key }) => key).join();
    if (tracks === this.#tracks) return;
    this.#stop();
    this.#pieces.clear();
    this.#ends.clear();
    this.#tracks = tracks;
  }

  /** One after the other: the steps go first, and a piece may be placed by where the one before it ends. */
  #loadNear() {
    if (this.#isLoading) return;
    for (const entry of this.#player.soundBlocks) {
      if (this.#pieces.has(entry.key) || !this.#player.isNear(entry)) continue;
      this.#load(entry);
      return;
    }
  }

  async #load(entry) {
    const { key } = entry;
    this.#isLoading = true;
    this.#pieces.set(key, null);
    if (this.#pieces.size > KEPT_PIECES && this.#player.info.source === "recording") {
      this.#pieces.delete(this.#pieces.keys().next().value);
    }
    try {
      const block = await readBlock(await this.#source.read(entry));
      const isWanted = block.kind === Kind.AUDIO && this.#pieces.has(key); // not where the program has others by now
      if (isWanted) this.#pieces.set(key, this.#placed(parseAudio(block)));
    } catch {
      // a recording with a hole in its sound plays all the same
    } finally {
      this.#isLoading = false;
    }
  }

  /** A piece that tells no time follows the one before of its name. */
  #placed(piece) {
    const { name, samples, channels, sampleRate, startStep, capturedAtMs } = piece;
    const lengthMs = (samples.length / 2 / channels / sampleRate) * 1000;
    if (capturedAtMs !== null) return { ...piece, clock: "captured", startMs: capturedAtMs, lengthMs };
    const startMs = this.#ends.get(name) ?? (startStep * 1000) / this.#player.info.fps;
    this.#ends.set(name, startMs + lengthMs);
    return { ...piece, clock: "steps", startMs, lengthMs };
  }

  // ---------------------------------------------------------------- time

  #mediaMs(clock) {
    const { step, shownMs, info, facts } = this.#player;
    if (clock === "captured") return facts === null ? null : facts.capturedAtMs + shownMs;
    return (step * 1000) / info.fps + shownMs;
  }

  get #clock() {
    return this.#player.info.source === "recording" && this.#player.facts !== null ? "captured" : "steps";
  }

  #keepInStep() {
    const { speed } = this.#player;
    const mediaMs = this.#mediaMs(this.#clock);
    const contextS = this.#context.currentTime;
    const expectedMs = this.#anchor && this.#anchor.mediaMs + (contextS - this.#anchor.contextS) * 1000 * speed;
    const isInStep =
      expectedMs !== null && this.#anchor.speed === speed && Math.abs(mediaMs - expectedMs) < OUT_OF_STEP_MS;
    if (isInStep) return;
    this.#stop();
    this.#anchor = { contextS, mediaMs, speed };
  }

  #schedule() {
    const { contextS, mediaMs, speed } = this.#anchor;
    const nowMs = mediaMs + (this.#context.currentTime - contextS) * 1000 * speed;
    for (const [key, piece] of this.#pieces) {
      if (piece === null || piece.clock !== this.#clock || this.#playing.has(key)) continue;
      const { startMs, lengthMs } = piece;
      if (startMs + lengthMs > nowMs && startMs < nowMs + AHEAD_MS * speed) this.#start(key, piece, nowMs);
    }
  }

  #start(key, piece, nowMs) {
    const { speed } = this.#anchor;
    const buffer = this.#bufferOf(piece);
    if (buffer === null) return;
    const node = this.#context.createBufferSource();
    const gain = this.#context.createGain();
    gain.gain.value = piece.volume;
    Object.assign(node, { buffer });
    node.playbackRate.value = speed;
    node.connect(gain).connect(this.#context.destination);
    const skippedMs = Math.max(0, nowMs - piece.startMs);
    const atS = this.#startS(piece, nowMs);
    node.start(atS, skippedMs / 1000);
    node.onended = () => this.#playing.get(key) === node && this.#playing.set(key, null); // heard: not once more
    this.#playing.set(key, node);
    const lastsS = (piece.lengthMs - skippedMs) / 1000 / speed;
    this.#chained = { name: piece.name, mediaEndMs: piece.startMs + piece.lengthMs, contextEndS: atS + lastsS };
  }

  /** On the context's clock. Where it nearly follows the piece before, without a gap and without both at once. */
  #startS(piece, nowMs) {
    const { name, mediaEndMs, contextEndS } = this.#chained ?? {};
    const isNext = name === piece.name && Math.abs(piece.startMs - mediaEndMs) < SEAM_MS;
    if (isNext && contextEndS > this.#context.currentTime) return contextEndS;
    return this.#context.currentTime + Math.max(0, piece.startMs - nowMs) / 1000 / this.#anchor.speed;
  }

  #bufferOf({ samples, channels, sampleRate }) {
    const length = samples.length / 2 / channels;
    if (length === 0) return null;
    const view = new DataView(samples.buffer, samples.byteOffset, samples.byteLength);
    try {
      const buffer = this.#context.createBuffer(channels, length, sampleRate);
      for (let channel = 0; channel < channels; channel += 1) {
        const floats = buffer.getChannelData(channel);
        for (let i = 0; i < length; i += 1) floats[i] = view.getInt16(2 * (i * channels + channel), true) / 32768;
      }
      return buffer;
    } catch {
      return null; // a rate that this browser does not play
    }
  }

  #stop() {
    for (const node of this.#playing.values()) node?.stop();
    this.#playing.clear();
    this.#anchor = this.#chained = null;
  }
}

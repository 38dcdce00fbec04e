// Plays a recording step by step: which step is due, which blocks are needed for it, what comes next. The source of
// blocks, the clock and the screen are handed in; knows no page and no picture.
import { BlockCache } from "./block_cache.js";
import { advance } from "./clock.js";
import { Kind, parseStatic, parseSteps, readBlock, sceneAt, ScamError } from "./scam.js";
import { SPEEDS } from "./speeds.js";

const BUDGET_BYTES = 64 << 20;
const BLOCKS_AHEAD = 2;
const AGAIN_AFTER_MS = 1000; // a source that failed, or whose recording grows

export class Player {
  info = null; // of the source's index
  isGrowing = false; // it is still being recorded
  isCutOff = false; // its end was torn off
  isPlaying = false;
  soundBlocks = []; // entries with a key and `beforeStep`: the first step after them in the file

  #source;
  #show;
  #now;
  #on;
  #schedule;
  #cache;
  #entries = []; // of the blocks of steps, each with its key
  #static = null; // {key, scene} of the block that is there in every step
  #position = { step: 0, shownMs: 0 };
  #direction = 1;
  #speed = 1;
  #loops = false;
  #tickedAt = null; // ms
  #isHeld = false; // by a block that is not here
  #shown = null; // what show() got last, by step and block
  #startMs; // when the first step was received
  #isClosed = false;

  /**
   * source: {index(), read(block), refresh?()}, see blob_source.js; index() and refresh() bring the same, blocks with a
   * `version` that changes with what is in them.
   * show({step, scene: Map of name → node, facts or null, info}): this one belongs on the screen now.
   * now() → ms; schedule(callback, ms), as setTimeout; budgetBytes: of decoded blocks.
   * on: {changed(): any of what can be read here, failed(sentence): a block cannot be read, playing has ended}.
   */
  constructor({ source, show, now, on, schedule = (...args) => setTimeout(...args), budgetBytes = BUDGET_BYTES }) {
    this.#source = source;
    this.#show = show;
    this.#now = now;
    this.#on = { failed: () => {}, ...on };
    this.#schedule = schedule;
    this.#cache = new BlockCache({
      load: (entry) => this.#load(entry), budgetBytes,
      on: { loaded: () => this.#settle(), failed: (error) => this.#onFailed(error) },
    });
  }

  /** Reads the index; seek() then shows a step. Rejects with ScamError, or as the source does. */
  async open() {
    await this.#take(await this.#source.index());
    if (this.isGrowing) this.#followLater();
  }

  /** Nothing is shown or asked for any more. */
  close() {
    this.#isClosed = true;
    this.isPlaying = false;
  }

  // ---------------------------------------------------------------- what it is at

  get numSteps() {
    const last = this.#entries.at(-1);
    return last === undefined ? 0 : last.firstStep + last.numSteps;
  }

  get step() {
    return this.#position.step;
  }

  /** "empty": there is no step; "waiting": for a block of the source; "ready". */
  get state() {
    if (this.numSteps === 0) return "empty";
    const isHere = this.#cache.has(this.#entryOf(this.step));
    return isHere && !(this.isPlaying && this.#isHeld) ? "ready" : "waiting";
  }

  /** Since the first step, as it was recorded; null while the block that tells is not here. */
  get seconds() {
    const facts = this.#factsOf(this.step);
    if (facts === null) return this.step / this.info.fps; // a program's steps come at its rate
    return facts === undefined || this.#startMs === undefined ? null : (facts.receivedAtMs - this.#startMs) / 1000;
  }

  get facts() {
    return this.#factsOf(this.step) ?? null;
  }

  get cachedBytes() {
    return this.#cache.usedBytes;
  }

  /** How long the step has been shown, in the recording's own time. */
  get shownMs() {
    return this.#position.shownMs;
  }

  /** Whether a block of sound lies about where the player is. Those of a program lie before all steps. */
  isNear({ beforeStep }) {
    if (this.info.source === "timeline") return true;
    const at = this.#indexAt(this.step);
    const [from, to] = [this.#entries[Math.max(at - 1, 0)], this.#entries[at + BLOCKS_AHEAD]];
    return beforeStep >= from.firstStep && beforeStep <= (to?.firstStep ?? Infinity);
  }

  // ---------------------------------------------------------------- what can be done

  /** From where it is; from the beginning where it is at the end. */
  play() {
    if (this.numSteps === 0 || this.isPlaying) return;
    if (this.step === this.numSteps - 1 && !this.isGrowing) this.#goTo(0);
    this.isPlaying = true;
    this.#tickedAt = this.#now();
    this.#settle();
  }

  pause() {
    this.isPlaying = false;
    this.#isHeld = false;
    this.#on.changed();
  }

  /** To the nearest step that there is; goes on playing if it did. */
  seek(step) {
    if (this.numSteps === 0 || Number.isNaN(step)) return;
    this.#goTo(Math.min(Math.max(Math.round(step), 0), this.numSteps - 1));
    this.#settle();
  }

  next() {
    this.pause();
    this.seek(this.step + 1);
  }

  previous() {
    this.pause();
    this.seek(this.step - 1);
  }

  get speed() {
    return this.#speed;
  }

  set speed(speed) {
    this.#speed = Math.min(Math.max(speed, SPEEDS[0]), SPEEDS.at(-1));
    this.#on.changed();
  }

  get loop() {
    return this.#loops;
  }

  set loop(loops) {
    this.#loops = loops;
    this.#on.changed();
  }

  /** Something of the source has changed: its index is read again. Rejects as open(). */
  async refresh() {
    const { refresh } = this.#source;
    await this.#take(await (refresh === undefined ? this.#source.index() : refresh.call(this.#source)));
    if (this.step >= this.numSteps) this.#goTo(Math.max(this.numSteps - 1, 0));
    this.#settle();
  }

  /** For each drawing of the page. */
  tick(nowMs) {
    const elapsedMs = nowMs - (this.#tickedAt ?? nowMs);
    this.#tickedAt = nowMs;
    if (!this.isPlaying || this.#isClosed) return;
    const wasHeld = this.#isHeld;
    const before = this.step;
    const track = { numSteps: this.numSteps, durationMs: (step) => this.#durationMs(step) };
    const { step, shownMs, isHeld, isAtEnd } = advance(this.#position, elapsedMs, this.#speed, track);
    this.#position = { step, shownMs };
    this.#direction = 1;
    this.#isHeld = isHeld;
    if (isAtEnd) this.#reachedEnd();
    if (this.step !== before || isHeld !== wasHeld || isAtEnd) this.#settle();
  }

  // ---------------------------------------------------------------- inside

  #reachedEnd() {
    if (this.#loops) this.#goTo(0);
    else this.isPlaying = false;
  }

  #goTo(step) {
    this.#direction = step < this.step ? -1 : 1;
    this.#position = { step, shownMs: 0 };
    this.#isHeld = false;
  }

  /** What belongs on the screen is shown, or asked for; then what will be needed soon. */
  #settle() {
    if (this.#isClosed || this.numSteps === 0) return;
    const entry = this.#entryOf(this.step);
    const block = this.#cache.get(entry);
    if (block === undefined) this.#cache.want(entry);
    else this.#showFrom(block, entry);
    this.#lookAhead(entry);
    this.#on.changed();
  }

  #showFrom(block, entry) {
    const { step } = this;
    this.#noteStart(this.#entries[0]);
    const what = `${step} of ${entry.key} beside ${this.#static?.key}`;
    if (what === this.#shown) return;
    this.#shown = what;
    const index = step - entry.firstStep;
    const scene = new Map([...(this.#static?.scene ?? []), ...sceneAt(block, index)]);
    this.#show({ step, scene, facts: block.steps[index].facts, info: this.info });
  }

  #lookAhead(entry) {
    const at = this.#indexAt(this.step);
    if (this.isPlaying && this.#isHeld && at + 1 < this.#entries.length) this.#cache.want(this.#entries[at + 1]);
    const soon = Array.from({ length: BLOCKS_AHEAD }, (_, i) => this.#entries[at + this.#direction * (i + 1)]);
    if (this.#startMs === undefined && this.#cache.has(entry)) soon.unshift(this.#entries[0]);
    const missing = soon.find((block) => block !== undefined && !this.#cache.has(block));
    if (missing !== undefined) this.#cache.wantSoon(missing);
  }

  #noteStart(first) {
    if (this.#startMs === undefined && this.#cache.has(first)) this.#startMs = this.#factsOf(0)?.receivedAtMs;
  }

  /** How long a step is shown; undefined while the block that tells is not here, or not recorded yet. */
  #durationMs(step) {
    const perStep = 1000 / this.info.fps;
    const own = this.#factsOf(step);
    if (own === undefined) return undefined;
    if (step === this.numSteps - 1) return this.isGrowing ? undefined : perStep;
    if (own === null) return perStep;
    const next = this.#factsOf(step + 1);
    if (next === undefined) return undefined;
    return next === null ? perStep : Math.max(0, next.receivedAtMs - own.receivedAtMs);
  }

  /** null where a step has none, undefined where its block is not here. */
  #factsOf(step) {
    if (step >= this.numSteps) return undefined;
    const entry = this.#entryOf(step);
    return this.#cache.peek(entry)?.steps[step - entry.firstStep].facts;
  }

  #entryOf(step) {
    return this.#entries[this.#indexAt(step)];
  }

  /** By halves: of a long recording it is asked for thousands of sounds at each drawing. */
  #indexAt(step) {
    let [low, high] = [0, this.#entries.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#entries[middle].firstStep <= step) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  // ---------------------------------------------------------------- the source

  async #take({ info, isGrowing = false, isCutOff = false, blocks }) {
    const known = new Map(this.#entries.map((entry) => [entry.key, entry]));
    const withKey = (block) => ({ ...block, key: `${block.firstStep}+${block.numSteps}${versionOf(block)}` });
    const steps = blocks.filter(({ kind }) => kind === Kind.STEPS).map(withKey);
    const still = blocks.filter(({ kind }) => kind === Kind.STATIC).map(withKey).at(0);
    if (still?.key !== this.#static?.key) this.#static = await this.#loadStatic(still);
    Object.assign(this, { info, isGrowing, isCutOff });
    this.#entries = steps.map((entry) => known.get(entry.key) ?? entry);
    this.#cache.retain(new Set(this.#entries.map(({ key }) => key)));
    this.soundBlocks = soundBlocksOf(blocks);
  }

  async #loadStatic(entry) {
    if (entry === undefined) return null;
    const block = await readBlock(await this.#source.read(entry));
    return { key: entry.key, scene: new Map(Object.entries(parseStatic(block))) };
  }

  async #load(entry) {
    const bytes = await this.#source.read(entry);
    const block = await readBlock(bytes);
    const isIt = block.kind === entry.kind && block.firstStep === entry.firstStep && block.numSteps === entry.numSteps;
    if (!isIt) throw new ScamError(`the block of steps from ${entry.firstStep} on is not the one that the index names`);
    const release = () => {
      block.release();
      bytes.buffer.transfer?.(0); // what is on the screen has copies
    };
    return { value: parseSteps(block), sizeBytes: block.rawBytes, release };
  }

  /** A file stays damaged; a server may come back. */
  #onFailed(error) {
    if (this.#isClosed) return;
    if (error instanceof ScamError) this.#fail(error);
    else this.#schedule(() => this.#settle(), AGAIN_AFTER_MS);
  }

  #fail(error) {
    this.pause();
    this.#on.failed(error.message);
  }

  #followLater() {
    this.#schedule(() => this.#follow(), AGAIN_AFTER_MS);
  }

  async #follow() {
    if (this.#isClosed) return;
    try {
      await this.refresh();
    } catch (error) {
      if (!(error instanceof ScamError)) return this.#followLater();
      this.isGrowing = false; // it was deleted meanwhile
      return this.#fail(error);
    }
    if (this.isGrowing) this.#followLater();
    else this.#on.changed();
  }
}

function versionOf({ version = 0 }) {
  return `, version ${version}`;
}

function soundBlocksOf(blocks) {
  const found = [];
  let beforeStep = Infinity;
  for (const [i, block] of blocks.toReversed().entries()) {
    if (block.kind === Kind.STEPS) beforeStep = block.firstStep;
    if (block.kind !== Kind.AUDIO) continue;
    found.push({ ...block, key: `${blocks.length - i}${versionOf(block)}`, beforeStep });
  }
  return found.reverse();
}

// The recordings of the page: the one that is open is played on the screen with its sound, the one that is being made
// can be scrubbed meanwhile, and the live picture comes back. Knows no element; what it needs is handed in.
import { Player } from "./player.js";
import { ScamError } from "./scam.js";
import { picturesOf, resultOf } from "./step_result.js";
import { endText } from "./words.js";

export const NEWEST = Infinity; // the step that was recorded last

export class Deck {
  player = null; // of what is open
  name = ""; // of what is open, for people
  id = null; // of what is open, where it is the server's
  drawnStep = null; // the one whose picture is on the screen
  drawn = 0; // how many were
  made = null; // the server's newest `recording` message, of the camera that is shown live

  #options;
  #sounds = null;
  #asked = 0; // the newest wish wins
  #wish = null; // the step that somebody wants to see of what is just being opened

  /**
   * options: {screen, now() → ms, nextFrame(callback), as requestAnimationFrame, sourceOf(id) → blocks of a recording
   * of the server, makeSounds(player, source) → {tick(), close()}, on: {changed(), failed(sentence), ended(sentence: why
   * the recording that was made has ended; "" where that is the past), pictures(Map of name → JPEG, of the step that
   * is shown)}}.
   */
  constructor(options) {
    this.#options = options;
  }

  get isOpen() {
    return this.player !== null;
  }

  /** {step, numSteps, id} of what is open, else of the recording that is being made; null where there is neither. */
  get tape() {
    if (this.isOpen) return { step: this.player.step, numSteps: this.player.numSteps, id: this.id };
    if (this.made === null) return null;
    const { id, steps: numSteps } = this.made;
    return { step: Math.max(0, Math.min(this.#wish ?? NEWEST, numSteps - 1)), numSteps, id };
  }

  // ---------------------------------------------------------------- what is open

  /**
   * source: of blocks; name: for people; id: the server's, or null. Resolves to whether it is open now: what cannot be
   * opened is told, and what was on the screen stays.
   */
  async open(source, { name, id = null }, step = 0) {
    const asked = ++this.#asked;
    this.#wish = step;
    const { now, on } = this.#options;
    const player = new Player({
      source, now, show: (shown) => this.#show(player, shown),
      on: { changed: () => on.changed(), failed: (sentence) => on.failed(`“${name}”: ${sentence}.`) },
    });
    try {
      await player.open();
      if (asked === this.#asked) this.#begin(player, source, { name, id });
    } catch (error) {
      if (asked === this.#asked) on.failed(`“${name}” cannot be opened: ${reasonOf(error)}.`);
    } finally {
      if (player !== this.player) player.close();
      if (asked === this.#asked) this.#wish = null;
    }
    return player === this.player;
  }

  openRecording(id, step = 0) {
    return this.open(this.#options.sourceOf(id), { name: id, id }, step);
  }

  /** Of what is open, else of the recording that is being made, which is opened for it. */
  async seek(step) {
    if (this.isOpen) this.player.seek(step);
    else if (this.#wish !== null) this.#wish = step;
    else if (this.made !== null) await this.openRecording(this.made.id, step);
  }

  async togglePlaying() {
    if (!this.isOpen && this.made !== null) await this.openRecording(this.made.id);
    if (!this.isOpen) return;
    if (this.player.isPlaying) this.player.pause();
    else this.player.play();
  }

  /** The live picture again. The recording that is being made can be scrubbed still. */
  goLive() {
    this.#asked += 1;
    this.#wish = null;
    this.#end();
    this.#options.screen.backToLive();
    this.#options.on.pictures(new Map());
    this.#options.on.changed();
  }

  /** As goLive; the recording that was made is not offered any more. */
  close() {
    if (!this.isRecording) this.made = null;
    this.#options.on.ended("");
    this.goLive();
  }

  // ---------------------------------------------------------------- what is being made

  get isRecording() {
    return this.made?.state === "recording";
  }

  /**
   * A `recording` message. One that failed before its first step is nothing to look at; the last word about the one
   * before may come when the next one runs already.
   */
  told(message) {
    if (message.state === "recording" && message.id !== this.made?.id) this.#options.on.ended("");
    const isOfThePast = this.isRecording && message.state !== "recording" && message.id !== this.made.id;
    if (!isOfThePast) this.made = message.state === "failed" && message.steps === 0 ? null : message;
    if (message.state !== "recording" && message.message !== "") this.#options.on.ended(endText(message));
    this.#options.on.changed();
  }

  /** The connection is gone, and with it what it said. */
  forget() {
    if (this.isRecording) this.made = null;
    this.#options.on.changed();
  }

  // ---------------------------------------------------------------- inside

  #begin(player, source, { name, id }) {
    this.#end();
    Object.assign(this, { player, name, id });
    this.#sounds = this.#options.makeSounds(player, source);
    const { on } = this.#options;
    const { numSteps, isCutOff } = player;
    if (numSteps === 0) on.failed(`“${name}” holds no step yet.`);
    else if (isCutOff) on.failed(`“${name}” was cut off in the middle; its ${numSteps} whole steps play.`);
    player.seek(this.#wish);
    this.#loop(player);
    on.changed();
  }

  #end() {
    this.player?.close();
    this.#sounds?.close();
    this.#sounds = null;
    Object.assign(this, { player: null, name: "", id: null, drawnStep: null });
  }

  #loop(player) {
    if (player !== this.player) return;
    player.tick(this.#options.now());
    this.#sounds.tick();
    this.#options.nextFrame(() => this.#loop(player));
  }

  #show(player, shown) {
    const { screen, on } = this.#options;
    try {
      screen.replay(resultOf(shown), () => this.#drawn(player, shown.step));
      on.pictures(picturesOf(shown));
    } catch (error) {
      if (!(error instanceof ScamError)) throw error;
      on.failed(`${error.message}.`);
    }
  }

  #drawn(player, step) {
    if (player !== this.player) return;
    this.drawnStep = step;
    this.drawn += 1;
  }
}

function reasonOf(error) {
  return error instanceof ScamError ? error.message : `it cannot be read now (${error.message})`;
}

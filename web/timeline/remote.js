// Between a program and the player of one of its viewers: the program's wishes are done, and what the person does here
// is told. Comes back by itself. Socket, clock and chance are handed in.
import { Retries } from "../viewer/retries.js";

const LOOK_EVERY_MS = 100;
const TOLERANCE = 1.5; // steps that a playing player may be off: drawings come when they come
const OPEN = 1; // of a WebSocket

export class Remote {
  #player;
  #source;
  #openSocket;
  #now;
  #schedule;
  #random;
  #retries = new Retries();
  #socket = null;
  #told = null; // what the program believes: {step, speed, isPlaying, atMs}; null: it is to be told
  #wasOpen = false;
  #isClosed = false;
  #heard = Promise.resolve(); // until the words so far are done: one that waits for a server is not overtaken

  /** source: a ProgramSource; openSocket() → a WebSocket; schedule(callback, ms), as setTimeout. */
  constructor({ player, source, openSocket, now, schedule, random }) {
    this.#player = player;
    this.#source = source;
    this.#openSocket = openSocket;
    this.#now = now;
    this.#schedule = schedule;
    this.#random = random;
  }

  open() {
    this.#connect();
    this.#lookLater();
  }

  close() {
    this.#isClosed = true;
    this.#socket?.close();
  }

  // ---------------------------------------------------------------- the program's wishes

  #hear(word) {
    this.#heard = this.#heard.finally(() => this.#do(word));
  }

  /** word: {playback?: {step, speed, is_playing}, changed?, refresh?}. */
  async #do(word) {
    if (this.#isClosed) return;
    if (word.refresh) this.#source.forget();
    if (word.refresh || word.changed) await this.#refresh();
    if (word.playback !== undefined) this.#follow(word.playback);
  }

  async #refresh() {
    try {
      await this.#player.refresh();
    } catch {
      // the server is gone, which the socket will tell; it is asked again when that is back
    }
  }

  #follow({ step, speed, is_playing: isPlaying }) {
    const player = this.#player;
    player.speed = speed;
    if (Math.floor(step) !== player.step) player.seek(Math.floor(step));
    if (isPlaying) player.play();
    else if (player.isPlaying) player.pause();
    this.#told = null; // what became of it is told: a word of ours may have been on its way
  }

  // ---------------------------------------------------------------- what the person does

  #lookLater() {
    this.#schedule(() => {
      if (this.#isClosed) return;
      this.#look();
      this.#lookLater();
    }, LOOK_EVERY_MS);
  }

  #look() {
    if (this.#socket?.readyState !== OPEN || this.#player.numSteps === 0) return;
    const { step, speed, isPlaying } = this.#player;
    if (this.#told !== null && isAsTold(this.#told, { step, speed, isPlaying }, this.#now(), this.#player)) return;
    this.#told = { step, speed, isPlaying, atMs: this.#now() };
    this.#socket.send(JSON.stringify({ step, speed, is_playing: isPlaying }));
  }

  // ---------------------------------------------------------------- the socket

  #connect() {
    if (this.#isClosed) return;
    const socket = this.#openSocket();
    this.#socket = socket;
    socket.onopen = () => {
      this.#retries.served(this.#now());
      if (this.#wasOpen) this.#hear({ changed: true }); // it was lost: what changed meanwhile nobody has told
      this.#wasOpen = true;
      this.#told = null;
      this.#look();
    };
    socket.onmessage = ({ data }) => this.#hear(JSON.parse(data));
    socket.onclose = () => {
      const waitMs = this.#retries.lost(this.#now(), 0, this.#random());
      this.#schedule(() => this.#connect(), waitMs);
    };
  }
}

/** Whether a program that heard `told` knows where the player is now. */
export function isAsTold(told, { step, speed, isPlaying }, nowMs, { info, numSteps }) {
  if (told.speed !== speed || told.isPlaying !== isPlaying) return false;
  if (!isPlaying) return Math.floor(told.step) === step;
  const expected = told.step + ((nowMs - told.atMs) / 1000) * info.fps * speed;
  return Math.abs(Math.min(expected, numSteps - 1) - step) <= TOLERANCE;
}

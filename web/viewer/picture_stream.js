// Pictures that the server pushes: one for every new frame of the camera and every new wish. Says what is wanted when
// that changes and what was seen, nothing else. Knows no DOM; socket, clock, timer and chance come from outside.
import { Pace } from "./pace.js";
import { nextDivisor, SETTLED_MS } from "./planner.js";

const MAX_UNANSWERED = 2; // wishes on their way; of what changes meanwhile only the newest follows
const STILL_MS = 1000; // without a picture: nothing moves in front of the camera
const TIMED_PICTURES = 8;
const FIRST_RETRY_MS = 1000;
const LAST_RETRY_MS = 16_000;
const FULL_RETRY_MS = 5000;
const FULL = 1013;

/** Full jitter, of `random` in [0, 1): pages that lost the same server do not come back in the same moment. */
export function retryDelayMs(closeCode, attempt, random) {
  const ceiling = Math.min(FIRST_RETRY_MS * 2 ** attempt, LAST_RETRY_MS);
  return (closeCode === FULL ? FULL_RETRY_MS : 0) + random * ceiling;
}

export class PictureStream {
  lastMs = null; // between the newest pictures, of a single one what it took; null while none comes
  shownUrl = null; // what was wished for the newest

  #options;
  #socket = null; // open
  #attempt = 0;
  #isHeld = false; // a finger or a button is down
  #touchedAt = -Infinity;
  #movingDivisor = 2;
  #pace = new Pace();
  #wishes = new Map(); // id → {url, isMoving}: those that the server may still draw
  #newestId = 0;
  #answeredId = 0;
  #settles = null; // timer
  #stills = null; // timer
  #drawn = null; // {id, ms, heardAt}: of the JPEG that comes next
  #next = null; // a picture that waits for the one before to be on the screen
  #isPainting = false;
  #paintedAt = []; // ms, of the newest pictures

  /**
   * createSocket() → a new WebSocket; now() → milliseconds; schedule(callback, ms) → id, cancel(id); random() → [0, 1);
   * urlOf(divisor or null): what is wanted now, as the address of a picture; show(blob) → promise: it is on the screen;
   * on: {info(info), shown(), failed(sentence), recovered()}.
   */
  constructor(options) {
    this.#options = options;
  }

  start() {
    const socket = this.#options.createSocket();
    socket.binaryType = "blob";
    socket.onopen = () => this.#opened(socket);
    socket.onmessage = ({ data }) => this.#hear(socket, data);
    socket.onclose = ({ code }) => this.#closed(code);
  }

  /** Something else is wanted: another mode, another size. */
  change() {
    this.#wish();
  }

  /** The view was touched. */
  touch() {
    this.#touchedAt = this.#options.now();
    this.#wish();
    this.#settle();
  }

  hold(isHeld) {
    this.#isHeld = isHeld;
    if (!isHeld) this.#settle();
  }

  get #isMoving() {
    return this.#isHeld || this.#options.now() - this.#touchedAt < SETTLED_MS;
  }

  /** Sends what is wanted, where that is news and the server has not too much of it already. */
  #wish() {
    if (this.#socket === null || this.#newestId - this.#answeredId >= MAX_UNANSWERED) return;
    const isMoving = this.#isMoving;
    const url = this.#options.urlOf(isMoving ? this.#movingDivisor : this.#pace.divisor);
    if (url === this.#wishes.get(this.#newestId)?.url) return;
    this.#newestId += 1;
    this.#wishes.set(this.#newestId, { url, isMoving });
    const query = Object.fromEntries(new URLSearchParams(url.split("?")[1]));
    this.#say({ type: "look", id: this.#newestId, ...query });
  }

  /** A sharper picture when the view has rested. */
  #settle() {
    this.#options.cancel(this.#settles);
    if (this.#isHeld) return;
    const restsInMs = Math.max(0, this.#touchedAt + SETTLED_MS - this.#options.now());
    this.#settles = this.#options.schedule(() => this.#wish(), restsInMs);
  }

  #say(message) {
    this.#socket.send(JSON.stringify(message));
  }

  #opened(socket) {
    this.#socket = socket;
    this.#forget();
    this.#wish();
  }

  /** What the last socket was told is nothing to the next one. */
  #forget() {
    this.#wishes.clear();
    this.#answeredId = this.#newestId;
    this.#drawn = this.#next = null;
  }

  #closed(code) {
    this.#socket = null;
    const { failed } = this.#options.on;
    failed(`${code === FULL ? "The server is full." : "The server cannot be reached."} Trying again.`);
    const delayMs = retryDelayMs(code, this.#attempt, this.#options.random());
    this.#attempt += 1;
    this.#options.schedule(() => this.start(), delayMs);
  }

  #hear(socket, data) {
    if (typeof data !== "string") {
      this.#receive(socket, data);
      return;
    }
    const message = JSON.parse(data);
    if (message.type === "drawn") this.#drawn = { ...message, id: Number(message.id), heardAt: this.#options.now() };
    else if (message.type === "info") this.#learn(message);
    else if (message.type === "error") this.#refused(message);
  }

  #learn(info) {
    if (this.#attempt > 0) this.#options.on.recovered();
    this.#attempt = 0;
    this.#options.on.info(info);
    this.#wish(); // where the view begins may be known only now
  }

  /** Of a wish that was refused no picture comes. */
  #refused({ message }) {
    this.#answeredId = this.#newestId;
    this.#options.on.failed(message);
    this.#wish();
  }

  #receive(socket, blob) {
    const { id, ms, heardAt } = this.#drawn;
    const picture = { socket, blob, id, ms: ms + this.#options.now() - heardAt, wish: this.#wishes.get(id) };
    this.#answered(id);
    this.#measure(picture);
    if (this.#next !== null) this.#seen(this.#next); // a newer one took its place
    this.#next = picture;
    this.#wish();
    if (!this.#isPainting) this.#paint();
  }

  /** The server draws the newest wish that it knows: of older ones it will draw none. */
  #answered(id) {
    this.#answeredId = Math.max(this.#answeredId, id);
    for (const known of this.#wishes.keys()) if (known < id) this.#wishes.delete(known);
  }

  #measure({ ms, wish }) {
    const { urlOf } = this.#options;
    if (wish.isMoving) this.#movingDivisor = nextDivisor(this.#movingDivisor, ms);
    else if (wish.url === urlOf(this.#pace.divisor)) this.#pace.took(ms);
    this.#options.cancel(this.#stills);
    this.#stills = this.#options.schedule(() => this.#stopped(), Math.max(STILL_MS, 4 * ms));
  }

  /** No picture came for a while. */
  #stopped() {
    this.#paintedAt = [];
    this.lastMs = null;
    this.#options.on.shown();
    this.#pace.rest();
    this.#wish();
  }

  async #paint() {
    this.#isPainting = true;
    while (this.#next !== null) {
      const picture = this.#next;
      this.#next = null;
      try {
        await this.#options.show(picture.blob);
        this.#shown(picture);
      } catch (error) {
        this.#options.on.failed(`A picture could not be shown (${error.message}).`);
      } finally {
        this.#seen(picture);
      }
    }
    this.#isPainting = false;
  }

  #shown({ wish, ms }) {
    const { now, on } = this.#options;
    this.#paintedAt = [...this.#paintedAt, now()].slice(-TIMED_PICTURES);
    const times = this.#paintedAt;
    this.lastMs = times.length > 1 ? (times.at(-1) - times[0]) / (times.length - 1) : ms;
    this.shownUrl = wish.url;
    on.recovered();
    on.shown();
  }

  #seen({ socket }) {
    if (socket === this.#socket) this.#say({ type: "seen" });
  }
}

// Pictures that the server pushes: one for every new frame of the camera and every new wish. Says what is wanted when
// that changes and what was seen, and now and then whether it is still there. Knows no DOM; socket, clock, timer and
// chance come from outside.
import { sentenceOf, whyClosed } from "./loss.js";
import { Pace } from "./pace.js";
import { nextDivisor, SETTLED_MS } from "./planner.js";
import { Retries } from "./retries.js";

const MAX_UNANSWERED = 2; // wishes on their way; of what changes meanwhile only the newest follows
const STILL_MS = 1000; // without a picture: nothing moves in front of the camera
const TIMED_PICTURES = 8;
const LOST = 1006;
export const PING_EVERY_MS = 10_000;
export const PINGS_UNANSWERED = 3; // counted, not timed: the timers of a page in the background come a minute apart

export class PictureStream {
  lastMs = null; // between the newest pictures, of a single one what it took; null while none comes
  shownUrl = null; // what was wished for the newest

  #options;
  #socket = null; // open
  #current = null; // the same, or the one that is to open
  #retries = new Retries();
  #retry = null; // timer
  #isLost = false; // and the page says so
  #isHidden = false;
  #unanswered = 0; // pings since the server was last heard
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
   * whyRefused() → promise of a reason (loss.js), of a socket that never opened;
   * urlOf(divisor or null): what is wanted now, as the address of a picture; show(blob) → promise: it is on the screen;
   * on: {info(info), shown(), failed(sentence), recovered()}.
   */
  constructor(options) {
    this.#options = options;
  }

  start() {
    if (this.#isHidden) return;
    const socket = this.#options.createSocket();
    this.#current = socket;
    socket.binaryType = "blob";
    socket.onopen = () => this.#opened(socket);
    socket.onmessage = ({ data }) => this.#hear(socket, data);
    socket.onclose = ({ code, reason }) => this.#closed(socket, code, reason);
  }

  /** A page that nobody sees gives its place to others. */
  hide(isHidden) {
    if (isHidden === this.#isHidden) return;
    this.#isHidden = isHidden;
    if (isHidden) this.#leave();
    else this.start();
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
    this.#unanswered = 0;
    this.#forget();
    this.#wish();
    this.#options.schedule(() => this.#beat(socket), PING_EVERY_MS);
  }

  /** A peer that is gone without a word closes nothing: only silence tells. */
  #beat(socket) {
    if (socket !== this.#socket) return; // another took its place
    if (this.#unanswered === PINGS_UNANSWERED) {
      this.#leave();
      this.#goOn(whyClosed(LOST));
      return;
    }
    this.#unanswered += 1;
    this.#say({ type: "ping" });
    this.#options.schedule(() => this.#beat(socket), PING_EVERY_MS);
  }

  /** Closing may take a dead peer a minute; what the old socket still says is nobody's business. */
  #leave() {
    const socket = this.#current;
    if (socket !== null) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    }
    this.#socket = this.#current = null;
    this.#options.cancel(this.#retry);
  }

  /** What the last socket was told is nothing to the next one. */
  #forget() {
    this.#wishes.clear();
    this.#answeredId = this.#newestId;
    this.#drawn = this.#next = null;
  }

  /** A socket that never opened was refused, and the browser keeps the reason to itself. */
  async #closed(socket, code, words) {
    const wasOpen = this.#socket !== null;
    this.#socket = null;
    const why = wasOpen ? whyClosed(code, words) : await this.#options.whyRefused();
    if (socket === this.#current) this.#goOn(why); // the page was not hidden meanwhile
  }

  /** Somebody looks, or there would be no socket: what is there on demand is demanded. */
  #goOn(why) {
    const { now, random, schedule, on } = this.#options;
    const next = why.next === "on_demand" ? "again" : why.next;
    this.#isLost = true;
    on.failed(sentenceOf({ ...why, next }));
    const delayMs = this.#retries.lost(now(), why.leastMs, random());
    if (next === "again") this.#retry = schedule(() => this.start(), delayMs);
  }

  #hear(socket, data) {
    this.#unanswered = 0;
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
    const { now, on } = this.#options;
    this.#retries.served(now());
    if (this.#isLost) on.recovered();
    this.#isLost = false;
    on.info(info);
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

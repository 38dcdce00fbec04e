// The websocket session: hello, acknowledgements, frames in flight, noticing a loss and coming back. Knows no DOM and
// no picture; the socket, the clock and the timer come from outside, so all of it runs under `node --test`.
import { ack, decode, frame, hello, isResult, ping, record, settings, shown, sound, WireError } from "./wire.js";
import { serverSentence } from "./errors.js";
import { sentenceOf, whyClosed } from "./viewer/loss.js";
import { Retries } from "./viewer/retries.js";

export const WINDOW = 3; // frames sent and not yet answered
export const FORGOTTEN_AFTER_MS = 5000; // a frame that has no answer by then is lost and holds no place in the window
export const PING_EVERY_MS = 5000;
export const PINGS_UNANSWERED = 3; // counted, not timed: the timers of a hidden page come a minute apart
export const SOUND_WAITS_BYTES = 64 * 1024; // behind more than this a piece of sound is left out: pictures go before it
const LOST = 1006;
const REFUSES_HELLO = ["unsupported_protocol", "unsupported_format"]; // no use in asking again

const STATE_BEFORE = { again: "waiting", on_demand: "idle", never: "closed" }; // what comes next

export class Connection {
  // connecting | open (the server said welcome) | refused (it said no) | waiting (to try again) |
  // idle (nobody needs it: until wake()) | closed (for good)
  state = "connecting";
  counts = { sent: 0, dropped: 0, received: 0, errors: 0, connects: 0 };
  welcome = null;

  #options;
  #socket = null;
  #inFlight = new Map(); // frame_id → {sentAt: ms, jpeg}
  #nextFrameId = 0;
  #retries = new Retries();
  #isGreeted = false; // this socket said hello
  #whyLeft = null; // why it was this side that closed the socket
  #unanswered = 0; // pings since the server was last heard

  /**
   * createSocket() → a new WebSocket; now() → milliseconds; schedule(callback, ms), as setTimeout; random() → [0, 1);
   * whyRefused() → promise of a reason (viewer/loss.js), of a socket that never opened;
   * greeting: fields of `hello`; wishes(): fields of `settings` or null;
   * on: {state(state, sentence), asked(): the wishes went out, welcome(message), status(message), adapted(message),
   *      recording(message): of our camera, or of the one that we watch,
   *      answered({sentAtMs, answeredAtMs, receivedAtMs: by the server's clock, bytes and frames: of it and of those
   *      before it that got no answer of their own, timingsMs}): a frame of ours got its result,
   *      result(message, bytes, jpeg: our own of that frame, undefined where there is none), error(sentence, code)}.
   */
  constructor(options) {
    this.#options = options;
  }

  open() {
    const socket = this.#options.createSocket();
    this.#socket = socket;
    this.counts.connects += 1;
    this.#setState("connecting");
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.#open(socket);
    socket.onmessage = (event) => this.#hear(event.data);
    socket.onclose = (event) => this.#closed(event.code, event.reason);
  }

  /** There is something to send, or somebody came back: a session that was let go for idleness begins anew. */
  wake() {
    if (this.state === "idle") this.open();
  }

  get framesInFlight() {
    const oldest = this.#options.now() - FORGOTTEN_AFTER_MS;
    for (const [frameId, { sentAt }] of this.#inFlight) if (sentAt < oldest) this.#inFlight.delete(frameId);
    return this.#inFlight.size;
  }

  /** Whether a frame would go out now. A picture that is not sent now is worth nothing later. */
  get takesFrames() {
    return this.state === "open" && this.framesInFlight < WINDOW && this.#socket.bufferedAmount === 0;
  }

  /** Returns the frame's id, or null where it was dropped. */
  sendFrame(capturedAtMs, jpeg) {
    if (!this.takesFrames) {
      this.counts.dropped += 1;
      return null;
    }
    const frameId = this.#nextFrameId++;
    this.#inFlight.set(frameId, { sentAt: this.#options.now(), jpeg });
    this.#socket.send(frame(frameId, capturedAtMs, jpeg));
    this.counts.sent += 1;
    return frameId;
  }

  sendShown(frameId, latencyMs) {
    if (this.state === "open") this.#socket.send(shown(frameId, latencyMs));
  }

  /** "start" or "stop": our own camera's. `on.recording` or `on.error` tells what became of it. */
  record(action) {
    if (this.state === "open") this.#socket.send(record(action));
  }

  /** `samples`: Uint8Array, at most 12 KB. Returns whether they went out. */
  sendSound(capturedAtMs, sampleRate, samples) {
    if (this.state !== "open" || this.#socket.bufferedAmount > SOUND_WAITS_BYTES) return false;
    this.#socket.send(sound(capturedAtMs, sampleRate, samples));
    return true;
  }

  /** The wishes changed. Where no socket is open they go out with the next one's hello. */
  ask() {
    if (this.#isGreeted) this.#ask();
  }

  /** Says hello once more, with other fields: the server answers with another welcome. The session stays. */
  greetAgain(greeting) {
    this.#options = { ...this.#options, greeting };
    if (!this.#isGreeted) return; // the next socket's hello has them
    this.#setState("connecting");
    this.#greet(this.#socket);
  }

  #open(socket) {
    this.#greet(socket);
    this.#unanswered = 0;
    this.#options.schedule(() => this.#beat(socket), PING_EVERY_MS);
  }

  #greet(socket) {
    socket.send(hello(this.#options.greeting));
    this.#isGreeted = true;
    this.#ask();
  }

  #ask() {
    const wishes = this.#options.wishes();
    if (wishes === null) return;
    this.#socket.send(settings(wishes));
    this.#options.on.asked();
  }

  /** A peer that is gone without a word closes nothing: only silence tells. */
  #beat(socket) {
    if (socket !== this.#socket) return; // another took its place
    if (this.#unanswered === PINGS_UNANSWERED) {
      this.#drop();
      return;
    }
    this.#unanswered += 1;
    socket.send(ping(this.#options.now()));
    this.#options.schedule(() => this.#beat(socket), PING_EVERY_MS);
  }

  /** Closing may take a dead peer a minute; what the old socket still says is nobody's business. */
  #drop() {
    const socket = this.#socket;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
    this.#closed(LOST);
  }

  #hear(data) {
    this.#unanswered = 0;
    this.#receive(data);
  }

  #receive(data) {
    let message;
    try {
      message = decode(data);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      if (error.frameId !== undefined) this.#answered(error.frameId);
      this.#fail(`The server sent what this page cannot read (${error.message}).`, "unreadable");
      return;
    }
    if (isResult(message)) this.#receiveResult(message, data.byteLength);
    else if (message.type === "welcome") this.#welcomed(message);
    else if (message.type === "status") this.#options.on.status(message);
    else if (message.type === "adapted") this.#options.on.adapted(message);
    else if (message.type === "recording") this.#options.on.recording(message);
    else if (message.type === "error") this.#refused(message);
  }

  #receiveResult(result, bytes) {
    this.#socket.send(ack(result.frame_id));
    this.counts.received += 1;
    const own = this.#inFlight.get(result.frame_id);
    try {
      if (own !== undefined) this.#tellAnswered(result, own.sentAt);
      this.#options.on.result(result, bytes, own?.jpeg);
    } finally {
      this.#release(result.frame_id);
    }
  }

  #tellAnswered({ frame_id: frameId, received_at_ms: receivedAtMs, timings_ms: timingsMs }, sentAtMs) {
    const through = [...this.#inFlight].filter(([id]) => id <= frameId);
    const bytes = through.reduce((sum, [, { jpeg }]) => sum + jpeg.byteLength, 0);
    const answeredAtMs = this.#options.now();
    this.#options.on.answered({ sentAtMs, answeredAtMs, receivedAtMs, bytes, frames: through.length, timingsMs });
  }

  /** A result that this page cannot read was received all the same: unacknowledged it would hold up the next ones. */
  #answered(frameId) {
    this.#socket.send(ack(frameId));
    this.#release(frameId);
  }

  /** Results come in order, and the server drops older frames for newer ones: this one answers all before it. */
  #release(frameId) {
    for (const id of this.#inFlight.keys()) if (id <= frameId) this.#inFlight.delete(id);
  }

  /** Another model may meet a wish that the one before refused. */
  #welcomed(message) {
    const isAnotherModel = this.state === "open" && this.welcome.model.name !== message.model.name;
    this.welcome = message;
    this.#retries.served(this.#options.now());
    this.#setState("open");
    this.#options.on.welcome(message);
    if (isAnotherModel) this.#ask();
  }

  #refused(message) {
    const { code } = message;
    const isAboutHello = this.state === "connecting"; // the server has welcomed nobody yet
    const mayPass = code === "unknown_session" || (isAboutHello && code === "too_many_variants");
    this.#inFlight.delete(message.frame_id);
    this.#fail(serverSentence(message), code);
    if (mayPass) this.#leave(serverSentence(message));
    else if (isAboutHello && REFUSES_HELLO.includes(code)) this.#setState("refused");
  }

  /** A camera may still come, and a viewer may leave: ask again as after a loss. */
  #leave(sentence) {
    this.#whyLeft = { what: sentence, leastMs: 0, next: "again" };
    this.#socket.close();
  }

  #fail(sentence, code) {
    this.counts.errors += 1;
    this.#options.on.error(sentence, code);
  }

  /** A socket that never opened was refused, and the browser keeps the reason to itself. */
  #closed(code, words) {
    const wasOpen = this.#isGreeted;
    this.#socket = null;
    this.#isGreeted = false;
    this.#inFlight.clear();
    if (wasOpen) this.#goOn(this.#whyLeft ?? whyClosed(code, words));
    else this.#options.whyRefused().then((why) => this.#goOn(why));
  }

  #goOn(why) {
    this.#whyLeft = null;
    const { now, random, schedule } = this.#options;
    const delayMs = this.#retries.lost(now(), why.leastMs, random());
    this.#setState(STATE_BEFORE[why.next], sentenceOf(why));
    if (why.next === "again") schedule(() => this.open(), delayMs);
  }

  #setState(state, sentence = "") {
    this.state = state;
    this.#options.on.state(state, sentence);
  }
}

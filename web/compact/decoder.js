// The page's side of compact/worker.js: one frame at a time is decoded, the newest waits, older ones are passed over.
// The worker is made when it is needed, and again after it died. Knows no view; worker and timer come from outside.

const LOST_AFTER_MS = 10_000; // a worker that was taken away says nothing; the first frame also waits for its modules
const FIELDS = [
  "grid", "window", "stride", "near", "far", "depth_bits", "opacity", "intrinsics", "num_splats", "depth", "mask",
  "shape", "color",
];

export class WorkerDecoder {
  #createWorker;
  #schedule;
  #worker = null;
  #words = null; // the buffer, while it is on this side
  #current = null; // {result, done}
  #waiting = null; // the same
  #asked = 0;

  /** createWorker() → a Worker; schedule(callback, ms), as setTimeout. */
  constructor({ createWorker, schedule }) {
    this.#createWorker = createWorker;
    this.#schedule = schedule;
  }

  /**
   * done(error) or done(null, words, count): Spark's words of the result, an ArrayBuffer that is the caller's until it
   * returns. A result that a newer one replaced before its turn is never done.
   */
  decode(result, done) {
    this.#waiting = { result, done };
    if (this.#current === null) this.#next();
  }

  /** What is being decoded or waits is not wanted any more. */
  forget() {
    this.#waiting = null;
    if (this.#current !== null) this.#current.done = () => {};
  }

  #next() {
    this.#current = this.#waiting;
    this.#waiting = null;
    if (this.#current === null) return;
    const { result } = this.#current;
    if (result.color === undefined && result.num_splats > 0) this.#finish(new Error("its picture is gone"));
    else this.#ask(result);
  }

  #ask(result) {
    const asked = ++this.#asked;
    const words = this.#words;
    const fields = Object.fromEntries(FIELDS.map((name) => [name, result[name]]));
    this.#words = null;
    this.#schedule(() => asked === this.#asked && this.#lose("the decoder does not answer"), LOST_AFTER_MS);
    try {
      this.#worker ??= this.#hire();
      this.#worker.postMessage({ fields, words }, words === null ? [] : [words]);
    } catch (error) {
      this.#lose(error.message);
    }
  }

  #hire() {
    const worker = this.#createWorker();
    worker.onmessage = ({ data }) => this.#answered(data);
    worker.onerror = (event) => {
      event.preventDefault(); // it is told in words
      this.#lose(event.message ?? "the decoder could not be started");
    };
    return worker;
  }

  #answered({ error, words, count }) {
    this.#words = words;
    this.#finish(error === undefined ? null : new Error(error), words, count);
  }

  /** Without this frame and without this worker; the next frame gets another. */
  #lose(text) {
    if (this.#worker !== null) {
      this.#worker.onmessage = this.#worker.onerror = null; // what it still says is about a frame of the past
      this.#worker.terminate();
    }
    this.#worker = this.#words = null;
    if (this.#current !== null) this.#finish(new Error(text));
  }

  #finish(error, words, count) {
    this.#asked += 1; // nobody waits for this one any more
    try {
      this.#current.done(error, words, count);
    } finally {
      this.#next();
    }
  }
}

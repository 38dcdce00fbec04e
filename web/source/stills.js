// Pictures as a source: one stands, several are played like a film. They are painted on a canvas whose stream plays in
// the page's video, so that preview and capture know no difference. At most two decoded pictures live at a time.
import { fitToLongSide, sourceLongSide } from "./size.js";
import { SourceError } from "./source_error.js";

const FILM_INTERVAL_MS = 100;
const PHOTO_INTERVAL_MS = 1000; // it is painted again, so that a changed setting or model takes effect

const collator = new Intl.Collator("en", { numeric: true });
const pathOf = (file) => file.webkitRelativePath || file.name;
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** img2 before img10, and the pictures of one folder together. */
export function inNaturalOrder(files) {
  return [...files].sort((a, b) => collator.compare(pathOf(a), pathOf(b)));
}

/** Pictures one after the other, without end. What cannot be read is left out for good. */
class Reel {
  #files;
  #next = 0;

  constructor(files) {
    this.#files = [...files];
  }

  get length() {
    return this.#files.length;
  }

  /** The next picture, decoded and turned as its EXIF data say; null where none can be read (any more). */
  async next() {
    while (this.#files.length > 0) {
      this.#next %= this.#files.length;
      try {
        const bitmap = await createImageBitmap(this.#files[this.#next]);
        this.#next += 1;
        return bitmap;
      } catch {
        this.#files.splice(this.#next, 1);
      }
    }
    return null;
  }
}

class Projector {
  #reel;
  #canvas;
  #pen;
  #longSide;
  #pause;
  #paintedFor = 0; // the model's long side then
  #isClosed = false;

  constructor(reel, canvas, longSide, pause) {
    this.#reel = reel;
    this.#canvas = canvas;
    // In main memory, like the canvas that the picture comes to next.
    this.#pen = canvas.getContext("2d", { willReadFrequently: true, alpha: false });
    this.#longSide = longSide;
    this.#pause = pause;
  }

  /** Until it is closed, or until no picture can be read any more: then onEnd() is called. */
  async run(onEnd) {
    while (!this.#isClosed) {
      const isPhoto = this.#reel.length === 1;
      const isPainted = isPhoto && this.#paintedFor === this.#longSide();
      const wait = this.#pause(isPhoto ? PHOTO_INTERVAL_MS : FILM_INTERVAL_MS);
      const hasPicture = isPainted ? await this.#paintAgainAfter(wait) : await this.paintNext(wait);
      if (!hasPicture) return onEnd();
    }
  }

  /** Decodes while it waits. Returns whether there was a picture. */
  async paintNext(wait) {
    const [bitmap] = await Promise.all([this.#reel.next(), wait]);
    if (bitmap !== null && !this.#isClosed) this.#paint(bitmap);
    bitmap?.close();
    return bitmap !== null;
  }

  /** Each painting makes the canvas's stream bring a frame, also one that changes nothing. */
  repaint() {
    this.#pen.drawImage(this.#canvas, 0, 0);
  }

  close() {
    this.#isClosed = true;
  }

  async #paintAgainAfter(wait) {
    await wait;
    this.repaint();
    return true;
  }

  #paint(bitmap) {
    this.#paintedFor = this.#longSide();
    const { width, height } = fitToLongSide(bitmap.width, bitmap.height, sourceLongSide(this.#paintedFor));
    Object.assign(this.#canvas, { width, height }); // which also clears it, for pictures that one can see through
    this.#pen.imageSmoothingQuality = "medium";
    this.#pen.drawImage(bitmap, 0, 0, width, height);
  }
}

/**
 * canvas: a new one; longSide() → pixels, the model's; pause(ms) → a promise. Throws where none of the pictures can be
 * read.
 */
export async function openStills(files, canvas, longSide, pause = sleep) {
  const projector = new Projector(new Reel(inNaturalOrder(files)), canvas, longSide, pause);
  if (!(await projector.paintNext())) throw new SourceError("NoPicture");
  const stream = canvas.captureStream();
  return {
    kind: "stills",
    attach: (video, onEnd) => {
      video.srcObject = stream;
      projector.repaint(); // the first frame: what was painted before the stream was there is not in it
      projector.run(onEnd);
    },
    close: () => {
      projector.close();
      for (const track of stream.getTracks()) track.stop();
    },
  };
}

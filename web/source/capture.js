// Pictures of a playing video → JPEGs of the size and quality that are wanted. Knows no server and no source; video and
// canvas are handed in.
import { fitToLongSide } from "./size.js";

const SMOOTHING = "medium";
const OLDEST_CAPTURE_MS = 10_000; // a captureTime beyond it was told on another clock

/** When the frame was captured, ms on the clock of performance.now(). Without a captureTime: now. */
export function captureTime(metadata, now) {
  const captured = metadata?.captureTime;
  const isOurClock = captured !== undefined && captured <= now && captured > now - OLDEST_CAPTURE_MS;
  return isOurClock ? captured : now;
}

/** Calls back once for the next picture of `video`: callback(now, metadata or undefined). */
function onNextPicture(video, callback) {
  if (video.requestVideoFrameCallback !== undefined) {
    video.requestVideoFrameCallback(callback);
    return;
  }
  const before = video.currentTime;
  const look = (now) => (video.currentTime === before ? requestAnimationFrame(look) : callback(now));
  requestAnimationFrame(look);
}

/** What tells the video's source from the one before. */
function sourceOf(video) {
  return video.srcObject ?? video.src;
}

/**
 * Turns the pictures of a playing video into JPEGs, one at a time, and only while somebody wants them.
 *
 * longSide() → pixels; quality() → 0 to 1, as toBlob takes it; isMirrored() → whether left and right change places;
 * wantsFrame() → whether a JPEG would be sent now; onFrame(capturedAt, jpeg): ms on the clock of performance.now(),
 * Uint8Array.
 */
export class FrameGrabber {
  framesSeen = 0; // pictures that the sources brought, sent or not

  #video;
  #canvas;
  #pen;
  #options;
  #isEncoding = false;

  constructor(video, canvas, options) {
    this.#video = video;
    this.#canvas = canvas;
    // A canvas in main memory: reading one back from the graphics card takes several times as long as the JPEG.
    this.#pen = canvas.getContext("2d", { willReadFrequently: true, alpha: false });
    this.#options = options;
  }

  /** {width, height} of the newest JPEG. */
  get size() {
    return { width: this.#canvas.width, height: this.#canvas.height };
  }

  start() {
    onNextPicture(this.#video, (now, metadata) => {
      this.start();
      this.framesSeen += 1;
      this.grab(captureTime(metadata, now));
    });
  }

  /** A picture whose source was changed while it was encoded is not sent: nobody wants to see it any more. */
  async grab(capturedAt) {
    if (this.#isEncoding || this.#video.videoWidth === 0 || !this.#options.wantsFrame()) return;
    this.#isEncoding = true;
    try {
      const source = sourceOf(this.#video);
      this.#draw();
      const blob = await new Promise((done) => this.#canvas.toBlob(done, "image/jpeg", this.#options.quality()));
      const jpeg = blob === null ? null : new Uint8Array(await blob.arrayBuffer());
      if (jpeg !== null && source === sourceOf(this.#video)) this.#options.onFrame(capturedAt, jpeg);
    } finally {
      this.#isEncoding = false;
    }
  }

  #draw() {
    const { videoWidth, videoHeight } = this.#video;
    const { width, height } = fitToLongSide(videoWidth, videoHeight, this.#options.longSide());
    if (this.#canvas.width !== width || this.#canvas.height !== height) Object.assign(this.#canvas, { width, height });
    const [scaleX, shiftX] = this.#options.isMirrored() ? [-1, width] : [1, 0];
    this.#pen.setTransform(scaleX, 0, 0, 1, shiftX, 0);
    this.#pen.imageSmoothingQuality = SMOOTHING; // a canvas that got another size has forgotten it
    this.#pen.drawImage(this.#video, 0, 0, width, height);
  }
}

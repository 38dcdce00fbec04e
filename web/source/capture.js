// Pictures of a playing video → JPEGs at the size the model wants. Knows no server and no source; video and canvas are
// handed in.

const JPEG_QUALITY = 0.8;
const OLDEST_CAPTURE_MS = 10_000; // a captureTime beyond it was told on another clock

/** Width and height of a frame with `longSide` pixels on its longer side, never larger than the source. */
export function fitToLongSide(width, height, longSide) {
  const scale = Math.min(1, longSide / Math.max(width, height));
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
}

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

/**
 * Turns the pictures of a playing video into JPEGs, one at a time, and only while somebody wants them.
 *
 * longSide() → pixels; wantsFrame() → whether a JPEG would be sent now; onFrame(capturedAt, jpeg): ms on the clock
 * of performance.now(), Uint8Array.
 */
export class FrameGrabber {
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

  start() {
    onNextPicture(this.#video, (now, metadata) => {
      this.start();
      this.grab(captureTime(metadata, now));
    });
  }

  async grab(capturedAt) {
    if (this.#isEncoding || this.#video.videoWidth === 0 || !this.#options.wantsFrame()) return;
    this.#isEncoding = true;
    try {
      this.#draw();
      const blob = await new Promise((done) => this.#canvas.toBlob(done, "image/jpeg", JPEG_QUALITY));
      if (blob !== null) this.#options.onFrame(capturedAt, new Uint8Array(await blob.arrayBuffer()));
    } finally {
      this.#isEncoding = false;
    }
  }

  #draw() {
    const { videoWidth, videoHeight } = this.#video;
    const { width, height } = fitToLongSide(videoWidth, videoHeight, this.#options.longSide());
    if (this.#canvas.width !== width || this.#canvas.height !== height) Object.assign(this.#canvas, { width, height });
    this.#pen.drawImage(this.#video, 0, 0, width, height);
  }
}

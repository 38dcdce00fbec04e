// What plays in the page's video: the camera or a file. The person's last choice wins, and a source that cannot be had
// leaves the one that plays alone. Video elements and media devices are handed in.
import { cameraSentence, videoFileSentence } from "../errors.js";

const CAMERA_WISHES = {
  width: { ideal: 640 },
  height: { ideal: 480 },
  frameRate: { ideal: 30 },
  facingMode: "environment",
};

/** A source cannot be had; `name` as cameraSentence takes it. */
class SourceError extends Error {
  constructor(name) {
    super(`no picture: ${name}`);
    this.name = name;
  }
}

export class Sources {
  #options;
  #playing = null; // {isCamera, attach(video), close(), onEnd(callback)}
  #choices = 0; // so far
  #played = 0; // the newest of them that brought a picture; what an older one brings is closed without a word

  /**
   * video: what the page shows; makeVideo() → another video element, in which a file is tried first;
   * mediaDevices: the navigator's, undefined where the origin is not secure;
   * on: {changed(): see isPlaying and isCamera, failed(sentence)}.
   */
  constructor(options) {
    this.#options = options;
  }

  get isPlaying() {
    return this.#playing !== null;
  }

  get isCamera() {
    return this.#playing?.isCamera === true;
  }

  startCamera() {
    const open = () => openCamera(this.#options.mediaDevices);
    return this.#start(open, (error) => cameraSentence(error.name));
  }

  startFile(file) {
    const open = () => openFile(this.#options.makeVideo(), file);
    return this.#start(open, () => videoFileSentence(file.name));
  }

  /** Never rejects: a failure of the last choice is told, that of an older one interests nobody. */
  async #start(open, sentenceOf) {
    const choice = ++this.#choices;
    try {
      const source = await open();
      if (choice < this.#played) return source.close();
      this.#played = choice;
      await this.#play(source);
      if (source === this.#playing) this.#options.on.changed();
    } catch (error) {
      if (choice === this.#choices) this.#options.on.failed(sentenceOf(error));
    }
  }

  async #play(source) {
    const { video } = this.#options;
    this.#stop();
    this.#playing = source;
    source.attach(video);
    source.onEnd(() => this.#ended(source));
    try {
      await video.play();
    } catch {
      if (source !== this.#playing) return; // another took its place, or its end was told already
      this.#stop();
      throw new SourceError("NotPlayed");
    }
  }

  #ended(source) {
    if (source !== this.#playing) return;
    this.#stop();
    this.#options.on.failed(cameraSentence("Ended"));
  }

  #stop() {
    this.#playing?.close();
    this.#playing = null;
    this.#options.video.srcObject = null;
    this.#options.video.removeAttribute("src");
  }
}

async function openCamera(mediaDevices) {
  if (mediaDevices === undefined) throw new SourceError("InsecureOrigin");
  const stream = await mediaDevices.getUserMedia({ video: CAMERA_WISHES, audio: false });
  const [track] = stream.getVideoTracks();
  return {
    isCamera: true,
    attach: (video) => { video.srcObject = stream; },
    close: () => track.stop(),
    onEnd: (callback) => { track.onended = callback; },
  };
}

/** Tries the file in `video`, which nobody sees. Throws where the browser cannot play it or finds no picture in it. */
async function openFile(video, file) {
  const url = URL.createObjectURL(file);
  try {
    Object.assign(video, { muted: true, playsInline: true, src: url });
    await video.play();
    if (video.videoWidth === 0) throw new SourceError("NoPicture");
  } catch (error) {
    URL.revokeObjectURL(url);
    throw error;
  } finally {
    video.removeAttribute("src");
    video.load(); // lets go of the file
  }
  return {
    isCamera: false,
    attach: (video) => Object.assign(video, { loop: true, src: url }),
    close: () => URL.revokeObjectURL(url),
    onEnd: () => {}, // it is played again and again
  };
}

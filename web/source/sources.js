// What plays in the page's video: a camera, a video file or pictures. The person's last choice wins, and a source that
// cannot be had leaves the one that plays alone. Elements and media devices are handed in.
import { cameraSentence, picturesSentence, videoFileSentence } from "../errors.js";
import { Cameras } from "./camera.js";
import { sortOut } from "./dropped.js";
import { SourceError } from "./source_error.js";
import { openStills } from "./stills.js";
import { openVideoFile } from "./video_file.js";

/** What `startFiles` and the cameras need from a page; each can be handed in. */
const DEFAULTS = {
  makeVideo: () => document.createElement("video"),
  makeCanvas: () => document.createElement("canvas"),
  storage: () => localStorage,
};

export class Sources {
  #options;
  #cameras;
  #playing = null; // {kind, cameraId?, attach(video, onEnd), close(), followModel?()}
  #choices = 0; // so far
  #played = 0; // the newest of them that brought a picture; what an older one brings is closed without a word

  /**
   * video: what the page shows; longSide() → pixels, the model's;
   * mediaDevices: the navigator's, undefined where the origin is not secure;
   * on: {changed(): see kind and cameraId, failed(sentence), camerasChanged(): see cameras()};
   * makeVideo(), makeCanvas() → elements that nobody sees; storage() → where the last camera is remembered.
   */
  constructor(options) {
    this.#options = { ...DEFAULTS, ...options };
    this.#cameras = new Cameras(this.#options);
    this.#cameras.onChange(() => this.#options.on.camerasChanged());
  }

  /** "camera", "video", "stills", or null where nothing plays. */
  get kind() {
    return this.#playing?.kind ?? null;
  }

  get isPlaying() {
    return this.#playing !== null;
  }

  get isCamera() {
    return this.kind === "camera";
  }

  /** Of the camera that plays, else null. */
  get cameraId() {
    return this.#playing?.cameraId ?? null;
  }

  /** Resolves to [{id, label}]. */
  cameras() {
    return this.#cameras.list();
  }

  /** id: one of cameras(); without it the camera that was used last, or any. */
  startCamera(id) {
    return this.#start((isNewest) => this.#openCamera(id, isNewest), ({ name }) => cameraSentence(name));
  }

  /** files: at least one. The first video among them, else the pictures; what is neither is tried as a video. */
  startFiles(files) {
    const { kind, file = files[0], files: pictures } = sortOut(files);
    return kind === "pictures" ? this.#startPictures(pictures) : this.#startVideo(file);
  }

  /** The camera brings pictures for the model that the server has now. */
  followModel() {
    return this.#playing?.followModel?.();
  }

  /** Nothing plays any more, nor will what is still being asked for. */
  stop() {
    this.#played = ++this.#choices;
    this.#stop();
    this.#options.on.changed();
  }

  #startVideo(file) {
    return this.#start(() => openVideoFile(this.#options.makeVideo(), file), () => videoFileSentence(file.name));
  }

  #startPictures(files) {
    const { makeCanvas, longSide } = this.#options;
    const names = files.map(({ name }) => name);
    return this.#start(() => openStills(files, makeCanvas(), longSide), () => picturesSentence(names));
  }

  /** A phone gives one camera at a time: where the next is refused as busy, the one that plays is let go first. */
  async #openCamera(id, isNewest) {
    try {
      return await this.#cameras.open(id);
    } catch (error) {
      if (error.name !== "NotReadableError" || !this.isCamera || !isNewest()) throw error;
      this.#stop();
      return this.#cameras.open(id);
    }
  }

  /** Never rejects: a failure of the last choice is told, that of an older one interests nobody. */
  async #start(open, sentenceOf) {
    const choice = ++this.#choices;
    const isNewest = () => choice === this.#choices;
    try {
      const source = await open(isNewest);
      if (choice < this.#played) return source.close();
      this.#played = choice;
      await this.#play(source, sentenceOf);
      if (source === this.#playing) this.#options.on.changed();
    } catch (error) {
      if (isNewest()) this.#options.on.failed(sentenceOf(error));
    }
  }

  async #play(source, sentenceOf) {
    const { video } = this.#options;
    this.#stop();
    this.#playing = source;
    source.attach(video, () => this.#ended(source, sentenceOf));
    try {
      await video.play();
    } catch {
      if (source !== this.#playing) return; // another took its place, or its end was told already
      this.#stop();
      throw new SourceError("NotPlayed");
    }
  }

  #ended(source, sentenceOf) {
    if (source !== this.#playing) return;
    this.#stop();
    this.#options.on.failed(sentenceOf(new SourceError("Ended")));
  }

  #stop() {
    const { video } = this.#options;
    this.#playing?.close();
    this.#playing = null;
    video.srcObject = null;
    video.removeAttribute("src");
    video.load(); // lets go of a file, and of its last picture
  }
}

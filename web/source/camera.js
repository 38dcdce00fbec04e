// The cameras of this machine: which there are, which one is opened, and how large its picture is. Knows no element of
// the page; media devices and the storage that remembers a camera are handed in.
import { sourceLongSide } from "./size.js";
import { SourceError } from "./source_error.js";

const REMEMBERED_AS = "splatcam.camera";
const ASPECT = 4 / 3;
const FRAME_RATE = { ideal: 30 };

/** What a camera is asked for. Nothing of it is a must: a camera that has no such picture gives another one. */
function pictureWishes(longSide) {
  const width = sourceLongSide(longSide);
  return { width: { ideal: width }, height: { ideal: Math.round(width / ASPECT) }, frameRate: FRAME_RATE };
}

export class Cameras {
  #mediaDevices;
  #storage;
  #longSide;
  #lastId = null;

  /**
   * mediaDevices: the navigator's, undefined where the origin is not secure; storage() → as localStorage, null, or it
   * throws; longSide() → pixels, the model's.
   */
  constructor({ mediaDevices, storage, longSide }) {
    this.#mediaDevices = mediaDevices;
    this.#storage = storage;
    this.#longSide = longSide;
  }

  /** Calls back when a camera was plugged in or out. */
  onChange(callback) {
    this.#mediaDevices?.addEventListener("devicechange", callback);
  }

  /** [{id, label}]. Before the person has allowed a camera, browsers give neither ids ("") nor names. */
  async list() {
    if (this.#mediaDevices === undefined) return [];
    const devices = await this.#mediaDevices.enumerateDevices();
    const cameras = devices.filter(({ kind }) => kind === "videoinput");
    return cameras.map(({ deviceId, label }, i) => ({ id: deviceId, label: label || `Camera ${i + 1}` }));
  }

  /** The chosen camera, else the one used last, else any: of a phone's the one that looks away from the person. */
  async open(chosenId) {
    if (this.#mediaDevices === undefined) throw new SourceError("InsecureOrigin");
    const stream = await this.#streamOf(chosenId || this.#remembered());
    const [track] = stream.getVideoTracks();
    const cameraId = track.getSettings().deviceId ?? null;
    this.#remember(cameraId);
    return {
      kind: "camera",
      cameraId,
      attach: (video, onEnd) => {
        track.onended = onEnd;
        video.srcObject = stream;
      },
      close: () => track.stop(),
      followModel: () => this.#resize(track),
    };
  }

  async #streamOf(id) {
    try {
      if (id) return await this.#ask({ deviceId: { exact: id } });
    } catch (error) {
      if (error.name !== "OverconstrainedError") throw error; // that one is gone; another may do
    }
    return this.#ask({ facingMode: "environment" });
  }

  #ask(which) {
    return this.#mediaDevices.getUserMedia({ video: { ...pictureWishes(this.#longSide()), ...which }, audio: false });
  }

  /** A camera that cannot do it goes on as it is. */
  #resize(track) {
    return track.applyConstraints(pictureWishes(this.#longSide())).catch(() => {});
  }

  #remembered() {
    return this.#lastId ?? this.#inStorage((storage) => storage.getItem(REMEMBERED_AS));
  }

  #remember(id) {
    this.#lastId = id;
    this.#inStorage((storage) => storage.setItem(REMEMBERED_AS, id));
  }

  /** Storage may be forbidden or full: then the page remembers until it is closed. */
  #inStorage(use) {
    try {
      const storage = this.#storage();
      return storage === null ? null : use(storage);
    } catch {
      return null;
    }
  }
}

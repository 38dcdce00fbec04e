// The microphone, off until somebody turns it on: pieces of 16-bit sound with the time at which they were heard, on the
// clock of the camera's frames. Devices, audio context and clock are handed in.
import { microphoneSentence } from "../errors.js";

const WISHES = { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 };
const OFFSETS = 40; // pieces, ten seconds: the one that came with the least delay tells the clocks' difference

export class Microphone {
  #options;
  #on = null; // {stream, context, offsets}
  #wanted = 0; // the newest wish wins
  #isOpening = false; // the person may be asked for seconds

  /**
   * mediaDevices: the navigator's, undefined where the origin is not secure; makeContext() → an AudioContext; worklet:
   * the address of microphone_worklet.js; makeNode(context) → the AudioWorkletNode; now() → ms, the clock of frames;
   * on: {piece({capturedAtMs, sampleRate, samples: Uint8Array of little-endian int16}), changed(), failed(sentence)}.
   */
  constructor(options) {
    this.#options = options;
  }

  get isOn() {
    return this.#on !== null;
  }

  /** It is on, or will be as soon as it is allowed: what its switch shows. */
  get isWanted() {
    return this.isOn || this.#isOpening;
  }

  /** Never rejects: what cannot be had is told. */
  async start() {
    const wanted = ++this.#wanted;
    this.#close();
    this.#isOpening = true;
    let opened = null;
    try {
      opened = await this.#open();
      if (wanted !== this.#wanted) return close(opened);
      this.#listen(opened);
      this.#on = opened;
    } catch ({ name }) {
      if (opened !== null) close(opened);
      if (wanted !== this.#wanted) return;
      this.#options.on.failed(microphoneSentence(name));
    }
    this.#isOpening = false;
    this.#options.on.changed();
  }

  stop() {
    this.#wanted += 1;
    this.#isOpening = false;
    this.#close();
    this.#options.on.changed();
  }

  async #open() {
    const { mediaDevices, makeContext, worklet } = this.#options;
    if (mediaDevices === undefined) throw Object.assign(new Error(), { name: "InsecureOrigin" });
    const stream = await mediaDevices.getUserMedia({ audio: WISHES, video: false });
    const context = makeContext();
    try {
      await context.audioWorklet.addModule(worklet);
      await context.resume();
    } catch (error) {
      close({ stream, context });
      throw error;
    }
    return { stream, context, offsets: [] };
  }

  #listen(opened) {
    const { stream, context } = opened;
    const node = this.#options.makeNode(context);
    context.createMediaStreamSource(stream).connect(node);
    node.port.onmessage = ({ data }) => opened === this.#on && this.#hear(opened, data);
    stream.getAudioTracks()[0].onended = () => this.#ended(opened);
  }

  /** Messages come late by what the page was busy with, never early. */
  #hear({ offsets }, { startS, lastsS, sampleRate, samples }) {
    offsets.push(this.#options.now() - 1000 * (startS + lastsS));
    if (offsets.length > OFFSETS) offsets.shift();
    const capturedAtMs = 1000 * startS + Math.min(...offsets);
    this.#options.on.piece({ capturedAtMs, sampleRate, samples: new Uint8Array(samples.buffer) });
  }

  #ended(opened) {
    if (opened !== this.#on) return;
    this.stop();
    this.#options.on.failed(microphoneSentence("Ended"));
  }

  #close() {
    if (this.#on !== null) close(this.#on);
    this.#on = null;
  }
}

function close({ stream, context }) {
  for (const track of stream.getTracks()) track.stop();
  context.close();
}

// Runs beside the page, in the audio thread: what the microphone hears goes to microphone.js in pieces.
import { SoundPieces } from "./sound_pieces.js";

class MicrophoneTap extends AudioWorkletProcessor {
  #pieces = new SoundPieces(sampleRate);

  process([[channel]]) {
    if (channel === undefined) return true; // nothing is connected yet, or not any more
    for (const { startS, samples } of this.#pieces.add(channel, currentTime, sampleRate)) {
      const lastsS = samples.length / this.#pieces.sampleRate;
      this.port.postMessage({ startS, lastsS, sampleRate: this.#pieces.sampleRate, samples }, [samples.buffer]);
    }
    return true;
  }
}

registerProcessor("microphone-tap", MicrophoneTap);

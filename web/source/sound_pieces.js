// Samples of a microphone → pieces of 16-bit sound at about 16 kHz, a quarter of a second each. Pure: runs in an audio
// worklet, which hands in what it hears and the time of it.

const LEAST_RATE = 16_000;
const PIECE_S = 0.25;
const MOST_SAMPLES = 6000; // of a piece: 12,000 bytes

export class SoundPieces {
  sampleRate; // of the pieces

  #everyNth; // so many samples become one, their mean
  #samples;
  #count = 0;
  #sum = 0;
  #summed = 0;
  #startS = 0; // of the piece's first sample

  constructor(inputRate) {
    this.#everyNth = Math.max(1, Math.floor(inputRate / LEAST_RATE));
    this.sampleRate = Math.round(inputRate / this.#everyNth);
    this.#samples = new Int16Array(Math.min(Math.round(this.sampleRate * PIECE_S), MOST_SAMPLES));
  }

  /**
   * floats: one channel, -1 to 1, heard from atS on, in seconds of the audio clock; inputRate: theirs. → the pieces
   * that became whole: [{startS, samples: Int16Array of its own}].
   */
  add(floats, atS, inputRate) {
    const whole = [];
    for (let i = 0; i < floats.length; i += 1) {
      if (this.#count === 0 && this.#summed === 0) this.#startS = atS + i / inputRate;
      this.#sum += floats[i];
      this.#summed += 1;
      if (this.#summed === this.#everyNth) this.#push();
      if (this.#count === this.#samples.length) whole.push(this.#take());
    }
    return whole;
  }

  #push() {
    const value = Math.round((this.#sum / this.#summed) * 32767);
    this.#samples[this.#count] = Math.min(Math.max(value, -32768), 32767);
    this.#count += 1;
    this.#sum = this.#summed = 0;
  }

  #take() {
    this.#count = 0;
    return { startS: this.#startS, samples: this.#samples.slice() };
  }
}

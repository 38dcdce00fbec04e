// `compact` → decoded beside the page, then the persistent mesh. A frame that cannot be decoded is left out and the
// picture stays; three in a row are one too many for this format.
import { PersistentMesh } from "./splat_mesh.js";
import { BYTES_PER_SPLAT } from "../wire.js";

export const FAILURES_IN_A_ROW = 3;

export class CompactView {
  #mesh;
  #decoder;
  #on;
  #inARow = 0;

  /** decoder: a WorkerDecoder. on: {failed(error): a frame was left out; gaveUp(): the last ones all were}. */
  constructor(stage, decoder, on) {
    this.#mesh = new PersistentMesh(stage);
    this.#decoder = decoder;
    this.#on = on;
  }

  /** onReady(isDrawn): the result took the place of the one before; isDrawn() says whether the screen shows it. */
  show(result, onReady) {
    this.#decoder.decode(result, (error, words, count) => {
      if (error !== null) return this.#fail(error);
      this.#inARow = 0;
      onReady(this.#mesh.show(new Uint8Array(words, 0, count * BYTES_PER_SPLAT), count, result.pose));
    });
  }

  /** The result that is in the scene, as a `splats16` that holds its own copy of what was decoded. */
  unpacked(result) {
    const words = this.#mesh.words.slice();
    return { ...result, type: "splats16", num_splats: words.length / 4, data: new Uint8Array(words.buffer) };
  }

  pivotDepth() {
    return this.#mesh.pivotDepth();
  }

  /** What is being unpacked is not wanted any more. */
  forget() {
    this.#decoder.forget();
  }

  clear() {
    this.forget();
    this.#mesh.clear();
  }

  #fail(error) {
    this.#on.failed(error);
    this.#inARow += 1;
    if (this.#inARow < FAILURES_IN_A_ROW) return;
    this.#inARow = 0;
    this.#on.gaveUp();
  }
}

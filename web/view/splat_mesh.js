// One persistent SplatMesh whose words are overwritten in place: 0.1 ms and no new memory a frame. Knows no message.
import { PackedSplats, SplatMesh } from "@sparkjsdev/spark";
import { boundsOf, pivotDepth } from "./framing.js";
import { capacityFor, centerOf, depthOf } from "./packed16.js";
import { placeAt } from "./pose.js";

/** The depth to turn about, of the first `count` splats of Spark's packed words. */
export function pivotDepthOfWords(words, count) {
  return pivotDepth(count, (i) => depthOf(words, i));
}

export class PersistentMesh {
  #stage;
  #packed = null;
  #mesh = null;
  #capacity = 0;

  constructor(stage) {
    this.#stage = stage;
  }

  /** bytes: of `count` packed splats, at any offset. Returns isDrawn(): whether the screen shows them there. */
  show(bytes, count, pose) {
    if (count > this.#capacity) this.#grow(capacityFor(count));
    if (this.#mesh === null) this.#makeMesh();
    // Through a byte view: a payload lies unaligned in its message. Never another array of the same size: Spark would
    // upload that as bytes, which WebGL refuses.
    new Uint8Array(this.#packed.packedArray.buffer).set(bytes);
    this.#packed.numSplats = count;
    this.#packed.needsUpdate = true;
    this.#mesh.numSplats = count;
    placeAt(this.#mesh, pose);
    this.#mesh.updateMappingVersion(); // the order changes with the splats; with updateVersion() a stale order is seen
    this.#stage.requestRender();
    return this.#stage.whetherDrawn();
  }

  /** Spark's words of the splats, a view: the next ones overwrite it. */
  get words() {
    return this.#packed?.packedArray.subarray(0, 4 * this.#packed.numSplats) ?? new Uint32Array(0);
  }

  pivotDepth() {
    return pivotDepthOfWords(this.#packed.packedArray, this.#packed.numSplats);
  }

  /** The box of the splats' centres, OpenCV axes; undefined where there is none. */
  get bounds() {
    const { words } = this;
    return words.length === 0 ? undefined : boundsOf(words.length / 4, (i) => centerOf(words, i));
  }

  clear() {
    if (this.#mesh === null) return;
    this.#stage.content.remove(this.#mesh);
    this.#mesh.dispose();
    this.#mesh = this.#packed = null;
    this.#capacity = 0;
    this.#stage.requestRender();
  }

  #grow(capacity) {
    const old = this.#packed;
    this.#packed = new PackedSplats({ packedArray: new Uint32Array(capacity * 4), numSplats: 0 });
    this.#capacity = capacity;
    if (this.#mesh === null) return;
    this.#mesh.packedSplats = this.#mesh.splats = this.#packed;
    old.dispose();
  }

  #makeMesh() {
    if (this.#packed === null) this.#grow(capacityFor(0));
    this.#mesh = new SplatMesh({ packedSplats: this.#packed });
    this.#stage.content.add(this.#mesh);
  }
}

// `gaussian_ply` → by Blob URL through Spark's own PLY reader. The new mesh is ready before the old one goes, both in
// one task: no frame without splats, none with both. The newest waits while one is read; older ones are skipped.
import { SplatMesh } from "@sparkjsdev/spark";
import { placeAt } from "./pose.js";
import { pivotDepthOfWords } from "./splat_mesh.js";

export class PlyView {
  #stage;
  #onError;
  #mesh = null;
  #isReading = false;
  #waiting = null; // {result, onReady}
  #generation = 0; // clear() makes what is being read worthless

  /** onError(text): a file that Spark cannot read. */
  constructor(stage, onError) {
    this.#stage = stage;
    this.#onError = onError;
  }

  /** onReady(isDrawn): the result took the place of the one before; isDrawn() says whether the screen shows it. */
  async show(result, onReady) {
    this.#waiting = { result, onReady };
    if (this.#isReading) return;
    this.#isReading = true;
    try {
      while (this.#waiting !== null) await this.#showNext();
    } finally {
      this.#isReading = false;
    }
  }

  pivotDepth() {
    const packed = this.#mesh?.packedSplats;
    return pivotDepthOfWords(packed?.packedArray ?? [], packed?.numSplats ?? 0);
  }

  /** What is being read is not wanted any more. */
  forget() {
    this.#generation += 1;
    this.#waiting = null;
  }

  clear() {
    this.forget();
    this.#replaceBy(null);
  }

  async #showNext() {
    const { result, onReady } = this.#waiting;
    const generation = this.#generation;
    this.#waiting = null;
    let mesh = null;
    try {
      if (result.num_splats > 0) mesh = await readPly(result.ply_data);
    } catch (error) {
      this.#onError(error.message);
      return;
    }
    if (generation !== this.#generation) return mesh?.dispose();
    if (mesh !== null) placeAt(mesh, result.pose);
    this.#replaceBy(mesh);
    onReady(this.#stage.whetherDrawn());
  }

  #replaceBy(mesh) {
    const old = this.#mesh;
    if (mesh === old) return; // both null: nothing to change
    this.#mesh = mesh;
    if (mesh !== null) this.#stage.content.add(mesh);
    if (old !== null) {
      this.#stage.content.remove(old);
      old.dispose();
    }
    this.#stage.requestRender();
  }
}

async function readPly(bytes) {
  const url = URL.createObjectURL(new Blob([bytes]));
  const mesh = new SplatMesh({ url, fileName: "frame.ply" });
  try {
    return await mesh.initialized;
  } catch (error) {
    mesh.dispose();
    throw error;
  } finally {
    URL.revokeObjectURL(url);
  }
}

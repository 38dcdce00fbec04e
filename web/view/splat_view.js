// `splats16` → the persistent mesh, as it came.
import { PersistentMesh } from "./splat_mesh.js";
import { BYTES_PER_SPLAT } from "../wire.js";

export class SplatView {
  #mesh;

  constructor(stage) {
    this.#mesh = new PersistentMesh(stage);
  }

  /** onReady(isDrawn): the result took the place of the one before; isDrawn() says whether the screen shows it. */
  show({ data, num_splats: count, pose }, onReady) {
    onReady(this.#mesh.show(data.subarray(0, count * BYTES_PER_SPLAT), count, pose));
  }

  pivotDepth() {
    return this.#mesh.pivotDepth();
  }

  get bounds() {
    return this.#mesh.bounds;
  }

  clear() {
    this.#mesh.clear();
  }
}

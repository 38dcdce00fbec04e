// Decoded blocks, those used last, within a budget of bytes. At most two are being loaded: one that is needed now, one
// ahead of need. Knows no step; what loads a block is handed in.

export class BlockCache {
  #load;
  #budgetBytes;
  #on;
  #kept = new Map(); // key → {value, sizeBytes}, the one used last at the end
  #usedBytes = 0;
  #needed = null; // the key that is being loaded because it is needed now
  #ahead = null; // the key that is being loaded ahead of need
  #refused = new Set(); // keys that had no room ahead of need, or could not be loaded then

  /**
   * load(entry) → promise of {value, sizeBytes, release?()}; entries have a `key`. on: {loaded(): ask again for what is
   * needed, failed(error): what was needed could not be loaded}.
   */
  constructor({ load, budgetBytes, on }) {
    this.#load = load;
    this.#budgetBytes = budgetBytes;
    this.#on = on;
  }

  get usedBytes() {
    return this.#usedBytes;
  }

  has({ key }) {
    return this.#kept.has(key);
  }

  /** The block, or undefined. It is used now. */
  get({ key }) {
    const found = this.#kept.get(key);
    if (found === undefined) return undefined;
    this.#kept.delete(key);
    this.#kept.set(key, found);
    return found.value;
  }

  /** As get, but it does not count as used. */
  peek({ key }) {
    return this.#kept.get(key)?.value;
  }

  /** It is needed now. Of several the one that is asked for after `loaded()` comes next. */
  want(entry) {
    const { key } = entry;
    if (this.#needed !== null || this.#kept.has(key) || this.#ahead === key) return;
    this.#fetchNeeded(entry);
  }

  /** It will be needed soon: loaded unless another one is, and kept where there is room beside what was used last. */
  wantSoon(entry) {
    const { key } = entry;
    if (this.#ahead !== null || this.#kept.has(key) || this.#needed === key || this.#refused.has(key)) return;
    this.#fetchAhead(entry);
  }

  /** Drops every block whose key is not among these. */
  retain(keys) {
    for (const key of [...this.#kept.keys()]) if (!keys.has(key)) this.#drop(key);
    this.#refused.clear();
  }

  /** What fails ahead of need is told when it is needed. */
  async #fetchAhead(entry) {
    const { key } = entry;
    this.#ahead = key;
    try {
      this.#keepAhead(key, await this.#load(entry));
    } catch {
      this.#refused.add(key);
    }
    this.#ahead = null;
    this.#on.loaded();
  }

  async #fetchNeeded(entry) {
    let failure = null;
    this.#needed = entry.key;
    try {
      this.#keep(entry.key, await this.#load(entry));
    } catch (error) {
      failure = error;
    }
    this.#needed = null;
    if (failure === null) this.#on.loaded();
    else this.#on.failed(failure);
  }

  /** The block used last stays in any case: a picture of it is on the screen. */
  #keep(key, loaded) {
    this.#makeRoom(loaded.sizeBytes);
    this.#put(key, loaded);
  }

  #keepAhead(key, loaded) {
    this.#makeRoom(loaded.sizeBytes);
    if (this.#usedBytes + loaded.sizeBytes <= this.#budgetBytes) return this.#put(key, loaded);
    this.#refused.add(key);
    loaded.release?.();
  }

  #makeRoom(sizeBytes) {
    const isTight = () => this.#kept.size > 1 && this.#usedBytes + sizeBytes > this.#budgetBytes;
    while (isTight()) this.#release(this.#kept.keys().next().value);
  }

  #put(key, loaded) {
    const newest = [...this.#kept].at(-1);
    this.#kept.set(key, loaded);
    this.#usedBytes += loaded.sizeBytes;
    if (newest === undefined) return;
    this.#kept.delete(newest[0]); // what is on the screen was used last, also after this one came
    this.#kept.set(...newest);
  }

  /** Left to the collector, ten of them gather. What is on the screen was used last, and is not among them. */
  #release(key) {
    const { release } = this.#kept.get(key);
    this.#drop(key);
    release?.();
  }

  #drop(key) {
    this.#usedBytes -= this.#kept.get(key).sizeBytes;
    this.#kept.delete(key);
  }
}

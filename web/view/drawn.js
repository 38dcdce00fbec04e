// Which changes of the splats the screen shows. Knows how Spark sorts; draws nothing.

/**
 * Spark sorts in a worker and shows the state of the scene that was sorted last, some drawings later. Each has a
 * `mapping` of its own: it holds every change made before Spark took it, or rested because nothing had changed.
 */
export class DrawnChanges {
  #made = 0; // so far
  #held = new WeakMap(); // a state of the scene in Spark → how many changes it holds
  #drawn = 0; // how many of them are on the screen

  /** The splats changed. Returns a question to ask after a drawing: does it show them as they are now, or newer? */
  add() {
    const change = ++this.#made;
    return () => this.#drawn >= change;
  }

  /** After each drawing. */
  note({ current, display, sorting, sortDirty }) {
    const isAtRest = !sorting && !sortDirty;
    if (isAtRest || !this.#held.has(current.mapping)) this.#held.set(current.mapping, this.#made);
    this.#drawn = this.#held.get(display.mapping) ?? 0;
  }
}

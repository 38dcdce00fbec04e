// A scene that a program recorded: several nodes by name, each with a view of its own that is kept from step to step.
// What did not change is not touched, what is gone is cleared. Pictures have no place in space: see pictures.js.

export class NodesView {
  #makeView;
  #slots = new Map(); // name → {type, node, view}

  /** makeView(type) → a new view for results of a type; undefined where there is none. */
  constructor(makeView) {
    this.#makeView = makeView;
  }

  /** nodes: Map of name → result. onReady(isDrawn): as in the other views, of all of them. */
  show({ nodes }, onReady) {
    for (const [name, { type }] of this.#slots) if (nodes.get(name)?.type !== type) this.#empty(name);
    const questions = [];
    for (const [name, node] of nodes) {
      const slot = this.#slotFor(name, node.type);
      if (slot.node === node) continue;
      slot.node = node;
      slot.view.show(node, (isDrawn) => questions.push(isDrawn));
    }
    onReady(() => questions.every((isDrawn) => isDrawn()));
  }

  /** The box around all of them, OpenCV axes; undefined where nothing is. */
  get bounds() {
    const boxes = [...this.#slots.values()].map(({ view }) => view.bounds).filter((box) => box !== undefined);
    if (boxes.length === 0) return undefined;
    const along = (pick, side) => [0, 1, 2].map((axis) => pick(...boxes.map((box) => box[side][axis])));
    return { minimum: along(Math.min, "minimum"), maximum: along(Math.max, "maximum") };
  }

  clear() {
    for (const name of [...this.#slots.keys()]) this.#empty(name);
  }

  #slotFor(name, type) {
    if (!this.#slots.has(name)) this.#slots.set(name, { type, node: null, view: this.#makeView(type) });
    return this.#slots.get(name);
  }

  #empty(name) {
    this.#slots.get(name).view.clear();
    this.#slots.delete(name);
  }
}

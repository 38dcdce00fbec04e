// The pictures of a recording's step in a corner of the page: a camera's own, or those that a program wrote.

export class Pictures {
  #root;
  #shown = new Map(); // name → {jpeg, image}

  /** root: an empty element. */
  constructor(root) {
    this.#root = root;
  }

  /** pictures: Map of name → JPEG. Those that did not change are not touched. */
  show(pictures) {
    for (const name of [...this.#shown.keys()]) if (!pictures.has(name)) this.#remove(name);
    for (const [name, jpeg] of pictures) if (this.#shown.get(name)?.jpeg !== jpeg) this.#put(name, jpeg);
    this.#root.hidden = this.#shown.size === 0;
  }

  #put(name, jpeg) {
    const { image = this.#add(name) } = this.#shown.get(name) ?? {};
    URL.revokeObjectURL(image.src);
    image.src = URL.createObjectURL(new Blob([jpeg], { type: "image/jpeg" }));
    this.#shown.set(name, { jpeg, image });
  }

  #add(name) {
    const image = this.#root.ownerDocument.createElement("img");
    image.alt = name === "camera" ? "The camera's picture at this step" : `Picture “${name}” of this step`;
    this.#root.append(image);
    return image;
  }

  #remove(name) {
    const { image } = this.#shown.get(name);
    URL.revokeObjectURL(image.src);
    image.remove();
    this.#shown.delete(name);
  }
}

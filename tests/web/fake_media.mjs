// Tracks and canvases that do what they are told, for the tests of web/source/.

export class FakeTrack {
  isStopped = false;
  onended = null;
  applied = []; // constraints
  #id;

  constructor(id = "camera") {
    this.#id = id;
  }

  getSettings() {
    return { deviceId: this.#id };
  }

  applyConstraints(constraints) {
    this.applied.push(constraints);
    return Promise.resolve();
  }

  stop() {
    this.isStopped = true;
  }
}

/** `paintings`: what was drawn on it so far, "itself" for the canvas. */
export class FakeCanvas {
  width = 300;
  height = 150;
  paintings = [];

  getContext() {
    return { drawImage: (picture) => this.paintings.push(picture === this ? "itself" : picture) };
  }

  captureStream() {
    const track = new FakeTrack();
    return { getTracks: () => [track] };
  }
}

/** A source cannot be had; `name` says why, as cameraSentence takes it. */
export class SourceError extends Error {
  constructor(name) {
    super(`no picture: ${name}`);
    this.name = name;
  }
}

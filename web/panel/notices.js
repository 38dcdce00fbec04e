// Sentences for people, one per subject; the page shows those that stand.

const PASSING_MS = 8000; // of a sentence that is about no lasting state

export class Notices {
  #element;
  #sentences = new Map();

  constructor(element) {
    this.#element = element;
  }

  say(subject, sentence) {
    if (sentence === "") this.#sentences.delete(subject);
    else this.#sentences.set(subject, sentence);
    const text = [...this.#sentences.values()].join("\n");
    if (this.#element.textContent !== text) this.#element.textContent = text;
    this.#element.hidden = text === "";
  }

  /** Says it for some seconds, or until something else is said of the subject. */
  mention(subject, sentence) {
    this.say(subject, sentence);
    setTimeout(() => this.#sentences.get(subject) === sentence && this.say(subject, ""), PASSING_MS);
  }
}

// Sentences for people, one per subject; the page shows those that stand.

const PASSING_MS = 8000; // of a sentence that is about no lasting state

export class Notices {
  #element;
  #said = new Map(); // subject → {sentence}, another one each time that it is said

  constructor(element) {
    this.#element = element;
  }

  say(subject, sentence) {
    if (sentence === "") this.#said.delete(subject);
    else this.#said.set(subject, { sentence });
    const text = [...this.#said.values()].map((said) => said.sentence).join("\n");
    if (this.#element.textContent !== text) this.#element.textContent = text;
    this.#element.hidden = text === "";
  }

  /** Says it for some seconds, or until something else is said of the subject. */
  mention(subject, sentence) {
    this.say(subject, sentence);
    const said = this.#said.get(subject);
    setTimeout(() => said === this.#said.get(subject) && this.say(subject, ""), PASSING_MS);
  }
}

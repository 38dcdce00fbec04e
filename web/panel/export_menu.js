// The menu of what a recording of the server can become. A download is the browser's own business: the page gets
// nothing of it, however large. An answer that is no file comes into a frame that nobody sees, and its words are said.

const FORMS = {
  "export.html": "One HTML file that plays offline", "export.zip": "A .ply of each step (.zip)",
  "export.mp4": "A film (.mp4)", "take.scam": "The recording itself (.scam)",
};
const IS_MADE = "The server makes the file; its download begins by itself. A film may take minutes.";
const NO_ANSWER = "The server does not answer: nothing was exported.";

export class ExportMenu {
  #document;
  #say;
  #links;
  #id = null; // of the recording that the links are of
  #asked = 0; // exports

  /** say(sentence): to the person. `root` belongs into the bar. */
  constructor(document, say) {
    this.#document = document;
    this.#say = say;
    this.#links = this.#make("div", { className: "links" });
    this.root = this.#make("details", { className: "exports", hidden: true });
    this.root.append(this.#make("summary", { textContent: "Export" }), this.#links);
  }

  /** id: of a recording of the server; null where there is nothing to offer: a file that was dropped is here already. */
  offer(id) {
    this.root.hidden = id === null;
    if (id === this.#id) return;
    this.#id = id;
    this.root.open = false;
    this.#links.replaceChildren(...(id === null ? [] : this.#linksTo(id)));
  }

  #linksTo(id) {
    return Object.entries(FORMS).map(([file, textContent]) => {
      const href = `recordings/${encodeURIComponent(id)}/${file}`;
      const link = this.#make("a", { href, textContent });
      link.addEventListener("click", () => {
        link.target = this.#frame();
        this.root.open = false;
        if (file !== "take.scam") this.#say(IS_MADE);
      });
      return link;
    });
  }

  /**
   * The name of a new one, for in a used one the next export would end the one before. It loads where there is no
   * download: words of the server, or a page of the browser, which nobody can read.
   */
  #frame() {
    this.#asked += 1;
    const frame = this.#make("iframe", { name: `export ${this.#asked}`, hidden: true });
    frame.addEventListener("load", () => {
      const answer = frame.contentDocument;
      if (answer?.URL === "about:blank") return;
      this.#say(answer === null ? NO_ANSWER : `Nothing was exported: ${answer.body.textContent}.`);
      frame.remove();
    });
    this.root.append(frame);
    return frame.name;
  }

  #make(tag, properties) {
    return Object.assign(this.#document.createElement(tag), properties);
  }
}

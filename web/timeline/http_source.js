// A recording of the server as a source of blocks: its index as JSON, its blocks by byte range, also while it is still
// being recorded. `fetch` is handed in. Knows no step and no player.
import { countSteps } from "./blob_source.js";
import { ScamError } from "./scam.js";

const GONE = "the server has no such recording (any more)";
const UNREADABLE = 422; // the server's words say why

export class HttpSource {
  #fetch;
  #address;
  #blocks = [];

  /** address: of the recording, with a slash at its end; fetch: the browser's, bound. */
  constructor(address, fetch) {
    this.#address = address;
    this.#fetch = fetch;
  }

  /** As BlobSource's. Asked again it brings what was recorded since. Rejects with ScamError; with others: try again. */
  async index() {
    const known = this.#blocks.length;
    const response = await this.#ask(`index?after=${known}`, {});
    const { state, info, blocks } = await response.json();
    if (this.#blocks.length === known) this.#blocks = [...this.#blocks, ...blocks.map(entryOf)];
    return {
      info: { source: info.source, fps: info.fps, model: info.model, beganAt: info.began_at },
      isGrowing: state === "recording", isCutOff: state === "cut_off",
      numSteps: countSteps(this.#blocks), blocks: this.#blocks,
    };
  }

  /** Resolves to the whole block. */
  async read({ offset, sizeBytes }) {
    const headers = { Range: `bytes=${offset}-${offset + sizeBytes - 1}` };
    const response = await this.#ask("take.scam", { headers });
    if (response.status !== 206) throw new ScamError("the server, or something on the way, sends no parts of files");
    return new Uint8Array(await response.arrayBuffer());
  }

  async #ask(what, options) {
    const response = await this.#fetch(new URL(what, this.#address), options);
    if (response.ok) return response;
    const words = await response.text();
    if (response.status === 404) throw new ScamError(GONE);
    if (response.status === UNREADABLE) throw new ScamError(words);
    throw new Error(`the server answered ${response.status}`);
  }
}

/** A recording of the server that the page came from. */
export function recordingOf(id) {
  return new HttpSource(new URL(`recordings/${encodeURIComponent(id)}/`, document.baseURI), fetch.bind(globalThis));
}

/** Resolves to why the server did not remove it; "" where it is gone. */
export async function removeRecording(id) {
  const address = new URL(`recordings/${encodeURIComponent(id)}`, document.baseURI);
  try {
    const response = await fetch(address, { method: "DELETE" });
    return response.ok || response.status === 404 ? "" : await response.text();
  } catch {
    return "the server does not answer";
  }
}

function entryOf([offset, sizeBytes, kind, firstStep, numSteps]) {
  return { offset, sizeBytes, kind, firstStep, numSteps };
}

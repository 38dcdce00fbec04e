// A program's timeline as a source of blocks: its index as JSON, its blocks one by one. Its program steers the players
// of its viewers: see remote.js. Knows no step and no player.
import { Remote } from "./remote.js";
import { Kind, ScamError } from "./scam.js";

export class ProgramSource {
  #address;
  #fetch;
  #openSocket;
  #epoch = 0; // goes up where all that was fetched is to be forgotten

  /** address: of the timeline, with a slash at its end; fetch and openSocket(address) are the browser's. */
  constructor(
    address, fetch = (...args) => globalThis.fetch(...args), openSocket = (url) => new WebSocket(url),
  ) {
    this.#address = address;
    this.#fetch = fetch;
    this.#openSocket = openSocket;
  }

  /** As BlobSource's; each block has a `version` as well, which differs when the block does. */
  async index() {
    const response = await this.#ask("index");
    const { info, num_steps: numSteps, blocks, static: still, sounds } = await response.json();
    return {
      info: { source: info.source, fps: info.fps, model: info.model, beganAt: info.began_at },
      isGrowing: false, isCutOff: false, numSteps,
      blocks: [
        ...(still === null ? [] : [this.#entry(Kind.STATIC, "static", [0, 0, still])]),
        ...sounds.map((version, i) => this.#entry(Kind.AUDIO, `sounds/${i}`, [0, 0, version])),
        ...blocks.map((block) => this.#entry(Kind.STEPS, `blocks/${block[0]}?steps=${block[1]}`, block)),
      ],
    };
  }

  /** Resolves to the whole block. */
  async read({ path }) {
    const response = await this.#ask(path);
    return new Uint8Array(await response.arrayBuffer());
  }

  /** Whatever was read is to be read again. */
  forget() {
    this.#epoch += 1;
  }

  /** From now on the program may move the player, and hears what becomes of it. */
  attach(player) {
    const address = new URL("ws", this.#address);
    address.protocol = address.protocol.replace("http", "ws");
    const remote = new Remote({
      player, source: this,
      openSocket: () => this.#openSocket(address.href),
      now: () => performance.now(),
      schedule: (callback, ms) => setTimeout(callback, ms),
      random: Math.random,
    });
    remote.open();
    return remote;
  }

  #entry(kind, path, [firstStep, numSteps, version]) {
    return { kind, path, firstStep, numSteps, version: `${version}.${this.#epoch}` };
  }

  async #ask(what) {
    const response = await this.#fetch(new URL(what, this.#address), {});
    if (response.ok) return response;
    if (response.status === 404 && what === "index") throw new ScamError("this server has no timeline");
    throw new Error(`the server answered ${response.status}`);
  }
}

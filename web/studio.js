// Recording and playing wired together for the page with a camera: deck, microphone, panel, and the link to share.
import { RecordingPanel } from "./panel/recording.js";
import { isLoopback } from "./parameters.js";
import { Microphone } from "./source/microphone.js";
import { watchAddress } from "./source/room.js";
import { Deck } from "./timeline/deck.js";
import { recordingOf, removeRecording } from "./timeline/http_source.js";
import { Sounds } from "./timeline/sounds.js";
import { Pictures } from "./view/pictures.js";

const NEEDS_TOKEN = "Where the service asks for its token, whoever opens it needs that as well.";
const HERE_ALONE = "It opens on this machine alone: others need the service on an address that they can reach.";

export class Studio {
  #app;
  #panel = null;

  /** app: {screen, notices, connection, sources}, the last two as soon as they are there; wallClock: of the frames. */
  constructor(app, wallClock) {
    this.#app = app;
    this.deck = this.#makeDeck();
    this.microphone = this.#makeMicrophone(wallClock);
  }

  /** commands: of the page. */
  makePanel(commands) {
    const { connection, sources, notices } = this.#app;
    this.#panel = new RecordingPanel(document, {
      deck: this.deck, microphone: this.microphone, commands, connection, sources, notices,
      listRecordings: async () => (await fetch(new URL("recordings", document.baseURI))).json(),
      removeRecording, confirm: (question) => confirm(question),
      share: () => this.#share(),
    });
  }

  update() {
    this.#panel?.update();
  }

  /** Starts or stops to record. */
  toggle() {
    this.#panel.toggle();
  }

  #makeDeck() {
    const pictures = new Pictures(document.getElementById("pictures"));
    return new Deck({
      screen: this.#app.screen, sourceOf: recordingOf,
      now: () => performance.now(),
      nextFrame: (callback) => requestAnimationFrame(callback),
      makeSounds: (player, source) => new Sounds(player, source, () => new AudioContext()),
      on: {
        changed: () => this.update(),
        failed: (sentence) => this.#app.notices.mention("recording", sentence),
        ended: (sentence) => this.#app.notices.say("ended", sentence),
        pictures: (shown) => pictures.show(shown),
      },
    });
  }

  #makeMicrophone(wallClock) {
    return new Microphone({
      mediaDevices: navigator.mediaDevices, now: wallClock,
      makeContext: () => new AudioContext(),
      makeNode: (context) => new AudioWorkletNode(context, "microphone-tap", { numberOfOutputs: 0 }),
      worklet: new URL("source/microphone_worklet.js", import.meta.url),
      on: {
        piece: (piece) => this.#send(piece),
        changed: () => this.update(),
        failed: (sentence) => this.#app.notices.mention("microphone", sentence),
      },
    });
  }

  #send({ capturedAtMs, sampleRate, samples }) {
    if (this.deck.isRecording) this.#app.connection.sendSound(capturedAtMs, sampleRate, samples);
  }

  /** What others watch this camera by, for the clipboard. → what was done, in words. */
  async #share() {
    const { welcome } = this.#app.connection;
    if (welcome === null) return "There is no connection to the server, so there is nothing to watch yet.";
    const address = watchAddress(document.baseURI, welcome.room ?? welcome.session_id);
    const note = isLoopback(location.hostname) ? HERE_ALONE : NEEDS_TOKEN;
    try {
      await navigator.clipboard.writeText(address);
      return `The link is copied: ${address}\n${note}`;
    } catch {
      return `Watch this camera at ${address}\n${note}`; // no clipboard here, or it was forbidden
    }
  }
}

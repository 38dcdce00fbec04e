// The player's page: a recording and no camera. It comes from the server (?recording=ID, ?timeline), out of the page
// itself (elements of type application/x-scam), or from a file that somebody drops.
import { Choices } from "./choices.js";
import { makeCommands } from "./commands.js";
import { GRAPHICS } from "./errors.js";
import { paint } from "./panel/appearance.js";
import { actionOf } from "./panel/keys.js";
import { Notices } from "./panel/notices.js";
import { TimelineBar } from "./panel/timeline_bar.js";
import { filesOf } from "./source/dropped.js";
import { BlobSource } from "./timeline/blob_source.js";
import { Deck } from "./timeline/deck.js";
import { embeddedRecording } from "./timeline/embedded.js";
import { recordingOf } from "./timeline/http_source.js";
import { Sounds } from "./timeline/sounds.js";
import { Pictures } from "./view/pictures.js";
import { hasWebGL2, Stage } from "./view/scene.js";
import { Screen } from "./view/screen.js";
import { makeViews } from "./view/views.js";

const element = (id) => document.getElementById(id);
const now = () => performance.now();
/** What keys do here; the rest of them is about a camera, or about a panel that this page does not have. */
const ACTIONS = [
  "freeze", "reset", "frame", "motion", "smaller", "larger", "axes", "screenshot", "savePly", "playPause", "previousStep",
  "nextStep", "slower", "faster", "loop",
];
const NO_LIVE = { shown() {}, neverDrawn() {} };

class PlayerPage {
  #remote; // of the program whose timeline is open

  constructor() {
    this.notices = new Notices(element("message"));
    this.stage = new Stage(element("view"), (error) => this.#onDrawingFailed(error), {
      prefersReducedMotion: matchMedia("(prefers-reduced-motion: reduce)").matches,
    });
    this.screen = new Screen(this.stage, makeViews(this.stage, this.#troubles()), NO_LIVE);
    this.pictures = new Pictures(element("pictures"));
    this.deck = this.#makeDeck();
    const { stage, screen, notices, deck } = this;
    const choices = new Choices(location.search);
    this.commands = makeCommands({ stage, screen, sources: undefined, choices, notices, deck }, pageOf(choices, stage));
    this.bar = new TimelineBar(element("timeline"), { deck, notices, commands: this.commands, hasLive: false });
    this.#listen();
    this.#openWhatIsAsked();
  }

  #troubles() {
    const { notices } = this;
    return {
      onUnreadable: (text) => notices.mention("graphics", `${GRAPHICS.unreadable}: ${text}`),
      onCompact: {
        failed: (error) => notices.mention("unpacking", `${GRAPHICS.notUnpacked}: ${error.message}.`),
        gaveUp: () => {},
      },
    };
  }

  #makeDeck() {
    return new Deck({
      screen: this.screen, now, nextFrame: (callback) => requestAnimationFrame(callback),
      sourceOf: recordingOf,
      makeSounds: (player, source) => new Sounds(player, source, () => new AudioContext()),
      on: {
        changed: () => this.#changed(),
        failed: (sentence) => this.notices.say("recording", sentence),
        ended() {}, // nothing is recorded here
        pictures: (pictures) => this.pictures.show(pictures),
      },
    });
  }

  #changed() {
    this.bar?.update();
    const { isOpen, player, name } = this.deck;
    element("start").hidden = isOpen;
    const what = isOpen && player.isGrowing ? "Replay, still being recorded" : "Replay";
    element("status").textContent = isOpen ? what : "Player";
    element("model").textContent = isOpen ? [name, player.info.model].filter(Boolean).join(" · ") : "";
  }

  #listen() {
    document.addEventListener("keydown", (event) => {
      const action = actionOf(event);
      if (!ACTIONS.includes(action)) return;
      event.preventDefault();
      this.commands[action]();
    });
    document.addEventListener("dragover", (event) => event.preventDefault());
    document.addEventListener("drop", async (event) => {
      event.preventDefault();
      const [file] = await filesOf(event.dataTransfer);
      if (file !== undefined) this.#openFile(file);
    });
    element("choose").addEventListener("click", () => element("files").click());
    element("files").addEventListener("change", ({ target }) => {
      const [file] = target.files;
      target.value = ""; // or the same file could not be chosen again
      if (file !== undefined) this.#openFile(file);
    });
    element("view").addEventListener("webglcontextlost", () => this.notices.say("card", GRAPHICS.contextLost));
    element("view").addEventListener("webglcontextrestored", () => this.notices.say("card", ""));
  }

  async #openWhatIsAsked() {
    const given = new URLSearchParams(location.search);
    const [id, embedded] = [given.get("recording"), embeddedRecording(document)];
    element("start").hidden = id !== null || embedded !== null || given.has("timeline");
    if (embedded !== null) await this.#open(new BlobSource(embedded), { name: document.title });
    else if (id !== null) await this.#open(recordingOf(id), { name: id, id });
    else if (given.has("timeline")) await this.#openTimeline();
    this.#changed();
  }

  async #openTimeline() {
    const { ProgramSource } = await import("./timeline/program_source.js");
    await this.#open(new ProgramSource(new URL("timeline/", document.baseURI)), { name: "Timeline" });
  }

  #openFile(file) {
    return this.#open(new BlobSource(file), { name: file.name });
  }

  async #open(source, title) {
    this.notices.say("recording", "");
    const isOpen = await this.deck.open(source, title);
    if (!isOpen) return;
    this.#remote?.close();
    this.#remote = source.attach?.(this.deck.player); // a program steers its viewers
  }

  #onDrawingFailed(error) {
    console.error(error);
    this.notices.say("graphics", `${GRAPHICS.drawingFailed}: ${error.message}`);
  }
}

/** What commands.js asks of a page, as far as this one has it. */
function pageOf(choices, stage) {
  choices.onChange(() => apply(choices, stage));
  apply(choices, stage);
  return {
    changed() {},
    save: (name, data) => {
      const url = URL.createObjectURL(data);
      Object.assign(document.createElement("a"), { href: url, download: name }).click();
      setTimeout(() => URL.revokeObjectURL(url), 60_000); // the download reads it some time later
    },
  };
}

function apply(choices, stage) {
  paint(document, stage, choices, matchMedia("(prefers-color-scheme: light)"));
  stage.motion = choices.get("motion");
  stage.splatScale = choices.get("scale");
  stage.axes = choices.get("axes");
}

/** window.splatcam, for debugging and for the tests: player (null while there is none), deck, stage, screen, counts. */
function handle(page) {
  return {
    get player() {
      return page.deck.player;
    },
    get counts() {
      return { shown: page.deck.drawn, rendered: page.stage.rendered };
    },
    deck: page.deck,
    stage: page.stage,
    screen: page.screen,
  };
}

if (hasWebGL2()) window.splatcam = handle(new PlayerPage());
else new Notices(element("message")).say("graphics", GRAPHICS.noWebGL2);

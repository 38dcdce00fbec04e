// Wires the page together: address → connection, source and screen → panel.
import { AUTO, Choices } from "./choices.js";
import { makeCommands } from "./commands.js";
import { Connection } from "./connection.js";
import { GRAPHICS, passesWithTheFrame } from "./errors.js";
import { chipOf, modelText, statusText } from "./panel/chip.js";
import { Hud, hudRows } from "./panel/hud.js";
import { latencyMs, Meter } from "./panel/meter.js";
import { Notices } from "./panel/notices.js";
import { PagePanel } from "./panel/page.js";
import { expectsResults, StallWatch } from "./panel/stall.js";
import { readParameters, socketAddress } from "./parameters.js";
import { FrameGrabber } from "./source/capture.js";
import { filesOf, sortOut } from "./source/dropped.js";
import { roomName } from "./source/room.js";
import { ScreenLock } from "./source/screen_lock.js";
import { Sources } from "./source/sources.js";
import { QUALITIES, SIZES, Uplink } from "./source/uplink.js";
import { Studio } from "./studio.js";
import { BlobSource } from "./timeline/blob_source.js";
import { hasWebGL2, Stage } from "./view/scene.js";
import { Screen } from "./view/screen.js";
import { canCompileWasm } from "./view/support.js";
import { makeViews } from "./view/views.js";
import { whyRefused } from "./viewer/loss.js";
import { countOf } from "./wire.js";

const DEFAULT_LONG_SIDE_PX = 504;
const LOOK_EVERY_MS = 250; // at the numbers and the clock
const LOST = ["waiting", "idle", "closed"]; // states of a connection that is none

const element = (id) => document.getElementById(id);
const now = () => performance.now();
const wallClock = () => performance.timeOrigin + now(); // as captured_at_ms

class App {
  shown = 0; // results that were on the screen
  failed = 0; // results that could not be unpacked
  lastResult = null;
  adapted = null; // the server's newest word on what it sends
  status = null;
  hasResult = false; // on this connection
  visibleSince = document.hidden ? Infinity : 0; // ms on the wall clock

  constructor(parameters) {
    this.parameters = parameters;
    this.choices = new Choices(location.search);
    this.notices = new Notices(element("message"));
    this.meter = new Meter();
    this.uplink = new Uplink();
    this.stall = new StallWatch();
    this.screenLock = new ScreenLock(navigator.wakeLock);
    this.hud = new Hud(element("numbers"), element("stages"));
    this.stage = new Stage(element("view"), (error) => this.#onDrawingFailed(error), {
      prefersReducedMotion: matchMedia("(prefers-reduced-motion: reduce)").matches,
    });
    this.stage.onRender(() => this.meter.drawn(now()));
    const onCompact = { failed: (error) => this.#onNotUnpacked(error), gaveUp: () => this.#giveUpCompact() };
    const onUnreadable = (text) => this.notices.say("graphics", `${GRAPHICS.unreadable}: ${text}`);
    this.screen = new Screen(this.stage, makeViews(this.stage, { onUnreadable, onCompact }), {
      shown: (frame) => this.#onShown(frame),
      neverDrawn: () => this.notices.say("graphics", GRAPHICS.neverDrawn),
    });
    this.canSort = canCompileWasm();
    if (!this.canSort) this.notices.say("wasm", GRAPHICS.noWasm);
    this.room = parameters.wantsSource ? roomName(parameters.room, () => sessionStorage, Math.random) : undefined;
    this.studio = new Studio(this, wallClock);
    this.deck = this.studio.deck;
    this.connection = this.#connect();
    this.grabber = this.#grabFrames();
    if (parameters.wantsSource) this.sources = this.#makeSources();
    this.panel = this.#makePanel();
    this.studio.makePanel(this.panel.commands);
    this.#watchPage();
    if (parameters.wantsCamera) this.sources.startCamera();
  }

  #connect() {
    const connection = new Connection({
      createSocket: () => new WebSocket(socketAddress(document.baseURI)),
      now,
      schedule: (callback, ms) => setTimeout(callback, ms),
      random: Math.random,
      whyRefused: () => whyRefused(fetch, "ws"),
      greeting: this.#greeting(this.parameters.formats),
      wishes: () => this.choices.wishes(),
      on: {
        state: (state, sentence) => this.#onState(state, sentence),
        asked: () => this.notices.say("server", ""),
        welcome: (welcome) => this.#onWelcome(welcome),
        status: (status) => this.#onStatus(status),
        adapted: (adapted) => (this.adapted = adapted),
        recording: (message) => this.deck.told(message),
        answered: (answer) => this.uplink.answered(answer),
        result: (...result) => this.#onResult(...result),
        error: (sentence, code) => this.#onError(sentence, code),
      },
    });
    this.choices.onChange(({ field }) => field !== undefined && connection.ask());
    connection.open();
    return connection;
  }

  #greeting(formats) {
    return { formats, watch: this.parameters.watch, room: this.room, client: "splatcam page" };
  }

  #longSide() {
    return this.connection.welcome?.limits.frame_long_side_px ?? DEFAULT_LONG_SIDE_PX;
  }

  #grabFrames() {
    this.choices.onChange(({ name }) => ["jpeg", "size"].includes(name) && this.#pinUplink());
    this.#pinUplink();
    const grabber = new FrameGrabber(element("camera"), document.createElement("canvas"), {
      longSide: () => Math.round(this.#longSide() * this.uplink.choice.size),
      quality: () => this.uplink.choice.quality,
      isMirrored: () => this.choices.get("mirror"),
      wantsFrame: () => this.#wantsFrame(),
      onFrame: (capturedAt, jpeg) => this.connection.sendFrame(performance.timeOrigin + capturedAt, jpeg),
    });
    grabber.start();
    return grabber;
  }

  #pinUplink() {
    const [quality, size] = [QUALITIES[this.choices.get("jpeg")], SIZES[this.choices.get("size")]];
    this.uplink.pin({ quality, size }, now());
  }

  #wantsFrame() {
    this.connection.wake();
    const { state, takesFrames } = this.connection;
    if (state === "open") this.uplink.offered(now(), takesFrames);
    return takesFrames;
  }

  #makeSources() {
    return new Sources({
      video: element("camera"),
      mediaDevices: navigator.mediaDevices,
      longSide: () => this.#longSide(),
      on: {
        changed: () => this.#onSourceChanged(),
        failed: (sentence) => this.#onSourceFailed(sentence),
        camerasChanged: () => this.panel?.listCameras(),
      },
    });
  }

  #makePanel() {
    const { stage, screen, sources, choices, notices, deck } = this;
    const record = () => this.studio.toggle();
    const panel = new PagePanel(document, {
      stage, screen, sources, choices, notices,
      onFiles: (files) => this.#open(files),
      makeCommands: (page) => makeCommands({ stage, screen, sources, choices, notices, deck, record }, page),
      onChanged: () => this.#look(),
    });
    document.addEventListener("dragover", (event) => event.preventDefault());
    document.addEventListener("drop", async (event) => {
      event.preventDefault();
      this.#open(await filesOf(event.dataTransfer));
    });
    return panel;
  }

  /** Files that somebody chose or dropped. */
  async #open(files) {
    const { kind, file, files: pictures, sentence } = sortOut(files);
    this.notices.say("recording", ""); // what was wrong with the file before
    if (kind === "unknown") this.notices.mention("source", sentence);
    else if (kind === "recording") await this.deck.open(new BlobSource(file), { name: file.name });
    else if (kind === "splats") await this.#showFile(file);
    else if (this.sources === undefined) this.notices.mention("source", GRAPHICS.watching);
    else {
      this.#showLive();
      await this.sources.startFiles(kind === "video" ? [file] : pictures);
    }
  }

  /** Who chooses a new source wants to see it: neither a file nor a frozen moment stays before it. */
  #showLive() {
    this.screen.frozen = false;
    if (this.deck.isOpen) this.deck.goLive();
    this.screen.backToLive();
    this.panel.changed();
  }

  async #showFile(file) {
    if (this.deck.isOpen) this.deck.goLive();
    try {
      await this.screen.showFile(file);
      for (const subject of ["file", "source"]) this.notices.say(subject, ""); // a file needs no camera
    } catch (error) {
      this.notices.mention("file", error.message);
    }
    this.panel.changed();
  }

  #watchPage() {
    element("view").addEventListener("webglcontextlost", () => this.notices.say("card", GRAPHICS.contextLost));
    element("view").addEventListener("webglcontextrestored", () => this.notices.say("card", ""));
    document.addEventListener("visibilitychange", () => {
      this.visibleSince = document.hidden ? Infinity : wallClock();
      if (!document.hidden) this.#keepScreenOn();
      if (!document.hidden) this.connection.wake();
    });
    for (const press of ["pointerdown", "keydown"]) document.addEventListener(press, () => this.connection.wake());
    setInterval(() => this.#look(), LOOK_EVERY_MS);
    this.#look();
  }

  #onSourceChanged() {
    this.notices.say("source", "");
    this.#keepScreenOn();
    this.panel.sourceChanged();
  }

  #keepScreenOn() {
    this.screenLock.want(this.sources?.isPlaying === true);
  }

  /** Where another source goes on playing, the sentence is no state of the page. */
  #onSourceFailed(sentence) {
    if (this.sources.isPlaying) this.notices.mention("source", sentence);
    else this.notices.say("source", sentence);
    this.#keepScreenOn();
    this.panel.sourceChanged();
  }

  #onDrawingFailed(error) {
    console.error(error);
    this.notices.say("graphics", `${GRAPHICS.drawingFailed}: ${error.message}`);
  }

  #onNotUnpacked(error) {
    if (this.failed === 0) this.notices.mention("unpacking", `${GRAPHICS.notUnpacked}: ${error.message}.`);
    this.failed += 1;
  }

  #giveUpCompact() {
    if (this.deck.isOpen) return; // it is the recording that cannot be unpacked
    this.notices.mention("unpacking", GRAPHICS.gaveUpCompact);
    if (this.choices.get("format") === "compact") this.choices.set("format", AUTO);
    this.connection.greetAgain(this.#greeting(this.parameters.formats.filter((format) => format !== "compact")));
  }

  #onState(state, sentence) {
    if (state !== "connecting") this.notices.say("connection", sentence); // an attempt ends nothing yet
    if (LOST.includes(state)) this.#forgetConnection();
    if (this.panel !== undefined) this.#look();
  }

  #forgetConnection() {
    this.deck.forget();
    this.status = null;
    this.adapted = null;
    this.hasResult = false;
    this.uplink.reconnected(now());
    for (const subject of ["server", "engine", "frame", "stall"]) this.notices.say(subject, "");
  }

  #onWelcome({ model }) {
    element("model").textContent = modelText(model);
    element("demonstration").hidden = !model.demonstration;
    this.sources?.followModel();
  }

  #onStatus(status) {
    this.status = status;
    this.notices.say("connection", ""); // while the model loads there is no welcome yet, but a server
    this.notices.say("engine", status.state === "failed" ? status.message : "");
    if (status.state === "failed") this.notices.say("frame", "");
    this.#look();
  }

  /** While the model has failed no frame is processed, which its status says once for all of them. */
  #onError(sentence, code) {
    if (code === "engine_failed" && this.status?.state === "failed") return;
    this.notices.say(passesWithTheFrame(code) ? "frame" : "server", sentence);
  }

  /** Our own picture does not come back; the result keeps it, for it may be shown again. */
  #onResult(result, bytes, jpeg) {
    if (result.type === "compact") result.color ??= jpeg;
    this.meter.received(now(), bytes, result.timings_ms);
    this.lastResult = result;
    this.hasResult = true;
    this.notices.say("frame", "");
    this.notices.say("wasm", this.canSort || result.type === "pointcloud" ? "" : GRAPHICS.noWasm);
    this.screen.show(result);
  }

  /** Of somebody else's camera the time of capture is on a clock that is not ours. */
  #onShown(frame) {
    this.shown += 1;
    this.notices.say("graphics", "");
    const isOurs = this.parameters.watch === undefined;
    const latency = isOurs ? latencyMs(frame.captured_at_ms, this.visibleSince, wallClock()) : undefined;
    if (latency !== undefined) this.meter.shown(now(), latency);
    this.connection.sendShown(frame.frame_id, latency);
  }

  /** Every now and then: the clock, the chip and the numbers. */
  #look() {
    this.screen.lookAtClock(now(), !document.hidden);
    const { counts, state: connection } = this.connection;
    const isWatching = !this.parameters.wantsSource;
    const hasSource = isWatching || this.sources.isPlaying;
    const expects = expectsResults({ connection, status: this.status, hasSource, isHidden: document.hidden });
    const { isStalled, sentence } = this.stall.look(now(), {
      expects, isWatching, framesSeen: this.grabber.framesSeen, received: counts.received,
    });
    this.notices.say("stall", sentence);
    const { status, hasResult, lastResult } = this;
    const { frozen: isFrozen, isShowingFile, isReplaying } = this.screen;
    this.studio.update();
    this.panel.showState(
      chipOf({ connection, status, isStalled, isFrozen, isShowingFile, isReplaying, hasSource, hasResult }),
      statusText(status),
    );
    if (lastResult === null) return;
    const last = { type: lastResult.type, count: countOf(lastResult) };
    const numbers = this.meter.read(now());
    this.panel.hasNumbers();
    const skipped = Math.max(0, this.grabber.framesSeen - counts.sent);
    const { adapted } = this;
    const camera = { ...this.uplink.choice, ...this.grabber.size };
    const steady = this.connection.welcome?.model.steady ?? null;
    this.hud.write(hudRows({ numbers, counts, skipped, last, adapted, camera, steady }), numbers.stagesMs);
  }
}

/**
 * window.splatcam: a handle for debugging and for the tests.
 *   counts      what came and went so far: sent, dropped, received, errors, connects, failed, shown, rendered
 *   lastResult  the newest result, as decoded
 *   player      of the recording that is open, null where none is; deck: see timeline/deck.js
 *   connection, stage (renderer, spark, scene, camera, controls, onRender), screen, choices
 *   freeze(on)  keep the picture that is on the screen
 */
function handle(app) {
  return {
    get counts() {
      return { ...app.connection.counts, failed: app.failed, shown: app.shown, rendered: app.stage.rendered };
    },
    get lastResult() {
      return app.lastResult;
    },
    get player() {
      return app.deck.player;
    },
    deck: app.deck,
    connection: app.connection,
    stage: app.stage,
    screen: app.screen,
    choices: app.choices,
    freeze: (on) => {
      app.screen.frozen = on;
    },
  };
}

if (hasWebGL2()) window.splatcam = handle(new App(readParameters(location.search, location.hostname)));
else {
  new Notices(element("message")).say("graphics", GRAPHICS.noWebGL2);
  element("without-graphics").hidden = false;
  element("chip").dataset.kind = "bad";
  element("status").textContent = "No 3D";
  element("toolbar").hidden = true; // there is no page behind it
}

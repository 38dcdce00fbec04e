// Wires the page together: parameters → connection, camera and screen → status line. No logic of its own.
import { FrameGrabber } from "./source/capture.js";
import { Connection } from "./connection.js";
import { GRAPHICS, passesWithTheFrame } from "./errors.js";
import { latencyMs, Meter, modelText, statusLine } from "./panel/hud.js";
import { readParameters, socketAddress } from "./parameters.js";
import { PlyView } from "./view/ply_view.js";
import { PointsView } from "./view/points_view.js";
import { hasWebGL2, Stage } from "./view/scene.js";
import { Screen } from "./view/screen.js";
import { Sources } from "./source/sources.js";
import { SplatView } from "./view/splat_view.js";
import { countOf } from "./wire.js";

const DEFAULT_LONG_SIDE_PX = 504;
const STATES = {
  connecting: "connecting …",
  open: "connected",
  refused: "refused by the server",
  waiting: "no connection",
  closed: "no connection",
};
const LOOK_EVERY_MS = 250; // at the numbers and the clock
const PASSING_MS = 8000; // of a sentence that is about no lasting state

const element = (id) => document.getElementById(id);
const now = () => performance.now();
const wallClock = () => performance.timeOrigin + now(); // as captured_at_ms

/** Sentences for people, one per subject; the page shows those that stand. */
class Notices {
  #sentences = new Map();

  say(subject, sentence) {
    if (sentence === "") this.#sentences.delete(subject);
    else this.#sentences.set(subject, sentence);
    const text = [...this.#sentences.values()].join("\n");
    if (element("message").textContent !== text) element("message").textContent = text;
    element("message").hidden = text === "";
  }

  /** Says it for some seconds, or until something else is said of the subject. */
  mention(subject, sentence) {
    this.say(subject, sentence);
    setTimeout(() => this.#sentences.get(subject) === sentence && this.say(subject, ""), PASSING_MS);
  }
}

function makeViews(stage, notices) {
  const onUnreadable = (text) => notices.say("graphics", `${GRAPHICS.unreadable}: ${text}`);
  return {
    splats16: { view: new SplatView(stage), renderer: "spark" },
    gaussian_ply: { view: new PlyView(stage, onUnreadable), renderer: "spark" },
    pointcloud: { view: new PointsView(stage), renderer: "three" },
  };
}

class App {
  frozen = false; // results are taken and acknowledged, the picture stays
  shown = 0; // results that were on the screen
  lastResult = null;
  status = null;
  visibleSince = document.hidden ? Infinity : 0; // ms on the wall clock

  constructor(parameters) {
    this.parameters = parameters;
    this.notices = new Notices();
    this.meter = new Meter();
    this.stage = new Stage(element("view"), (error) => this.#onDrawingFailed(error));
    this.screen = new Screen(this.stage, makeViews(this.stage, this.notices), {
      shown: (frame) => this.#onShown(frame),
      neverDrawn: () => this.notices.say("graphics", GRAPHICS.neverDrawn),
    });
    this.connection = this.#connect();
    this.#watchPage();
    if (parameters.wantsSource) {
      this.sources = this.#makeSources();
      this.#offerSources();
      this.#grabFrames();
    }
    if (parameters.wantsCamera) this.sources.startCamera();
  }

  #connect() {
    const { formats, watch, wishes } = this.parameters;
    const connection = new Connection({
      createSocket: () => new WebSocket(socketAddress(document.baseURI)),
      now,
      schedule: (callback, ms) => setTimeout(callback, ms),
      greeting: { formats, watch, client: "splatcam page" },
      wishes,
      on: {
        state: (state, sentence) => this.#onState(state, sentence),
        asked: () => this.notices.say("server", ""),
        welcome: (welcome) => this.#onWelcome(welcome),
        status: (status) => this.#onStatus(status),
        result: (result, bytes) => this.#onResult(result, bytes),
        error: (sentence, code) => this.notices.say(passesWithTheFrame(code) ? "frame" : "server", sentence),
      },
    });
    connection.open();
    return connection;
  }

  #watchPage() {
    element("view").addEventListener("webglcontextlost", () => this.notices.say("card", GRAPHICS.contextLost));
    element("view").addEventListener("webglcontextrestored", () => this.notices.say("card", ""));
    document.addEventListener("visibilitychange", () => {
      this.visibleSince = document.hidden ? Infinity : wallClock();
    });
    setInterval(() => {
      this.screen.lookAtClock(now(), !document.hidden);
      this.#writeStatusLine();
    }, LOOK_EVERY_MS);
  }

  #makeSources() {
    return new Sources({
      video: element("camera"),
      makeVideo: () => document.createElement("video"),
      mediaDevices: navigator.mediaDevices,
      on: { changed: () => this.#onSourceChanged(), failed: (sentence) => this.#onSourceFailed(sentence) },
    });
  }

  #offerSources() {
    element("sources").hidden = false;
    element("start-camera").addEventListener("click", () => this.sources.startCamera());
    element("video-file").addEventListener("change", ({ target }) => {
      this.#openFirst(target.files);
      target.value = ""; // or the same file could not be chosen again
    });
    document.addEventListener("dragover", (event) => event.preventDefault());
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      this.#openFirst(event.dataTransfer.files);
    });
  }

  #openFirst(files) {
    if (files.length > 0) this.sources.startFile(files[0]);
  }

  #grabFrames() {
    const grabber = new FrameGrabber(element("camera"), document.createElement("canvas"), {
      longSide: () => this.connection.welcome?.limits.frame_long_side_px ?? DEFAULT_LONG_SIDE_PX,
      wantsFrame: () => this.connection.takesFrames,
      onFrame: (capturedAt, jpeg) => this.connection.sendFrame(performance.timeOrigin + capturedAt, jpeg),
    });
    grabber.start();
  }

  #onSourceChanged() {
    this.notices.say("source", "");
    this.#showSource();
  }

  /** Where another source goes on playing, the sentence is no state of the page. */
  #onSourceFailed(sentence) {
    if (this.sources.isPlaying) this.notices.mention("source", sentence);
    else this.notices.say("source", sentence);
    this.#showSource();
  }

  #showSource() {
    element("start-camera").hidden = this.sources.isCamera;
    element("camera").hidden = !this.sources.isPlaying;
  }

  #onDrawingFailed(error) {
    console.error(error);
    this.notices.say("graphics", `${GRAPHICS.drawingFailed}: ${error.message}`);
  }

  #onState(state, sentence) {
    if (sentence !== "") this.notices.say("connection", sentence);
    if (state !== "waiting" && state !== "closed") return;
    this.status = null;
    for (const subject of ["server", "engine", "frame"]) this.notices.say(subject, ""); // of the connection that was
  }

  #onWelcome({ model }) {
    this.notices.say("connection", "");
    element("model").textContent = modelText(model);
  }

  #onStatus(status) {
    this.status = status;
    this.notices.say("engine", status.state === "failed" ? status.message : "");
  }

  #onResult(result, bytes) {
    this.meter.received(now(), bytes);
    this.lastResult = result;
    this.notices.say("frame", "");
    if (!this.frozen) this.screen.show(result);
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

  #writeStatusLine() {
    const last = this.lastResult;
    element("status").textContent = statusLine({
      state: STATES[this.connection.state],
      status: this.status,
      numbers: this.meter.read(now()),
      last: last === null ? null : { type: last.type, count: countOf(last) },
    });
  }
}

/**
 * window.splatcam: a handle for debugging and for the tests.
 *   counts      what came and went so far: sent, dropped, received, errors, connects, shown, rendered
 *   lastResult  the newest result, as decoded
 *   connection, stage (renderer, spark, scene, camera, controls, onRender)
 *   freeze(on)  keep the picture that is on the screen
 */
function handle(app) {
  return {
    get counts() {
      return { ...app.connection.counts, shown: app.shown, rendered: app.stage.rendered };
    },
    get lastResult() {
      return app.lastResult;
    },
    connection: app.connection,
    stage: app.stage,
    freeze: (on) => {
      app.frozen = on;
    },
  };
}

if (hasWebGL2()) window.splatcam = handle(new App(readParameters(location.search)));
else new Notices().say("graphics", GRAPHICS.noWebGL2);

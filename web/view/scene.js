// The renderer, the one SparkRenderer, the loop. Draws when something changed, and says when it has drawn.
import * as THREE from "three";
import { SparkRenderer } from "@sparkjsdev/spark";
import { DrawnChanges } from "./drawn.js";
import { Look } from "./look.js";
import { Viewpoint } from "./viewpoint.js";

const MAX_PIXEL_RATIO = 2;
const HEADSET_RESOLUTION = 0.5; // of its own, as Spark proposes: splats overlap many times

export function hasWebGL2() {
  return document.createElement("canvas").getContext("webgl2") !== null;
}

export class Stage {
  content = new THREE.Group(); // what the views put in; OpenCV axes
  rendered = 0; // how often the picture was drawn

  #canvas;
  #listeners = [];
  #onFailure;
  #viewpoint;
  #look;
  #needsRender = true;
  #isRendering = false;
  #changes = new DrawnChanges();

  /**
   * onFailure(error): something threw during a drawing; the next one is tried all the same.
   * prefersReducedMotion: of the person; nothing glides on then. What moves by itself is off until `motion` is set.
   */
  constructor(canvas, onFailure, { prefersReducedMotion = false } = {}) {
    this.#canvas = canvas;
    this.#onFailure = onFailure;
    this.renderer = new THREE.WebGLRenderer({ canvas, antialias: false });
    this.content.rotation.x = Math.PI; // OpenCV (y down, z forward) → three (y up, z back)
    this.scene = new THREE.Scene();
    this.scene.add(this.content);
    const onChange = () => this.requestRender();
    this.#viewpoint = new Viewpoint(canvas, onChange, prefersReducedMotion);
    this.camera = this.#viewpoint.camera;
    this.controls = this.#viewpoint.controls;
    this.#look = new Look(this.renderer, this.content, onChange);
    this.#prepareContext();
    canvas.addEventListener("webglcontextrestored", () => this.#prepareContext()); // three's own listener came first
    new ResizeObserver(() => this.#resize()).observe(canvas);
    this.renderer.setAnimationLoop((nowMs) => this.#tick(nowMs));
  }

  /** Called after each drawing, in the same task: the pixels can be read there. */
  onRender(listener) {
    this.#listeners.push(listener);
  }

  requestRender() {
    this.#needsRender = true;
  }

  // ---------------------------------------------------------------- where the viewer stands: see viewpoint.js

  standAtCamera(picture, depth) {
    this.#viewpoint.standAtCamera(picture, depth);
  }

  standBefore(bounds) {
    this.#viewpoint.standBefore(bounds);
  }

  resetView(pose) {
    this.#viewpoint.resetView(pose);
  }

  frameScene(bounds) {
    this.#viewpoint.frame(bounds);
  }

  get motion() {
    return this.#viewpoint.motion.kind;
  }

  /** "still", "orbit" or "parallax". */
  set motion(kind) {
    this.#viewpoint.setMotion(kind);
  }

  /** How far "orbit" goes: "swing" or "turn". */
  set orbit(orbit) {
    this.#viewpoint.setOrbit(orbit);
  }

  // ---------------------------------------------------------------- how it looks: see look.js

  get background() {
    return this.#look.background;
  }

  set background(color) {
    this.#look.background = color;
  }

  get axes() {
    return this.#look.axes;
  }

  set axes(isOn) {
    this.#look.axes = isOn;
  }

  get splatScale() {
    return this.#look.splatScale;
  }

  set splatScale(scale) {
    this.#look.splatScale = scale;
  }

  get depthOfField() {
    return this.#look.depthOfField;
  }

  set depthOfField(depthOfField) {
    this.#look.depthOfField = depthOfField;
  }

  // ---------------------------------------------------------------- what leaves it

  /** Resolves to a PNG of the scene as it is drawn now. */
  screenshot() {
    return new Promise((resolve, reject) => {
      if (this.#isContextLost()) throw new Error("The graphics card took the picture away.");
      this.#draw(); // in the same task: afterwards the browser may have emptied the buffer
      const take = (blob) => (blob === null ? reject(new Error("The browser could not write a PNG.")) : resolve(blob));
      this.#canvas.toBlob(take, "image/png");
    });
  }

  /** Hands the scene to a headset until its session ends; every frame is drawn. The desktop's view is kept. */
  async present(session) {
    const { xr } = this.renderer;
    const putBack = this.#viewpoint.save();
    const onEnd = () => {
      xr.removeEventListener("sessionend", onEnd);
      xr.enabled = false;
      putBack();
      this.#resize(); // the window may have changed meanwhile
    };
    xr.enabled = true;
    xr.setReferenceSpaceType("local"); // the eyes begin where the camera stood
    xr.setFramebufferScaleFactor(HEADSET_RESOLUTION);
    xr.addEventListener("sessionend", onEnd);
    await xr.setSession(session);
  }

  // ---------------------------------------------------------------- drawing

  /** A question to ask after a drawing: does it show the splats as they are now, or newer ones? */
  whetherDrawn() {
    return this.#changes.add();
  }

  /** Nothing is thrown here: three's loop would end with it, and the picture would stand still for good. */
  #tick(nowMs) {
    const { isPresenting } = this.renderer.xr;
    try {
      if (!isPresenting) this.#viewpoint.advance(nowMs);
      if ((this.#needsRender || isPresenting) && !this.#isContextLost()) this.#draw();
    } catch (error) {
      this.#onFailure(error);
    }
  }

  #draw() {
    this.#needsRender = false;
    this.#isRendering = true;
    try {
      this.#look.apply(this.spark, this.controls.target, this.#viewpoint.pivotDistance);
      this.renderer.render(this.scene, this.camera);
      this.rendered += 1;
      this.#changes.note(this.spark);
    } finally {
      this.#isRendering = false;
    }
    for (const listener of this.#listeners) listener();
  }

  #isContextLost() {
    return this.renderer.getContext().isContextLost();
  }

  /** Spark also says so while it draws what made it dirty; that needs no second drawing. */
  #onSparkDirty() {
    if (!this.#isRendering) this.requestRender();
  }

  /** What a WebGL context loses with it: the clear colour, and Spark's buffers, which no longer answer. */
  #prepareContext() {
    this.#look.prepare();
    if (this.spark !== undefined) this.#retire(this.spark);
    this.spark = new SparkRenderer({ renderer: this.renderer, onDirty: () => this.#onSparkDirty() });
    this.scene.add(this.spark);
    this.requestRender();
  }

  /** A sort that is under way ends in its worker some time later; no other one may begin then. */
  #retire(spark) {
    this.scene.remove(spark);
    spark.dispose();
    spark.sortDirty = false;
  }

  #resize() {
    const { clientWidth, clientHeight } = this.#canvas;
    if (clientWidth === 0 || clientHeight === 0 || this.renderer.xr.isPresenting) return;
    this.renderer.setPixelRatio(Math.min(window.devicePixelRatio, MAX_PIXEL_RATIO));
    this.renderer.setSize(clientWidth, clientHeight, false);
    this.#viewpoint.setAspect(clientWidth / clientHeight);
    this.requestRender();
  }
}

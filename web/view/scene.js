// The renderer, the one SparkRenderer, the viewer's camera. Draws when something changed, and says when it has drawn.
import * as THREE from "three";
import { OrbitControls } from "three/addons/controls/OrbitControls.js";
import { SparkRenderer } from "@sparkjsdev/spark";
import { verticalFieldOfView } from "./framing.js";

const BACKGROUND = 0x101216;
const NEAR = 0.01;
const FAR = 1000;
const MAX_PIXEL_RATIO = 2;
const KEY_TURN = 10; // times OrbitControls' own step, which is a pixel's drag

export function hasWebGL2() {
  return document.createElement("canvas").getContext("webgl2") !== null;
}

export class Stage {
  content = new THREE.Group(); // what the views put in; OpenCV axes
  rendered = 0; // how often the picture was drawn

  #canvas;
  #listeners = [];
  #onFailure;
  #needsRender = true;
  #isRendering = false;
  #changes = 0; // of the splats, so far
  #changesHeld = new WeakMap(); // a state of the scene in Spark → how many changes it holds
  #changesDrawn = 0; // how many of them are on the screen
  #picture = null; // {grid, intrinsics} that the field of view fits

  /** onFailure(error): something threw during a drawing; the next one is tried all the same. */
  constructor(canvas, onFailure) {
    this.#canvas = canvas;
    this.#onFailure = onFailure;
    this.renderer = new THREE.WebGLRenderer({ canvas, antialias: false });
    this.camera = new THREE.PerspectiveCamera(60, 1, NEAR, FAR);
    this.content.rotation.x = Math.PI; // OpenCV (y down, z forward) → three (y up, z back)
    this.scene = new THREE.Scene();
    this.scene.add(this.content);
    this.#prepareContext();
    canvas.addEventListener("webglcontextrestored", () => this.#prepareContext()); // three's own listener came first
    this.controls = new OrbitControls(this.camera, canvas);
    this.controls.enableDamping = true;
    this.controls.keyRotateSpeed = KEY_TURN;
    this.controls.listenToKeyEvents(canvas);
    this.controls.target.set(0, 0, -1);
    this.controls.addEventListener("change", () => this.requestRender());
    new ResizeObserver(() => this.#resize()).observe(canvas);
    this.renderer.setAnimationLoop(() => this.#tick());
  }

  /** Called after each drawing, in the same task: the pixels can be read there. */
  onRender(listener) {
    this.#listeners.push(listener);
  }

  requestRender() {
    this.#needsRender = true;
  }

  /** Stand where the camera stood, look as wide as it did, turn about what lies at `depth`. */
  standAtCamera(picture, depth) {
    this.#picture = picture;
    this.camera.position.set(0, 0, 0);
    this.controls.target.set(0, 0, -depth);
    this.controls.update();
    this.#fitFieldOfView();
  }

  /** A question to ask after a drawing: does it show the splats as they are now, or newer ones? */
  whetherDrawn() {
    const change = ++this.#changes;
    return () => this.#changesDrawn >= change;
  }

  /** Nothing is thrown here: three's loop would end with it, and the picture would stand still for good. */
  #tick() {
    this.controls.update();
    if (!this.#needsRender || this.renderer.getContext().isContextLost()) return;
    this.#needsRender = false;
    try {
      this.#draw();
      for (const listener of this.#listeners) listener();
    } catch (error) {
      this.#onFailure(error);
    }
  }

  #draw() {
    this.#isRendering = true;
    try {
      this.renderer.render(this.scene, this.camera);
      this.rendered += 1;
      this.#noteWhatIsDrawn();
    } finally {
      this.#isRendering = false;
    }
  }

  /**
   * Spark sorts in a worker and shows the state of the scene that was sorted last, some drawings later. Each has a
   * `mapping` of its own: it holds every change made before Spark took it, or rested because nothing had changed.
   */
  #noteWhatIsDrawn() {
    const { current, display, sorting, sortDirty } = this.spark;
    const isAtRest = !sorting && !sortDirty;
    if (isAtRest || !this.#changesHeld.has(current.mapping)) this.#changesHeld.set(current.mapping, this.#changes);
    this.#changesDrawn = this.#changesHeld.get(display.mapping) ?? 0;
  }

  /** Spark also says so while it draws what made it dirty; that needs no second drawing. */
  #onSparkDirty() {
    if (!this.#isRendering) this.requestRender();
  }

  /** What a WebGL context loses with it: the clear colour, and Spark's buffers, which no longer answer. */
  #prepareContext() {
    this.renderer.setClearColor(BACKGROUND, 1);
    if (this.spark) this.scene.remove(this.spark);
    this.spark?.dispose();
    this.spark = new SparkRenderer({ renderer: this.renderer, onDirty: () => this.#onSparkDirty() });
    this.scene.add(this.spark);
    this.requestRender();
  }

  #resize() {
    const { clientWidth, clientHeight } = this.#canvas;
    if (clientWidth === 0 || clientHeight === 0) return;
    this.renderer.setPixelRatio(Math.min(window.devicePixelRatio, MAX_PIXEL_RATIO));
    this.renderer.setSize(clientWidth, clientHeight, false);
    this.camera.aspect = clientWidth / clientHeight;
    this.#fitFieldOfView();
    this.requestRender();
  }

  #fitFieldOfView() {
    if (this.#picture !== null) {
      const { grid, intrinsics } = this.#picture;
      this.camera.fov = THREE.MathUtils.radToDeg(verticalFieldOfView(grid, intrinsics, this.camera.aspect));
    }
    this.camera.updateProjectionMatrix();
    this.requestRender();
  }
}

// Where the viewer stands and how wide the view is: the person's hands, the camera's own place, motion on top of both.
// Knows OpenCV boxes and three's camera; draws nothing and asks for a drawing where the eye has moved.
import * as THREE from "three";
import { OrbitControls } from "three/addons/controls/OrbitControls.js";
import { cornersOf, distanceToHold, verticalFieldOfView } from "./framing.js";
import { Motion } from "./motion.js";
import { pointInWorld } from "./pose.js";

const FIELD_OF_VIEW = 60; // degrees, until a picture says how wide its camera looked
const NEAR = 0.01;
const FAR = 1000;
const KEY_TURN = 10; // times OrbitControls' own step, which is a pixel's drag

export class Viewpoint {
  camera = new THREE.PerspectiveCamera(FIELD_OF_VIEW, 1, NEAR, FAR);
  motion = new Motion();

  #onChange;
  #picture = null; // {grid, intrinsics} that the field of view fits
  #goHome = () => this.#stand(new THREE.Vector3(), new THREE.Vector3(0, 0, -1));
  #left = null; // where the person left the eye, while motion has it elsewhere

  /** onChange(): the view is another one now. prefersReducedMotion: the view stops with the hand that moves it. */
  constructor(canvas, onChange, prefersReducedMotion) {
    this.#onChange = onChange;
    canvas.addEventListener("keydown", (event) => this.#onKey(event)); // before OrbitControls takes the key
    this.controls = new OrbitControls(this.camera, canvas);
    this.controls.enableDamping = !prefersReducedMotion;
    this.controls.keyRotateSpeed = KEY_TURN;
    this.controls.listenToKeyEvents(canvas);
    this.controls.addEventListener("change", onChange);
    this.controls.addEventListener("start", () => this.#takeOver(() => this.motion.hold()));
    this.controls.addEventListener("end", () => this.#takeOver(() => this.motion.release()));
    this.#goHome();
  }

  get pivotDistance() {
    return this.camera.position.distanceTo(this.controls.target);
  }

  /** At every tick of the loop. */
  advance(nowMs) {
    if (this.#left !== null) this.camera.position.copy(this.#left);
    this.#left = null;
    this.controls.update();
    const offset = this.motion.offsetAt(nowMs);
    if (offset === null) return;
    this.#left = this.camera.position.clone();
    this.#turnAside(offset);
    this.#onChange();
  }

  /** Sets what moves the eye; it begins where the eye is now. */
  setMotion(kind) {
    this.#takeOver(() => (this.motion.kind = kind));
  }

  setOrbit(orbit) {
    this.#takeOver(() => (this.motion.orbit = orbit));
  }

  /** Stand where the camera stood, look as wide as it did, turn about what lies at `depth`. */
  standAtCamera(picture, depth) {
    this.#picture = picture;
    this.#goHome = (pose) => this.#stand(inView([0, 0, 0], pose), inView([0, 0, depth], pose));
    this.#goHome(picture.pose);
    this.#fitFieldOfView();
  }

  /** Stand in front of a scene that no camera of ours took: look along z at all of the box (OpenCV axes). */
  standBefore(bounds) {
    this.#goHome = () => {
      this.#stand(new THREE.Vector3(), new THREE.Vector3(0, 0, -1));
      this.frame(bounds);
    };
    this.#goHome();
  }

  /** pose: where the camera is now, see pose.js. */
  resetView(pose) {
    this.#goHome(pose);
  }

  /** Keep the direction of view and move so that the whole box (OpenCV axes) fills the view. */
  frame(bounds) {
    const corners = cornersOf(bounds).map(([x, y, z]) => new THREE.Vector3(x, -y, -z)); // as the scene is turned
    const middle = new THREE.Box3().setFromPoints(corners).getCenter(new THREE.Vector3());
    const [right, up, back] = [0, 1, 2].map((i) => new THREE.Vector3().setFromMatrixColumn(this.#orientation(), i));
    const seen = corners.map((corner) => corner.sub(middle)).map((c) => [c.dot(right), c.dot(up), -c.dot(back)]);
    const tangentY = Math.tan(THREE.MathUtils.degToRad(this.camera.fov) / 2);
    const distance = distanceToHold(seen, [tangentY * this.camera.aspect, tangentY]);
    const depth = Math.max(...seen.map(([, , forward]) => forward));
    this.camera.far = Math.max(FAR, 2 * (distance + depth)); // and room to go back as far again
    this.camera.updateProjectionMatrix();
    this.#stand(middle.clone().addScaledVector(back, distance), middle);
  }

  /** aspect: width / height of the view. */
  setAspect(aspect) {
    this.camera.aspect = aspect;
    this.#fitFieldOfView();
  }

  /** What a headset changes of the camera, to be put back when it is taken off. */
  save() {
    const { position, quaternion, fov, zoom } = this.camera;
    const [savedPosition, savedQuaternion] = [position.clone(), quaternion.clone()];
    return () => {
      Object.assign(this.camera, { fov, zoom });
      this.camera.quaternion.copy(savedQuaternion);
      this.camera.scale.setScalar(1);
      this.#stand(savedPosition, this.controls.target.clone());
      this.#fitFieldOfView();
    };
  }

  #orientation() {
    this.camera.updateMatrixWorld();
    return this.camera.matrixWorld;
  }

  #stand(position, target) {
    this.#left = null;
    this.motion.restart();
    this.#stopGliding();
    this.camera.position.copy(position);
    this.controls.target.copy(target);
    this.controls.update();
    this.#onChange();
  }

  /** What is left of a drag is used up where it does no harm; otherwise it would move the new view. */
  #stopGliding() {
    const { enableDamping } = this.controls;
    this.controls.enableDamping = false;
    this.controls.update();
    this.controls.enableDamping = enableDamping;
  }

  /** The eye stays where motion has brought it, and `change` begins there. */
  #takeOver(change) {
    this.#left = null;
    change();
  }

  #onKey(event) {
    if (event.code.startsWith("Arrow")) this.#takeOver(() => this.motion.release());
  }

  #turnAside({ azimuth, elevation }) {
    const { target } = this.controls;
    const arm = new THREE.Spherical().setFromVector3(this.camera.position.clone().sub(target));
    arm.theta += azimuth;
    arm.phi -= elevation;
    this.camera.position.setFromSpherical(arm.makeSafe()).add(target);
    this.camera.lookAt(target);
  }

  #fitFieldOfView() {
    if (this.#picture !== null) {
      const { grid, intrinsics } = this.#picture;
      this.camera.fov = THREE.MathUtils.radToDeg(verticalFieldOfView(grid, intrinsics, this.camera.aspect));
    }
    this.camera.updateProjectionMatrix();
    this.#onChange();
  }
}

/** [x, y, z] in a camera's axes → where that is in the scene as it is turned. */
function inView(point, pose) {
  const [x, y, z] = pointInWorld(point, pose);
  return new THREE.Vector3(x, -y, -z);
}

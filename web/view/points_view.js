// `pointcloud` → THREE.Points, each as large as the pixel it came from. Buffers are overwritten in place.
import * as THREE from "three";
import { boundsOf, pivotDepth, spacingOf, tangentPerPoint } from "./framing.js";
import { placeAt } from "./pose.js";

const CAPACITY_STEP = 4096; // counts differ from frame to frame; the buffers should not

const MATERIAL = {
  uniforms: {
    tangentPerPixel: { value: 0 }, sizeOfAll: { value: 0 }, viewHeightPx: { value: 1 }, pointScale: { value: 1 },
  },
  vertexColors: true,
  vertexShader: `
    uniform float tangentPerPixel; // size of a point at depth 1
    uniform float sizeOfAll; // of points that no camera saw, else 0
    uniform float viewHeightPx;
    uniform float pointScale; // as the person likes them
    varying vec3 tint;
    void main() {
      gl_Position = projectionMatrix * modelViewMatrix * vec4(position, 1.0);
      float size = max(position.z * tangentPerPixel, sizeOfAll) * pointScale;
      gl_PointSize = max(1.0, size * projectionMatrix[1][1] * 0.5 * viewHeightPx / gl_Position.w);
      tint = color;
    }`,
  // The colours are sRGB already and go to the screen as they are.
  fragmentShader: `
    varying vec3 tint;
    void main() { gl_FragColor = vec4(tint, 1.0); }`,
};

export class PointsView {
  #stage;
  #points = null;
  #capacity = 0;

  constructor(stage) {
    this.#stage = stage;
  }

  /** onReady(isDrawn): the result took the place of the one before; isDrawn() says whether the screen shows it. */
  show(result, onReady) {
    const count = result.num_points;
    if (this.#points === null) this.#make();
    if (count > this.#capacity) this.#grow(count);
    const { position, color } = this.#points.geometry.attributes;
    new Uint8Array(position.array.buffer).set(result.points); // unaligned in its message: copied as bytes
    color.array.set(result.colors);
    position.needsUpdate = color.needsUpdate = true;
    this.#points.geometry.setDrawRange(0, count);
    placeAt(this.#points, result.pose);
    this.#size(result);
    this.#stage.requestRender();
    const before = this.#stage.rendered;
    onReady(() => this.#stage.rendered > before);
  }

  pivotDepth() {
    const { array } = this.#points.geometry.attributes.position;
    return pivotDepth(this.#points.geometry.drawRange.count, (i) => array[3 * i + 2]);
  }

  clear() {
    if (this.#points === null) return;
    this.#stage.content.remove(this.#points);
    this.#points.geometry.dispose();
    this.#points.material.dispose();
    this.#points = null;
    this.#capacity = 0;
    this.#stage.requestRender();
  }

  /** As large as the pixel it came from; where no camera saw the points, as far as they lie apart. */
  #size(result) {
    const { tangentPerPixel, sizeOfAll } = this.#points.material.uniforms;
    const isOfCamera = result.intrinsics !== undefined;
    tangentPerPixel.value = isOfCamera ? tangentPerPoint(result) : 0;
    sizeOfAll.value = isOfCamera ? 0 : spacingOf(this.bounds, result.num_points);
  }

  /** The box of the points, OpenCV axes; undefined where there is none. */
  get bounds() {
    const count = this.#points?.geometry.drawRange.count ?? 0;
    if (count === 0) return undefined;
    const { array } = this.#points.geometry.attributes.position;
    return boundsOf(count, (i) => [...array.subarray(3 * i, 3 * i + 3)]);
  }

  #make() {
    const material = new THREE.ShaderMaterial(MATERIAL);
    this.#points = new THREE.Points(new THREE.BufferGeometry(), material);
    this.#points.frustumCulled = false; // its bounds change with every frame
    this.#points.onBeforeRender = (renderer) => {
      material.uniforms.viewHeightPx.value = renderer.domElement.height;
      material.uniforms.pointScale.value = this.#stage.splatScale;
    };
    this.#stage.content.add(this.#points);
    this.#grow(1);
  }

  #grow(count) {
    const capacity = Math.ceil(count / CAPACITY_STEP) * CAPACITY_STEP;
    this.#points.geometry.dispose();
    this.#points.geometry = new THREE.BufferGeometry();
    this.#points.geometry.setAttribute("position", new THREE.BufferAttribute(new Float32Array(3 * capacity), 3));
    this.#points.geometry.setAttribute("color", new THREE.BufferAttribute(new Uint8Array(3 * capacity), 3, true));
    this.#capacity = capacity;
  }
}

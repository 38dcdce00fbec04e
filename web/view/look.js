// How the scene looks, as the person chose it: background, axes, size of splats, depth of field. Knows no result; what
// a lost context takes along is set again by prepare().
import * as THREE from "three";
import { LN_SCALE_MAX, LN_SCALE_MIN } from "./packed16.js";

const BACKGROUND = "#101216";
const SMALLEST_SPLATS = 0.1;
const LARGEST_SPLATS = 3;
const WIDEST_APERTURE_RAD = 0.1; // what is far away gets as blurred as a twentieth of its focal length
const AXES_LENGTH = 0.1; // of the distance to the pivot

export class Look {
  #renderer;
  #content;
  #onChange;
  #background = BACKGROUND;
  #splatScale = 1;
  #depthOfField = { aperture: 0, focus: null };
  #axes = null;
  #scaled = new WeakMap(); // PackedSplats → {encoding: its own, scale}

  /** content: the group that holds the splats, OpenCV axes; onChange(): it looks different now. */
  constructor(renderer, content, onChange) {
    this.#renderer = renderer;
    this.#content = content;
    this.#onChange = onChange;
  }

  get background() {
    return this.#background;
  }

  /** color: of CSS. */
  set background(color) {
    this.#background = color;
    this.prepare();
  }

  get axes() {
    return this.#axes !== null;
  }

  set axes(isOn) {
    if (isOn === this.axes) return;
    if (isOn) this.#content.add((this.#axes = makeAxes()));
    else this.#removeAxes();
    this.#onChange();
  }

  get splatScale() {
    return this.#splatScale;
  }

  set splatScale(scale) {
    this.#splatScale = THREE.MathUtils.clamp(scale, SMALLEST_SPLATS, LARGEST_SPLATS);
    this.#onChange();
  }

  get depthOfField() {
    return this.#depthOfField;
  }

  /** aperture: 0 (off) … 1; focus: the distance that is sharp, null: that of the pivot. */
  set depthOfField({ aperture, focus = null }) {
    this.#depthOfField = { aperture: THREE.MathUtils.clamp(aperture, 0, 1), focus };
    this.#onChange();
  }

  /** The background again, which a lost context takes along. */
  prepare() {
    this.#renderer.setClearColor(new THREE.Color(this.#background), 1);
    this.#onChange();
  }

  /** Before each drawing. pivot: what the view turns about, in three's axes; distance: to it. */
  apply(spark, pivot, distance) {
    const { aperture, focus } = this.#depthOfField;
    spark.apertureAngle = aperture * WIDEST_APERTURE_RAD;
    spark.focalDistance = focus ?? distance;
    this.#placeAxes(pivot, distance);
    for (const mesh of this.#content.children) if (mesh.packedSplats) this.#scaleSplats(mesh);
  }

  /**
   * All splats of a mesh at once, by moving the range that the bytes of their scales stand for: a uniform of Spark's
   * own program. A modifier would need another program, and time for every splat.
   */
  #scaleSplats(mesh) {
    const packed = mesh.packedSplats;
    const known = this.#scaled.get(packed) ?? { encoding: packed.splatEncoding, scale: 1 };
    if (known.scale === this.#splatScale) return;
    const { lnScaleMin = LN_SCALE_MIN, lnScaleMax = LN_SCALE_MAX } = known.encoding ?? {};
    const shift = Math.log(this.#splatScale);
    packed.splatEncoding = { ...known.encoding, lnScaleMin: lnScaleMin + shift, lnScaleMax: lnScaleMax + shift };
    this.#scaled.set(packed, { ...known, scale: this.#splatScale });
    mesh.updateVersion(); // the order stays
  }

  #placeAxes(pivot, distance) {
    this.#axes?.position.set(pivot.x, -pivot.y, -pivot.z);
    this.#axes?.scale.setScalar(AXES_LENGTH * distance);
  }

  #removeAxes() {
    this.#content.remove(this.#axes);
    this.#axes.dispose();
    this.#axes = null;
  }
}

/** Over everything: where one turns about, there are splats. */
function makeAxes() {
  const axes = new THREE.AxesHelper(1);
  Object.assign(axes.material, { depthTest: false, depthWrite: false, transparent: true });
  axes.renderOrder = 1;
  return axes;
}

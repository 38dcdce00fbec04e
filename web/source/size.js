// How large pictures are: those that a source brings and those that are sent. Pure.

const LEAST_LONG_SIDE_PX = 640; // below it the preview is coarse, and no camera is faster for it

/** The long side that a source should bring for a model that takes `modelLongSide` pixels. */
export function sourceLongSide(modelLongSide) {
  return Math.max(LEAST_LONG_SIDE_PX, modelLongSide);
}

/** Width and height of a frame with `longSide` pixels on its longer side, never larger than the source. */
export function fitToLongSide(width, height, longSide) {
  const scale = Math.min(1, longSide / Math.max(width, height));
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
}

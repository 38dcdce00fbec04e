// What saved files are called. Pure.

const DIGITS = 6; // so that a folder sorts them by time

/** extension: without the dot. */
export function fileName(result, extension) {
  return `splatcam-${String(result.frame_id).padStart(DIGITS, "0")}.${extension}`;
}

// The worker beside the page that decodes `compact`: inflates the planes, reads the picture and packs the words. One
// request at a time: {fields, words: an ArrayBuffer or null} → {words, count} or {error, words}. The buffer goes back
// and forth, so that a frame costs no memory of its size. compact/decoder.js is the page's side.
import { Decoder } from "./decode.js";
import { checkFields, CompactError, planeSizes } from "./fields.js";
import { inflate } from "./inflate.js";

const BYTES_PER_SPLAT = 16;
const AS_IT_IS = { imageOrientation: "from-image", colorSpaceConversion: "none", premultiplyAlpha: "none" };

const decoder = new Decoder();
const canvas = new OffscreenCanvas(1, 1);
const drawing = canvas.getContext("2d", { alpha: false, willReadFrequently: true });

self.onmessage = async ({ data: { fields, words } }) => {
  let buffer = words;
  try {
    checkFields(fields);
    buffer = withRoomFor(fields, words);
    const count = await decode(fields, new Uint32Array(buffer));
    self.postMessage({ words: buffer, count }, [buffer]);
  } catch (error) {
    self.postMessage({ error: error.message, words: buffer }, buffer === null ? [] : [buffer]);
  }
};

/** Counts change from frame to frame and the buffer should not: it has room for the whole window. */
function withRoomFor({ window: [, , rows, columns] }, buffer) {
  const bytes = Math.max(rows * columns, 1) * BYTES_PER_SPLAT;
  return buffer !== null && buffer.byteLength >= bytes ? buffer : new ArrayBuffer(bytes);
}

/** The JPEG is read on another thread, while the planes are inflated and the splats placed. */
async function decode(fields, words) {
  const sizes = planeSizes(fields);
  const inflated = (name) => (fields[name] === undefined ? undefined : inflatePlane(fields[name], sizes[name]));
  const picture = fields.num_splats === 0 ? null : createImageBitmap(new Blob([fields.color]), AS_IT_IS);
  picture?.catch(() => {}); // told below, unless a plane is broken as well
  const [depth, mask, shape] = await Promise.all([inflated("depth"), inflated("mask"), inflated("shape")]);
  const count = decoder.place(fields, { depth, mask, shape }, words);
  if (picture !== null) decoder.paint(fields, pixelsOf(await picture, fields), words);
  return count;
}

/** Throws CompactError where the plane has another size. */
function inflatePlane(bytes, size) {
  return inflate(bytes, size, (wrong) => new CompactError(`a plane is ${wrong} than the window`));
}

/** Level A has a picture of the whole grid, level C one of the window, in which nothing is scaled. */
function pixelsOf(picture, { grid: [height, width], window: [row0, column0, rows, columns], stride, shape }) {
  if (shape !== undefined) return pixelsIn(picture, columns, rows, { column0: 0, row0: 0, columns, rows, stride: 1 });
  return pixelsIn(picture, width, height, { column0, row0, columns, rows, stride });
}

/** The picture, scaled to width x height, from the window's first pixel to its last. */
function pixelsIn(picture, width, height, { column0, row0, columns, rows, stride }) {
  if (canvas.width !== width || canvas.height !== height) {
    [canvas.width, canvas.height] = [width, height];
    drawing.imageSmoothingQuality = "medium"; // forgotten with the size
  }
  drawing.drawImage(picture, 0, 0, width, height);
  picture.close();
  const boxWidth = (columns - 1) * stride + 1;
  const { data } = drawing.getImageData(column0, row0, boxWidth, (rows - 1) * stride + 1);
  return { bytes: data, columnStep: 4 * stride, rowStep: 4 * boxWidth * stride };
}

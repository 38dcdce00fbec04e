// The planes and the picture of a `compact` message → Spark's packed words, whose table is in splatcam/codecs/packed16.py.
// Level A (surface.js) makes splats of depths, level C (shape.js) has them from the network. Pure; keeps its memory from
// frame to frame, and makes nothing for a pixel.
import { checkFields, demand, planeSizes } from "./fields.js";
import { ShapedSplats } from "./shape.js";
import { SurfaceSplats } from "./surface.js";
import { PixelWindow } from "./window.js";

export class Decoder {
  #window = new PixelWindow();
  #surface = new SurfaceSplats();
  #shaped = new ShapedSplats();
  #splats = null; // of the two, the one that has the frame

  /**
   * Writes the words of the kept splats to `words`, a Uint32Array with room for num_splats; returns how many there are.
   * fields: of the message. planes: {depth, mask, shape}, inflated; undefined where the message has none. pixels:
   * colours {bytes, columnStep, rowStep}, the steps in bytes from one pixel of the window to the next.
   * Throws CompactError.
   */
  decode(fields, planes, pixels, words) {
    const count = this.place(fields, planes, words);
    this.paint(fields, pixels, words);
    return count;
  }

  /** All but the colours and opacities, for which a picture may still have to be read. */
  place(fields, planes, words) {
    checkFields(fields);
    const { window: [, , rows, columns], num_splats: count } = fields;
    if (rows * columns === 0) return 0;
    checkPlanes(fields, planes);
    demand(words.length >= 4 * count, "there is no room for the splats");
    this.#window.fill(fields, planes);
    this.#splats = fields.shape === undefined ? this.#surface : this.#shaped;
    this.#splats.begin(fields, planes, this.#window);
    const { rowEnds } = this.#window.kept;
    for (let row = 0, from = 0; row < rows; row += 1) {
      this.#splats.writeRow(row, from, rowEnds[row], words);
      from = rowEnds[row];
    }
    return count;
  }

  /** Colours and opacities, of the frame that was placed last. */
  paint({ window: [, , rows, columns], num_splats: count }, pixels, words) {
    if (count === 0) return;
    demand(hasEveryPixel(pixels, rows, columns), "the picture is smaller than the window");
    const { rowEnds } = this.#window.kept;
    for (let row = 0, from = 0; row < rows; row += 1) {
      this.#paintRow(row, from, rowEnds[row], pixels, words);
      from = rowEnds[row];
    }
  }

  #paintRow(row, from, end, { bytes, columnStep, rowStep }, words) {
    const { columns } = this.#window.kept;
    const { alphas } = this.#splats;
    for (let n = from; n < end; n += 1) {
      const pixel = row * rowStep + columns[n] * columnStep;
      words[4 * n] = bytes[pixel] | (bytes[pixel + 1] << 8) | (bytes[pixel + 2] << 16) | (alphas[n] << 24);
    }
  }
}

function checkPlanes(fields, planes) {
  for (const [name, size] of Object.entries(planeSizes(fields))) {
    demand((planes[name] === undefined) === (fields[name] === undefined), `the ${name} is missing`);
    demand(planes[name] === undefined || planes[name].length === size, `the ${name} does not have the right size`);
  }
}

function hasEveryPixel({ bytes, columnStep, rowStep }, rows, columns) {
  return bytes.length >= (rows - 1) * rowStep + (columns - 1) * columnStep + 3;
}

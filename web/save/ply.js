// A result → the bytes of a PLY file: Gaussians as gsply_helpers.py writes them (14 floats, OpenCV axes), points as
// coordinates and colours. Owns the file's units on this side: logit, and colour as the first harmonic. Pure.
import { tangentPerPoint } from "../view/framing.js";
import { unpack } from "../view/packed16.js";

const SH_C0 = 0.28209479177387814; // 1 / (2 √π), the zeroth spherical harmonic
const OPACITY_MARGIN = 1e-6; // opacities are kept this far from 0 and 1, whose logits are infinite
const GAUSSIAN = "x y z f_dc_0 f_dc_1 f_dc_2 opacity scale_0 scale_1 scale_2 rot_0 rot_1 rot_2 rot_3"
  .split(" ")
  .map((name) => `float ${name}`);
const POINT = ["float x", "float y", "float z", "uchar red", "uchar green", "uchar blue"];
const POINT_BYTES = { xyz: 12, rgb: 3 };
const SIGMA_OF_POINT = 0.5; // of its side: neighbours cover the gaps, and no edge is lost

/** What is on the screen as a file: `gaussian_ply` as it came, `splats16` unpacked, `pointcloud` as points. */
export function plyOf(result) {
  if (result.type === "pointcloud") return pointFile(result);
  return gaussianPlyOf(result);
}

/** The same, with every point as a round Gaussian as large as its pixel. */
export function gaussianPlyOf(result) {
  const hasFile = result.type === "gaussian_ply" && result.num_splats > 0;
  return hasFile ? result.ply_data : gaussianFile(gaussiansOf(result));
}

/** {count, row(i) → the 14 floats}. */
function gaussiansOf(result) {
  if (result.type === "splats16") return gaussiansOfSplats(result);
  if (result.type === "pointcloud") return gaussiansOfPoints(result);
  return { count: 0 };
}

function gaussiansOfSplats({ data, num_splats: count }) {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  return { count, row: (i) => gaussianRow(unpack(view, i)) };
}

function gaussiansOfPoints(result) {
  const points = new DataView(result.points.buffer, result.points.byteOffset, result.points.byteLength);
  const sigmaPerDepth = SIGMA_OF_POINT * tangentPerPoint(result);
  const row = (i) => {
    const center = [0, 4, 8].map((offset) => points.getFloat32(POINT_BYTES.xyz * i + offset, true));
    const rgb = [...result.colors.subarray(POINT_BYTES.rgb * i, POINT_BYTES.rgb * (i + 1))].map((byte) => byte / 255);
    const lnScales = Array(3).fill(Math.log(sigmaPerDepth * center[2]));
    return gaussianRow({ center, rgb, opacity: 1, lnScales, rotation: [1, 0, 0, 0] });
  };
  return { count: result.num_points, row };
}

function gaussianRow({ center, rgb, opacity, lnScales, rotation }) {
  const p = Math.min(Math.max(opacity, OPACITY_MARGIN), 1 - OPACITY_MARGIN);
  return [...center, ...rgb.map((value) => (value - 0.5) / SH_C0), Math.log(p / (1 - p)), ...lnScales, ...rotation];
}

function gaussianFile({ count, row }) {
  const { file, body } = fileOf(count, GAUSSIAN, 4 * GAUSSIAN.length);
  for (let i = 0; i < count; i += 1) {
    row(i).forEach((value, column) => body.setFloat32(4 * (i * GAUSSIAN.length + column), value, true));
  }
  return file;
}

function pointFile({ num_points: count, points, colors }) {
  const { xyz, rgb } = POINT_BYTES;
  const { file, bodyAt } = fileOf(count, POINT, xyz + rgb);
  for (let i = 0; i < count; i += 1) {
    const at = bodyAt + i * (xyz + rgb);
    file.set(points.subarray(xyz * i, xyz * (i + 1)), at);
    file.set(colors.subarray(rgb * i, rgb * (i + 1)), at + xyz);
  }
  return file;
}

/** A file of `count` rows, its header written and its rows zero. */
function fileOf(count, properties, rowBytes) {
  const lines = ["ply", "format binary_little_endian 1.0", `element vertex ${count}`];
  const text = [...lines, ...properties.map((property) => `property ${property}`), "end_header", ""].join("\n");
  const header = new TextEncoder().encode(text);
  const file = new Uint8Array(header.length + count * rowBytes);
  file.set(header);
  return { file, bodyAt: header.length, body: new DataView(file.buffer, header.length) };
}

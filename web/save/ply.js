// A result → the bytes of a PLY file: Gaussians as gsply_helpers.py writes them (14 floats, OpenCV axes), points as
// coordinates and colours, all in the axes of the stream's world. Owns the file's units on this side: logit, and colour
// as the first harmonic. Pure.
import { tangentPerPoint } from "../view/framing.js";
import { unpack } from "../view/packed16.js";
import { pointInWorld, rotationInWorld } from "../view/pose.js";

const SH_C0 = 0.28209479177387814; // 1 / (2 √π), the zeroth spherical harmonic
const OPACITY_MARGIN = 1e-6; // opacities are kept this far from 0 and 1, whose logits are infinite
const GAUSSIAN = "x y z f_dc_0 f_dc_1 f_dc_2 opacity scale_0 scale_1 scale_2 rot_0 rot_1 rot_2 rot_3"
  .split(" ")
  .map((name) => `float ${name}`);
const POINT = ["float x", "float y", "float z", "uchar red", "uchar green", "uchar blue"];
const POINT_BYTES = { xyz: 12, rgb: 3 };
const MAX_HEADER_BYTES = 4096;
const SIGMA_OF_POINT = 0.5; // of its side: neighbours cover the gaps, and no edge is lost

/** What is on the screen as a file: `gaussian_ply` as it came, `splats16` unpacked, `pointcloud` as points. */
export function plyOf(result) {
  if (result.type === "pointcloud") return pointFile(result);
  return gaussianPlyOf(result);
}

/** The same, with every point as a round Gaussian as large as its pixel. */
export function gaussianPlyOf(result) {
  const hasFile = result.type === "gaussian_ply" && result.num_splats > 0;
  return hasFile ? fileInWorld(result) : gaussianFile(gaussiansOf(result));
}

/** {count, row(i) → the 14 floats}. */
function gaussiansOf(result) {
  if (result.type === "splats16") return gaussiansOfSplats(result);
  if (result.type === "pointcloud") return gaussiansOfPoints(result);
  return { count: 0 };
}

function gaussiansOfSplats({ data, num_splats: count, pose }) {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  return { count, row: (i) => gaussianRow(splatInWorld(unpack(view, i), pose)) };
}

/** As unpack() gives it, in the world's axes. */
export function splatInWorld(splat, pose) {
  const { center, rotation } = splat;
  return { ...splat, center: pointInWorld(center, pose), rotation: rotationInWorld(rotation, pose) };
}

function gaussiansOfPoints(result) {
  const points = new DataView(result.points.buffer, result.points.byteOffset, result.points.byteLength);
  const sigmaPerDepth = SIGMA_OF_POINT * tangentPerPoint(result);
  const row = (i) => {
    const center = [0, 4, 8].map((offset) => points.getFloat32(POINT_BYTES.xyz * i + offset, true));
    const rgb = [...result.colors.subarray(POINT_BYTES.rgb * i, POINT_BYTES.rgb * (i + 1))].map((byte) => byte / 255);
    const lnScales = Array(3).fill(Math.log(sigmaPerDepth * center[2]));
    return gaussianRow(splatInWorld({ center, rgb, opacity: 1, lnScales, rotation: [1, 0, 0, 0] }, result.pose));
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

function pointFile({ num_points: count, points, colors, pose }) {
  const { xyz, rgb } = POINT_BYTES;
  const { file, bodyAt, body } = fileOf(count, POINT, xyz + rgb);
  for (let i = 0; i < count; i += 1) {
    const at = bodyAt + i * (xyz + rgb);
    file.set(points.subarray(xyz * i, xyz * (i + 1)), at);
    file.set(colors.subarray(rgb * i, rgb * (i + 1)), at + xyz);
    movePoint(body, at - bodyAt, pose);
  }
  return file;
}

/**
 * A file as it came, moved. One with harmonics beyond the colour stays in its camera's axes: they would have to turn
 * along.
 */
function fileInWorld({ ply_data: bytes, num_splats: count, pose }) {
  const header = new TextDecoder().decode(bytes.subarray(0, MAX_HEADER_BYTES)).split("end_header\n")[0];
  const names = [...header.matchAll(/^property float (\w+)$/gm)].map(([, name]) => name);
  if (pose === undefined || names.some((name) => name.startsWith("f_rest"))) return bytes;
  const file = bytes.slice();
  const body = new DataView(file.buffer, header.length + "end_header\n".length);
  for (let i = 0; i < count; i += 1) {
    const at = 4 * i * names.length;
    movePoint(body, at, pose);
    turn(body, at + 4 * names.indexOf("rot_0"), pose);
  }
  return file;
}

function movePoint(body, at, pose) {
  if (pose === undefined) return; // as it is, to the bit
  writeFloats(body, at, pointInWorld(readFloats(body, at, 3), pose));
}

function turn(body, at, pose) {
  writeFloats(body, at, rotationInWorld(readFloats(body, at, 4), pose));
}

function readFloats(body, at, count) {
  return Array.from({ length: count }, (_, i) => body.getFloat32(at + 4 * i, true));
}

function writeFloats(body, at, values) {
  values.forEach((value, i) => body.setFloat32(at + 4 * i, value, true));
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

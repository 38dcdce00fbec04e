// web/parameters.js: the page's address.
import assert from "node:assert/strict";
import { test } from "node:test";
import { readParameters, socketAddress } from "../../web/parameters.js";

test("without parameters the page shows its own camera in the best format", () => {
  assert.deepEqual(readParameters("", "localhost"), {
    formats: ["splats16", "compact", "gaussian_ply", "pointcloud"],
    watch: undefined,
    wantsSource: true,
    wantsCamera: true,
    room: undefined,
  });
});

test("a format that is asked for goes before the others, which the server may need", () => {
  const formatsOf = (search) => readParameters(search, "far.example").formats;
  assert.deepEqual(formatsOf("?format=pointcloud"), ["pointcloud", "splats16", "compact", "gaussian_ply"]);
  assert.deepEqual(formatsOf("?format=splats16"), ["splats16", "compact", "gaussian_ply", "pointcloud"]);
});

test("a format that this page does not read counts as not given", () => {
  assert.deepEqual(readParameters("?format=splats32", "localhost"), readParameters("", "localhost"));
});

test("a page from another machine prefers compact: there the link is what splats wait for", () => {
  for (const near of ["localhost", "127.0.0.1", "[::1]", "splat.localhost"]) {
    assert.equal(readParameters("", near).formats[0], "splats16", near);
  }
  for (const far of ["192.168.1.7", "pod-8000.proxy.example", "localhost.example", "127.0.0.1.example"]) {
    assert.deepEqual(readParameters("", far).formats, ["compact", "splats16", "gaussian_ply", "pointcloud"], far);
  }
});

test("who watches another camera is not asked for one", () => {
  const { watch, wantsSource, wantsCamera } = readParameters("?watch=newest", "localhost");
  assert.deepEqual([watch, wantsSource, wantsCamera], ["newest", false, false]);
});

test("a parameter that is empty counts as not given", () => {
  assert.deepEqual(readParameters("?watch=&format=&source=", "localhost"), readParameters("", "localhost"));
});

test("source=none asks for no camera and still offers a file", () => {
  const { wantsSource, wantsCamera } = readParameters("?source=none", "localhost");
  assert.deepEqual([wantsSource, wantsCamera], [true, false]);
});

test("the websocket is beside the page, as secure as the page", () => {
  assert.equal(socketAddress("http://localhost:8000/viewer.html?x=1"), "ws://localhost:8000/ws");
  assert.equal(socketAddress("https://pod-8000.example/"), "wss://pod-8000.example/ws");
  assert.equal(socketAddress("https://example/behind/a/path/"), "wss://example/behind/a/path/ws");
});

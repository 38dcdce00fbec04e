// The page's address → what the viewer wants and where the server is. Pure.
import { FORMATS } from "./wire.js";

/** ?format=splats16|gaussian_ply|pointcloud, ?output=network|pixel|points, ?watch=SESSION|newest, ?source=none. */
export function readParameters(search) {
  const given = new URLSearchParams(search);
  const watch = given.get("watch") ?? undefined;
  return {
    formats: given.has("format") ? [given.get("format")] : FORMATS,
    wishes: given.has("output") ? { output: given.get("output") } : null,
    watch,
    wantsSource: watch === undefined,
    wantsCamera: watch === undefined && given.get("source") !== "none",
  };
}

/** The websocket beside the page: also behind a proxy that adds a path, and wss where the page is https. */
export function socketAddress(pageAddress) {
  const address = new URL("ws", pageAddress);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  return address.href;
}

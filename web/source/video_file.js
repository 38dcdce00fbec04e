// A video file as a source: it plays in a loop. The video element in which it is tried first is handed in.
import { SourceError } from "./source_error.js";

/** Tries the file in `video`, which nobody sees. Throws where the browser cannot play it or finds no picture in it. */
export async function openVideoFile(video, file) {
  const url = URL.createObjectURL(file);
  try {
    Object.assign(video, { muted: true, playsInline: true, src: url });
    await video.play();
    if (video.videoWidth === 0) throw new SourceError("NoPicture");
  } catch (error) {
    URL.revokeObjectURL(url);
    throw error;
  } finally {
    video.removeAttribute("src");
    video.load(); // lets go of the file
  }
  return {
    kind: "video",
    attach: (shown) => Object.assign(shown, { loop: true, src: url }), // so it has no end
    close: () => URL.revokeObjectURL(url),
  };
}

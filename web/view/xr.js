// Headsets: what the browser offers, and the way in. three's WebXRManager does the rest, through Stage.present.

const OFFERS = [
  { mode: "immersive-vr", label: "Enter VR" },
  { mode: "immersive-ar", label: "Enter AR" },
];

/**
 * navigatorXr: navigator.xr, undefined on a page that is not secure. Resolves to null where there is no headset, else
 * to {label, enter()}. enter() must be called by a click; it rejects where the person or the browser refused.
 */
export async function offerXr(stage, navigatorXr) {
  for (const { mode, label } of OFFERS) {
    if (await isSupported(navigatorXr, mode)) return { label, enter: () => enter(stage, navigatorXr, mode) };
  }
  return null;
}

/** A policy that forbids XR makes the question itself fail. */
async function isSupported(navigatorXr, mode) {
  try {
    return (await navigatorXr?.isSessionSupported(mode)) ?? false;
  } catch {
    return false;
  }
}

async function enter(stage, navigatorXr, mode) {
  const session = await navigatorXr.requestSession(mode);
  try {
    await stage.present(session);
  } catch (error) {
    await session.end();
    throw error;
  }
}

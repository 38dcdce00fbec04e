// What is wrong with a recording, as a sentence for the person who opened it.

/** No .scam file that this page can read, or one whose bytes are damaged. */
export class ScamError extends Error {}

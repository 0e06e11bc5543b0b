// Memory that many connections left behind, given back to the host. glibc keeps what was freed below anything still in use
// (220 MB after 5,000 TLS connections), and Node collects nothing while nothing is allocated: both are told to, in a
// quiet moment. Some ten milliseconds; where it cannot be had (musl, a Node started without --expose-gc), less is given back.

import { native } from "./native.ts";

/** A function that gives freed memory back. */
export function createMemoryRelease(): () => void {
  return () => {
    // `last-resort` also gives back the heap's empty pages.
    globalThis.gc?.({ type: "major", execution: "sync", flavor: "last-resort" });
    native().mallocTrim?.(0);
  };
}

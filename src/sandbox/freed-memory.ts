// Memory that many connections left behind, given back to the host. glibc keeps what was freed below anything still in use
// (220 MB after 5,000 TLS connections), and Node collects nothing while nothing is allocated: both are told to, in a
// quiet moment. Some ten milliseconds; where it cannot be had (musl), less is given back.

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { native } from "./native.ts";

/** A function that gives freed memory back. */
export function createMemoryRelease(): () => void {
  let collect: NodeJS.GCFunction | null = null;
  return () => {
    collect ??= collector();
    // `last-resort` also gives back the heap's empty pages.
    collect({ type: "major", execution: "sync", flavor: "last-resort" });
    native().mallocTrim?.(0);
  };
}

/**
 * The engine's own collector, which it shows to a context made under this flag. On the command line the flag would cost
 * 10 ms of every start: code compiled under other flags, and so all that Node has stored of its own, is not taken then.
 */
function collector(): NodeJS.GCFunction {
  setFlagsFromString("--expose-gc");
  try {
    return runInNewContext("gc") as NodeJS.GCFunction;
  } finally {
    setFlagsFromString("--no-expose-gc");
  }
}

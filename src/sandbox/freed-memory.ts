// Memory that many connections left behind, given back to the host. glibc keeps what was freed below anything still in use
// (220 MB after 5,000 TLS connections), and Node collects nothing while nothing is allocated: both are told to, in a
// quiet moment. Some ten milliseconds; where it cannot be had (musl), nothing happens.

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { nativeAddon } from "./native.ts";

interface Koffi {
  load(path: string | null): { func(prototype: string): (...values: unknown[]) => number };
}

type Collect = (options: { readonly type: string; readonly execution: string; readonly flavor: string }) => void;

/** A function that gives freed memory back; the library is loaded by its first call. */
export function createMemoryRelease(): () => void {
  let collect: Collect | null = null;
  let trim: ((pad: number) => number) | null = null;
  return () => {
    if (collect === null) {
      setFlagsFromString("--expose-gc");
      collect = runInNewContext("gc") as Collect;
      trim = loadTrim();
    }
    // `last-resort` also gives back the heap's empty pages.
    collect({ type: "major", execution: "sync", flavor: "last-resort" });
    trim?.(0);
  };
}

function loadTrim(): ((pad: number) => number) | null {
  const module = { exports: {} as Koffi };
  try {
    process.dlopen(module, nativeAddon());
    return module.exports.load(null).func("int malloc_trim(size_t pad)");
  } catch {
    return null; // another C library: its allocator has its own ways
  }
}

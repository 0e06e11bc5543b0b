import assert from "node:assert/strict";
import { test } from "node:test";
import { createMemoryRelease } from "./freed-memory.ts";

test("what nothing holds any more is collected, though Node was started without --expose-gc", () => {
  assert.equal(globalThis.gc, undefined);
  const release = createMemoryRelease();
  const dropped = new WeakRef(Array.from({ length: 1_000_000 }, (_, index) => ({ index })));
  return new Promise<void>((resolve) => {
    // A reference that was made in this turn is held until its end.
    setImmediate(() => {
      release();
      assert.equal(dropped.deref(), undefined);
      assert.equal(globalThis.gc, undefined);
      resolve();
    });
  });
});

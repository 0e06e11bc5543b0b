// Writes a session into a folder on a tiny file system until it is full, and prints what became of it as one line of JSON.
// `node full-disk.ts FOLDER log|output`: what fills the disk. Runs in a mount namespace, so the folder is gone afterwards:
// it verifies the session itself.

import { type Verification, verifySession } from "#audit/verify/session.ts";
import { allow, openSample, request } from "./sample.ts";

export interface FullDiskReport {
  readonly broken: string;
  readonly told: number;
  readonly written: number;
  readonly unwritten: number;
  /** True when something was `written` after something was `unwritten`. */
  readonly disorder: boolean;
  readonly lateSeq: number;
  readonly lateUnwritten: boolean;
  readonly verification: Verification;
}

const [, , folderPath, filler] = process.argv;
if (folderPath === undefined) throw new Error("usage: full-disk.ts FOLDER log|output");
let told = 0;
let brokenBy: Error | null = null;
const { folder, log, recorder } = openSample(folderPath, {
  onBroken: (error) => {
    brokenBy ??= error;
    told += 1;
  },
});
let written = 0;
let unwritten = 0;
let disorder = false;
const then = {
  written() {
    written += 1;
    disorder ||= unwritten > 0;
  },
  unwritten() {
    unwritten += 1;
  },
};

function fill(): void {
  if (brokenBy !== null) {
    finish();
    return;
  }
  for (let more = 0; more < 7; more++) {
    if (filler === "output") recorder.output("stdout", Buffer.alloc(1000, 120));
    else log.append({ type: "action", action: request(`/${written}`), decision: allow }, then);
  }
  setImmediate(fill);
}

function finish(): void {
  let lateUnwritten = false;
  const late = { written: () => {}, unwritten: () => (lateUnwritten = true) };
  const lateSeq = log.append({ type: "action", action: request("/late"), decision: allow }, late);
  setImmediate(async () => {
    await log.close();
    const verification = verifySession(folder.path);
    const report = {
      broken: String(brokenBy?.message),
      told,
      written,
      unwritten,
      disorder,
      lateSeq,
      lateUnwritten,
      verification,
    };
    console.log(JSON.stringify(report satisfies FullDiskReport));
  });
}

fill();

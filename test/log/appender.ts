// Appends under load, in bursts of odd sizes, and tells through stdout each seq whose effect was let go. Runs until it is
// killed: `node appender.ts SESSIONS`. A report is written at once and unbuffered, so that none is lost with the process.

import { writeSync } from "node:fs";
import { allow, openSample, request } from "./sample.ts";

const sessions = process.argv[2];
if (sessions === undefined) throw new Error("usage: appender.ts SESSIONS");
let full = false;
const { log, recorder } = openSample(sessions, {
  onDrain: () => {
    full = false;
  },
});
let turn = 0;

function burst(): void {
  turn += 1;
  for (let more = (turn * 7) % 23; more >= 0; more--) {
    const path = `/${turn}/${"x".repeat((turn * 131) % 700)}`;
    const seq: number = log.append(
      { type: "action", action: request(path), decision: allow },
      { written: () => writeSync(1, `${seq}\n`), unwritten: (error) => writeSync(2, `${error.message}\n`) },
    );
  }
  if (!full) full = !recorder.output(turn % 2 === 0 ? "stdout" : "stderr", Buffer.from(`line ${turn}\n`));
  setImmediate(burst);
}

burst();

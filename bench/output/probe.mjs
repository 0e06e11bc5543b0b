// Runs inside the cell: times requests one after the other, first alone, then beside what prints without end, and writes
// what it found into the workspace. `node probe.mjs URL COUNT FILE PRINTER…`

import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { Agent, get } from "node:https";

const [, , url, count, file, ...printer] = process.argv;
const agent = new Agent({ keepAlive: true, maxSockets: 1 });

const ask = () =>
  new Promise((resolve, reject) => {
    const begun = process.hrtime.bigint();
    get(url, { agent }, (response) => {
      response.resume();
      response.on("end", () => resolve(Number(process.hrtime.bigint() - begun) / 1e6));
    }).on("error", reject);
  });

async function times() {
  for (let n = 0; n < 200; n++) await ask();
  const taken = [];
  for (let n = 0; n < Number(count); n++) taken.push(await ask());
  taken.sort((one, other) => one - other);
  const at = (part) => taken[Math.floor(taken.length * part)];
  return { p50: at(0.5), p99: at(0.99), max: at(1 - 1e-9) };
}

const idle = await times();
const child = spawn(printer[0], printer.slice(1), { stdio: ["ignore", "inherit", "inherit"], detached: true });
const beside = await times();
process.kill(-child.pid, "SIGKILL"); // and what it has started
writeFileSync(file, JSON.stringify({ idle, beside }));
agent.destroy();

// The system under test: a boundary with the real gate, policy and event log, behind a listener on the loopback whose every
// connection counts as a dial of `localhost`. Prints `ready`; on SIGTERM closes the log and prints what it counted.
//   node bench/http/sut.ts --port N --policy FILE --home DIR --log FILE

import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { parseArgs } from "node:util";
import { openEventLog } from "#audit/log/event-log.ts";
import type { Subject } from "#core/subject.ts";
import { openGate } from "#enforce/gate.ts";
import { compilePolicy } from "#policy/compile.ts";
import { parsePolicy } from "#policy/parse.ts";
import { openBoundary } from "#proxy/boundary.ts";
import { createSyntheticNames } from "#proxy/dns/synthetic-names.ts";
import { openAuthority } from "#proxy/tls/authority.ts";
import { createResolver } from "#proxy/upstream/resolve.ts";
import { openUpstreamTrust } from "#proxy/upstream/trust.ts";
import { createMemoryRelease } from "#sandbox/freed-memory.ts";

const { values } = parseArgs({
  options: {
    port: { type: "string" },
    policy: { type: "string" },
    home: { type: "string" },
    log: { type: "string" },
  },
});
const { policy: policyFile = "", home = "", log: logFile = "" } = values;
const port = Number(values.port);

const parsed = parsePolicy(readFileSync(policyFile, "utf8"), { name: policyFile });
const policy = compilePolicy([parsed]);
const subject: Subject = {
  agent_id: "bench",
  owner: "bench@example.com",
  policy_id: "bench",
  policy_version: 1,
  policy_digest: policy.digest,
  session: "bench-session",
  token: null,
};
const log = openEventLog({ file: logFile, subject, durability: "group", now: Date.now });
const gate = openGate({ subject, policy, log, maxRequests: null, onDecision() {} });
const names = createSyntheticNames();
const boundary = openBoundary({
  gate,
  names,
  authority: await openAuthority(home),
  resolve: createResolver({ placed: policy.upstream.resolve }),
  upstream: openUpstreamTrust({ caFiles: parsed.document.upstream?.ca ?? [] }),
  dnsDeny: "answer",
  releaseMemory: createMemoryRelease(),
});
const address = names.addressOf("localhost", 4, true) ?? "";
const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) =>
  boundary.accept(socket, { address, port }),
);
server.listen(port, "127.0.0.1", 4096, () => process.stdout.write("ready\n"));

process.on("SIGTERM", async () => {
  server.close();
  await boundary.close();
  await log.close();
  process.stdout.write(
    `${JSON.stringify({ counts: log.counts, seq: log.seq, broken: log.broken?.message ?? null })}\n`,
  );
});

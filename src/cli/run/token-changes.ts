// What becomes of a run when what its token gives is changed or taken back while it lives: it is written down, what is open is
// closed, and where nothing is left the run is ended without a grace.

import type { EventLog } from "#audit/log/event-log.ts";
import type { Revocation } from "#control/store/revocations.ts";
import type { LendingGate } from "#enforce/gate.ts";
import type { Boundary } from "#proxy/boundary.ts";
import type { HeldToken } from "./held-token.ts";
import { keepPolicy } from "./policy-copy.ts";
import type { Run } from "./recorded-run.ts";

/** Until `close`. */
export function followToken(
  { ending, source, subject, folder, home }: Run,
  held: HeldToken,
  gate: LendingGate,
  log: EventLog,
  boundary: Boundary,
): { close(): void } {
  let { onRevoke } = source.policy;
  const tell = (change: string, why: string, revocation: Revocation | null) =>
    log.append({
      type: "authority.changed",
      detail: { change, why, epoch: revocation?.epoch ?? null, time: revocation?.time ?? null },
    });
  return held.watch(folder.id, {
    ended(kind, why, revocation) {
      const seq = tell(kind, why, revocation);
      boundary.cut();
      if (kind === "boundary_lost" || onRevoke === "kill")
        ending.begin({ kind, threshold: null, observed: null, seq }, 0);
    },
    closed(rules, revocation) {
      tell("rules_closed", rules.join(", "), revocation);
      boundary.review();
    },
    updated(policy, version, revocation) {
      const compiled = source.withGranted(policy);
      tell("policy_updated", `${subject.policy_id} is version ${version}`, revocation);
      const now = { ...subject, policy_version: version, policy_digest: compiled.digest };
      gate.replacePolicy(compiled, now);
      log.subjectChanged(now);
      log.append({
        type: "policy.updated",
        detail: { digest: compiled.digest, version, sources: [policy.name], copy: keepPolicy(home, compiled) },
      });
      onRevoke = compiled.onRevoke;
      boundary.review();
    },
  });
}

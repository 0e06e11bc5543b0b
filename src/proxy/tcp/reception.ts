// What everything that arrives at a boundary needs.

import type { Gate } from "#core/gate.ts";
import type { Deadlines } from "../deadlines.ts";
import type { HttpEngine, Open } from "../http/http-engine.ts";
import type { CertificateAuthority } from "../tls/authority.ts";
import type { DialOptions } from "../upstream/dial.ts";

export interface Reception {
  readonly gate: Gate;
  readonly deadlines: Deadlines;
  readonly open: Set<Open>;
  readonly engine: HttpEngine;
  readonly authority: CertificateAuthority;
  readonly dialling: DialOptions;
}

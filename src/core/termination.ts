// Why sallyport ended a run before the agent did, and the exit code that says so.

export type TerminationKind =
  | "max_runtime"
  | "max_output_lines"
  | "max_output_bytes"
  | "max_requests"
  | "policy_violation"
  | "revoked"
  | "expired"
  | "killed"
  | "budget"
  | "boundary_lost";

export interface Termination {
  readonly kind: TerminationKind;
  /** What was allowed: seconds, lines, bytes or requests; 0 for a policy violation; null where nothing is counted. */
  readonly threshold: number | null;
  /** What was seen when it ended, in the threshold's unit. */
  readonly observed: number | null;
  /** The event that caused it, where one did. */
  readonly seq?: number;
}

export function exitCodeOf(kind: TerminationKind): number {
  switch (kind) {
    case "max_runtime":
      return 124;
    case "max_output_lines":
    case "max_output_bytes":
      return 123;
    case "max_requests":
    case "budget":
      return 122;
    case "policy_violation":
      return 121;
    case "revoked":
    case "expired":
    case "killed":
      return 120;
    case "boundary_lost":
      return 125;
  }
}

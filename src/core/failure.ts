// What every command prints when it cannot do what was asked: a code from a closed set, what happened,
// where, and what to do about it. What is expected (denied, exhausted, revoked) is a value, not a Failure.

export type FailureCode =
  | "usage"
  | "policy_invalid"
  | "policy_unreadable"
  | "profile_invalid"
  | "not_enforced_yet"
  | "home_unusable"
  | "home_busy"
  | "home_damaged"
  | "no_authority"
  | "passphrase_needed"
  | "passphrase_wrong"
  | "agent_exists"
  | "agent_unknown"
  | "policy_exists"
  | "policy_unknown"
  | "attestation_failed"
  | "bundle_invalid"
  | "token_invalid"
  | "token_expired"
  | "token_revoked"
  | "workspace_refused"
  | "path_refused"
  | "platform_unsupported"
  | "sandbox_unavailable"
  | "sandbox_failed"
  | "port_unavailable"
  | "boundary_failed"
  | "log_unwritable"
  | "log_broken"
  | "session_unknown"
  | "session_damaged"
  | "session_not_running"
  | "session_unreachable"
  | "repair_failed"
  | "summary_unwritable"
  | "program_not_found"
  | "program_not_executable"
  | "internal_error";

export interface FailureRecord {
  readonly code: FailureCode;
  readonly message: string;
  /** A file with line and column, a flag, a path; null when the failure has no place. */
  readonly place: string | null;
  /** One sentence that says what to do; null when nothing can be done. */
  readonly remedy: string | null;
}

export class Failure extends Error {
  readonly code: FailureCode;
  readonly place: string | null;
  readonly remedy: string | null;

  constructor(code: FailureCode, message: string, more: { place?: string; remedy?: string; cause?: unknown } = {}) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.name = "Failure";
    this.code = code;
    this.place = more.place ?? null;
    this.remedy = more.remedy ?? null;
  }

  record(): FailureRecord {
    return { code: this.code, message: this.message, place: this.place, remedy: this.remedy };
  }
}

/** The exit code of a command that ended with this failure; `run` gives those of a shell for a program it cannot start. */
export function exitCodeOf(code: FailureCode): 1 | 120 | 125 | 126 | 127 {
  switch (code) {
    case "program_not_found":
      return 127;
    case "program_not_executable":
      return 126;
    case "token_expired":
    case "token_revoked":
      return 120;
    case "session_unknown":
    case "log_broken":
    case "session_damaged":
    case "session_not_running":
    case "session_unreachable":
      return 1;
    default:
      return 125;
  }
}

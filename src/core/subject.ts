// Who is asking. Fixed for the life of a run; written into every event and every denial.

export interface Subject {
  readonly agent_id: string;
  readonly owner: string;
  /** `local` where the policy is a file or flags, and nobody has published it. */
  readonly policy_id: string;
  readonly policy_version: number;
  /** `sha256:` and 64 hex digits, of the effective policy's canonical JSON. */
  readonly policy_digest: string;
  /** The session's id, also the folder's name. */
  readonly session: string;
  /** What it was granted; null for the machine's own user, who needs no token. */
  readonly token: {
    /** The grant's id. */
    readonly jti: string;
    /** The label of the work it is for. */
    readonly task: string | null;
    /** Agents, from the one that was granted it to this one. */
    readonly chain: readonly string[];
    /** The bundle in force, where this machine is under one. */
    readonly bundle: { readonly version: number; readonly digest: string } | null;
  } | null;
}

// Every code that sallyport gives to a person or a program, with what it means and what to do about it. The codes
// come from three closed unions; a code that is added there without a text here does not compile.

import { type FailureCode, exitCodeOf as failureExit } from "#core/failure.ts";
import { type DenyReason, denyReasons, statusOf } from "#core/reason.ts";
import { type TerminationKind, exitCodeOf as terminationExit } from "#core/termination.ts";

export interface CodeText {
  readonly code: string;
  /** Denials are answered to the agent, failures are told to the person, terminations stand in session.json. */
  readonly kind: "denial" | "failure" | "termination";
  readonly meaning: string;
  readonly remedy: string;
  /** The HTTP status of a denial. */
  readonly status?: number;
  /** The exit code of a `run` that ended so. */
  readonly exit?: number;
}

const denialRemedies: Readonly<Record<DenyReason, string>> = {
  domain_not_allowed: "Allow the host in the policy, or for one run with --allow HOST.",
  method_not_allowed: "Add the method to the rule that names this host.",
  path_not_allowed: "Add the path to the rule that names this host.",
  port_not_allowed: "Allow the host with this port: --allow HOST:PORT.",
  protocol_not_allowed: "Say in the rule what is spoken there (protocol), or speak TLS on a TLS port.",
  private_address: 'If this network is meant, give the rule `private = ["CIDR"]`.',
  malformed_request: "Send the request in its plain form: one length, one host, no control characters.",
  name_mismatch: "Connect to the host by the same name that TLS and the Host header carry.",
  upstream_untrusted: "Trust the upstream's authority with [upstream] ca, or correct its certificate.",
  upstream_unreachable: "Look whether the upstream is up and its name resolves on this machine.",
  requests_exhausted: "Raise --max-requests, or start another run.",
  budget_exhausted: "Raise the policy's budget with a new version of it.",
  unmetered: "Use a model whose price is known, or give the price in the policy.",
  token_invalid: "Issue a token for this agent: sallyport auth issue-token.",
  token_expired: "Issue a new token.",
  token_revoked: "Ask the agent's owner why; issue a new token once that is settled.",
  attestation_failed: "Measure the agent again if its change was meant.",
  approval_denied: "Ask who refused, or do without the action.",
  approval_timeout: "Ask again when somebody is there to answer, or raise the time to wait.",
  credential_unavailable: "Look at the credential's source: it is locked, gone or unreachable.",
  content_blocked: "Remove what was found (the log says which rule, not what), or change the rule.",
  tool_not_allowed: "Allow the tool in the policy's [tools].",
  file_not_allowed: "Allow the path in the policy's [filesystem].",
  not_enforced_yet: "Remove that section from the policy, or use a version of sallyport that enforces it.",
  internal_error:
    "See the end of the session's events; if it is not a full disk or a lost process, report it as a bug.",
};

const failures: Readonly<Record<FailureCode, readonly [meaning: string, remedy: string]>> = {
  usage: ["The command line cannot be read.", "See sallyport COMMAND --help."],
  policy_invalid: ["The policy says something that is not in its schema.", "Correct it at the place that is named."],
  policy_unreadable: ["The policy's file cannot be read.", "Look at its path and permissions."],
  profile_invalid: [
    "An agent's profile cannot be read, or says something that no profile says.",
    "Correct it at the place that is named; `sallyport profile show NAME` prints the one that is shipped.",
  ],
  not_enforced_yet: ["The policy asks for something this build cannot enforce.", denialRemedies.not_enforced_yet],
  home_unusable: [
    "The home of sallyport cannot be used.",
    "It must be a folder of yours alone (0700); SALLYPORT_HOME names another.",
  ],
  home_damaged: [
    "A record in the home is not what sallyport wrote.",
    "Restore it from a backup; nothing is guessed about who may do what.",
  ],
  no_authority: ["This home has no authority to register agents with.", "sallyport auth init makes it."],
  passphrase_needed: [
    "The authority's keys are sealed, and there was nobody to ask for the passphrase.",
    "Name a file that holds it: --passphrase-file FILE, or SALLYPORT_PASSPHRASE_FILE.",
  ],
  passphrase_wrong: [
    "The passphrase does not open the authority's keys.",
    "Type it again, or name the right file; docs/how-to/seal-the-authority.md says what to do when it is lost.",
  ],
  agent_exists: ["An agent of that id is registered already.", "Choose another id."],
  agent_unknown: ["No agent of that id is registered.", "sallyport auth list-agents shows those that are."],
  policy_exists: ["A policy of that id is published already.", "sallyport auth update-policy makes its next version."],
  policy_unknown: ["No such policy or version is published.", "sallyport auth list-policies shows those that are."],
  bundle_invalid: [
    "The bundle is torn, expired, older than the one in force, or not by a signer that counts.",
    "The bundle in force stays as it is. Get the whole file from its authority again.",
  ],
  attestation_failed: [
    "The agent is not the one that was measured, or nobody who counts vouches for it.",
    denialRemedies.attestation_failed,
  ],
  token_invalid: ["The token is not one that this authority issued.", denialRemedies.token_invalid],
  token_expired: ["The token is past its expiry.", denialRemedies.token_expired],
  token_revoked: ["The token, its agent, its key or its policy was revoked.", denialRemedies.token_revoked],
  home_busy: ["Another process holds the home.", "Wait for it to end."],
  workspace_refused: [
    "This folder cannot be an agent's workspace.",
    "Work in a folder of the project, not in your home, / or /etc.",
  ],
  path_refused: [
    "A path of the policy's [filesystem] cannot be shown to an agent, and nothing of it ran.",
    "Name the path that is meant, as the message says; see docs/reference/policy.md.",
  ],
  platform_unsupported: [
    "This system cannot run a cell.",
    "Linux 5.15 or newer on x86_64 or arm64; sallyport doctor says what is missing.",
  ],
  sandbox_unavailable: ["Something that a cell needs is missing.", "sallyport doctor names it, and how to get it."],
  sandbox_failed: [
    "The cell could not be made, and nothing of the agent ran.",
    "sallyport doctor tries each step by itself.",
  ],
  port_unavailable: [
    "A port that was to be published cannot be had on this machine, and nothing of the agent ran.",
    "Publish another port of the host: --publish HOST:CELL.",
  ],
  boundary_failed: ["The boundary stopped, and the run with it.", "Report it as a bug, with the session's events."],
  log_unwritable: ["The log cannot be written, so nothing may happen.", "Make room on the disk of the home."],
  log_broken: ["The log does not verify.", "sallyport audit verify says at which event; keep the file."],
  session_unknown: ["There is no session of that id.", "sallyport sessions list shows those that are there."],
  session_damaged: ["The session's folder lacks something or was changed.", "sallyport audit verify says what."],
  session_not_running: [
    "The session is not running (any more).",
    "sallyport ps shows what runs; sessions show how it ended.",
  ],
  session_unreachable: [
    "The run is there, and does not answer.",
    "It may be stopped (Ctrl-Z: see fg) or of another version; sallyport kill ends it in any case.",
  ],
  repair_failed: [
    "What doctor --fix does, or uninstall takes back, did not work.",
    "See what the system said; sallyport doctor shows what is missing still.",
  ],
  summary_unwritable: ["The file of --summary cannot be written.", "Name a file that this user can write."],
  program_not_found: [
    "The program is not in the cell.",
    "Give its path, and see that it is below /usr, /opt, the workspace or a known toolchain.",
  ],
  program_not_executable: ["The program cannot be executed.", "chmod +x, or name its interpreter."],
  internal_error: ["sallyport met something that it does not expect.", "This is a bug: please report it."],
};

const terminations: Readonly<Record<TerminationKind, readonly [meaning: string, remedy: string]>> = {
  max_runtime: ["The run took longer than it was given.", "Raise --max-runtime or max_runtime_seconds."],
  max_output_lines: ["The agent wrote more lines than it was given.", "Raise --max-output-lines."],
  max_output_bytes: ["The agent wrote more bytes than it was given.", "Raise --max-output-bytes."],
  max_requests: ["The agent asked for more requests than it was given.", "Raise --max-requests."],
  policy_violation: ["An action was denied, and the policy ends the run then.", "sessions show names the event."],
  revoked: ["The agent's token was revoked.", "Ask its owner."],
  expired: ["The agent's token expired.", "Issue a new one."],
  killed: ["A person stopped the run.", "Nothing is left running; start it again if that was not meant."],
  budget: ["The budget of the policy was spent.", denialRemedies.budget_exhausted],
  boundary_lost: [
    "The boundary ended before the agent, so the agent was ended.",
    "See whether the machine killed it (memory).",
  ],
};

/** All of them; a code that is both a denial and a failure stands there twice. */
export function allCodes(): CodeText[] {
  const codes: CodeText[] = [];
  for (const code of Object.keys(denyReasons) as DenyReason[]) {
    codes.push({
      code,
      kind: "denial",
      meaning: denyReasons[code],
      remedy: denialRemedies[code],
      status: statusOf(code),
    });
  }
  for (const [code, [meaning, remedy]] of Object.entries(failures)) {
    codes.push({ code, kind: "failure", meaning, remedy, exit: failureExit(code as FailureCode) });
  }
  for (const [code, [meaning, remedy]] of Object.entries(terminations)) {
    codes.push({ code, kind: "termination", meaning, remedy, exit: terminationExit(code as TerminationKind) });
  }
  return codes;
}

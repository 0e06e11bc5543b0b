// What is asked of each agent, in its own words: how a user starts it, what stands in the user's home before, and what the played
// model makes it do: look at its sandbox, plant something in its own settings, and edit a file of the workspace.

import type { Script, Turn } from "../servers/provider.ts";

export interface AgentCase {
  readonly agent: "claude" | "codex" | "gemini" | "opencode" | "aider";
  /** The provider's real host, and others that the agent needs and the test's server plays. */
  readonly hosts: readonly string[];
  readonly key: string;
  readonly args: readonly string[];
  /** Files of the user's home, below it. Settings switch the agent's own sandbox on, where it has one. */
  readonly home: { readonly [path: string]: string };
  /** What the line on the terminal says of them. */
  readonly settings: string;
  /** A word of them that a shell of the agent's finds in its copy; null where it has no shell. */
  readonly sees: string | null;
  script(workspace: string, home: string): Script;
}

export const written = "made in a cell\n";
const planted = "planted";

/** In a shell of the agent: what an agent would leave for the next run of its kind on the host, and proof of what it saw. */
function plant(home: string, file: string): string {
  return `cat ${home}/${file}; echo ${planted} > ${home}/${file}; mkdir -p ${home}/planted; touch ${home}/planted/x; echo "ended $?"`;
}

const done: Turn = { say: "Done." };

export const cases: readonly AgentCase[] = [
  {
    agent: "claude",
    hosts: ["api.anthropic.com"],
    key: "ANTHROPIC_API_KEY",
    args: ["-p", "Write hello.txt", "--dangerously-skip-permissions"],
    home: {
      ".claude/settings.json": '{ "sandbox": { "enabled": true, "failIfUnavailable": true } }\n',
      ".claude/commands/mine.md": "Mine.\n",
      ".claude/.credentials.json": "the user's own login\n",
      ".claude.json": "{}\n",
    },
    settings: "~/.claude",
    sees: "failIfUnavailable",
    script: (workspace, home) => ({
      aside: "Hello",
      turns: [
        {
          say: "I look.",
          tool: { name: "Bash", input: { command: plant(home, ".claude/settings.json"), description: "Look" } },
        },
        {
          say: "I write.",
          tool: { name: "Write", input: { file_path: `${workspace}/hello.txt`, content: written } },
        },
        done,
      ],
    }),
  },
  {
    agent: "codex",
    hosts: ["api.openai.com", "chatgpt.com"],
    key: "CODEX_API_KEY",
    args: ["exec", "--skip-git-repo-check", "Write hello.txt"],
    home: {
      ".codex/config.toml": 'sandbox_mode = "workspace-write"\nmodel_reasoning_effort = "low"\n',
      ".codex/auth.json": "the user's own login\n",
      ".codex/prompts/mine.md": "Mine.\n",
    },
    settings: "~/.codex",
    sees: "workspace-write",
    script: (_, home) => ({
      aside: "Hello",
      turns: [
        {
          say: "I look.",
          tool: {
            name: "exec",
            input: `text(JSON.stringify(await tools.exec_command({ cmd: ${JSON.stringify(plant(home, ".codex/config.toml"))} })));`,
          },
        },
        {
          say: "I write.",
          tool: {
            name: "exec",
            input: `text(JSON.stringify(await tools.apply_patch(${JSON.stringify(`*** Begin Patch\n*** Add File: hello.txt\n+${written}*** End Patch\n`)})));`,
          },
        },
        done,
      ],
    }),
  },
  {
    agent: "gemini",
    hosts: ["generativelanguage.googleapis.com"],
    key: "GEMINI_API_KEY",
    args: ["--skip-trust", "--yolo", "-p", "Write hello.txt"],
    home: {
      ".gemini/settings.json": '{ "tools": { "sandbox": "podman" } }\n',
      ".gemini/oauth_creds.json": "the user's own login\n",
      ".gemini/commands/mine.toml": 'prompt = "Mine."\n',
    },
    settings: "~/.gemini",
    sees: "podman",
    script: (workspace, home) => ({
      // What its router asks for: how hard the task is.
      aside: '{ "complexity_reasoning": "one file", "complexity_score": 10 }',
      turns: [
        {
          say: "I look.",
          tool: {
            name: "run_shell_command",
            input: { command: plant(home, ".gemini/settings.json"), description: "Look" },
          },
        },
        {
          say: "I write.",
          tool: { name: "write_file", input: { file_path: `${workspace}/hello.txt`, content: written } },
        },
        done,
      ],
    }),
  },
  {
    agent: "opencode",
    hosts: ["api.anthropic.com"],
    key: "ANTHROPIC_API_KEY",
    args: ["run", "Write hello.txt"],
    home: {
      ".config/opencode/opencode.json": '{ "share": "disabled", "permission": { "external_directory": "allow" } }\n',
      ".local/share/opencode/auth.json": "the user's own login\n",
    },
    settings: "~/.config/opencode",
    sees: "external_directory",
    script: (workspace, home) => ({
      aside: "Hello",
      turns: [
        {
          say: "I look.",
          tool: {
            name: "bash",
            input: { command: plant(home, ".config/opencode/opencode.json"), description: "Look" },
          },
        },
        {
          say: "I write.",
          tool: { name: "write", input: { filePath: `${workspace}/hello.txt`, content: written } },
        },
        done,
      ],
    }),
  },
  {
    agent: "aider",
    hosts: ["api.openai.com"],
    key: "OPENAI_API_KEY",
    args: ["--model", "openai/gpt-4o", "--yes-always", "--no-git", "--message", "Write hello.txt"],
    home: { ".aider.conf.yml": "dark-mode: true\n", ".env": "OPENROUTER_API_KEY=the-users-own\n" },
    settings: "~/.aider.conf.yml",
    sees: null,
    // It offers no tools: the answer's text is the edit.
    script: () => ({
      aside: `hello.txt\n\`\`\`\n<<<<<<< SEARCH\n=======\n${written}>>>>>>> REPLACE\n\`\`\`\n`,
      turns: [done],
    }),
  },
];

// One POST of our own, for an alert that the policy asks for: over the only dialler, TLS verified, and of the answer no more than
// its status. Never on the way of a request of the agent.

import type { Socket } from "node:net";
import { type DialOptions, dial } from "./dial.ts";

export interface Post {
  /** `https://…` or `http://…` */
  readonly url: URL;
  readonly headers: { readonly [name: string]: string };
  readonly body: string;
  /** Those of the addresses that may be connected to. */
  readonly reachable: (addresses: readonly string[]) => readonly string[];
}

export type Posted = { readonly status: number } | { readonly failed: string };

/** Milliseconds for the whole of it. */
const limit = 10_000;
/** Bytes of an answer that are looked at for its status line. */
const longestHead = 1024;

/** Never rejects. */
export async function post(options: DialOptions, { url, headers, body, reachable }: Post): Promise<Posted> {
  const tls = url.protocol === "https:";
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const port = url.port === "" ? (tls ? 443 : 80) : Number(url.port);
  const dialled = await dial(options, { host, port, reachable, tls });
  if (!dialled.ok) return { failed: dialled.detail };
  const { socket } = dialled;
  const lines = [
    `POST ${url.pathname}${url.search} HTTP/1.1`,
    `Host: ${url.host}`,
    "Connection: close",
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ];
  try {
    socket.write(`${lines.join("\r\n")}\r\n\r\n${body}`);
    return await statusOf(socket);
  } finally {
    socket.destroy();
  }
}

function statusOf(socket: Socket): Promise<Posted> {
  return new Promise((resolve) => {
    let head = "";
    const finish = (posted: Posted) => {
      clearTimeout(timer);
      resolve(posted);
    };
    const timer = setTimeout(() => finish({ failed: "no answer in time" }), limit);
    socket.on("data", (chunk: Buffer) => {
      head += chunk.toString("latin1");
      const status = /^HTTP\/1\.[01] ([2-5][0-9]{2})[ \r\n]/.exec(head)?.[1];
      if (status !== undefined) finish({ status: Number(status) });
      else if (head.length > longestHead) finish({ failed: "the answer is no HTTP" });
    });
    socket.on("error", (error) => finish({ failed: error.message }));
    socket.on("close", () => finish({ failed: "closed before it answered" }));
    socket.resume();
  });
}

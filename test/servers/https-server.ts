// An upstream for tests: a real TLS (or plain) HTTP/1.1 server on a free port of 127.0.0.1 that writes down every request it got.
// What it did not write down, it did not get: tests use `requests` and `connections` as the witness outside the cell.

import {
  createServer as createHttpServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Leaf } from "./certificate-authority.ts";

export interface ReceivedRequest {
  readonly method: string;
  readonly url: string;
  readonly host: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

export interface TestServer {
  readonly port: number;
  readonly requests: ReceivedRequest[];
  /** TCP connections accepted so far, whether or not anything was sent. */
  connections(): number;
  close(): Promise<void>;
}

/** Answers from the request's text; without one: 200 and `{"ok":true, method, host, url}` as JSON. */
export type Answer = (request: ReceivedRequest, response: ServerResponse, raw: IncomingMessage) => void;

/** Takes over a connection that asked for another protocol. */
export type Upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

const echo: Answer = (request, response) => {
  response.writeHead(200, { "content-type": "application/json" });
  response.end(`${JSON.stringify({ ok: true, method: request.method, host: request.host, url: request.url })}\n`);
};

function record(requests: ReceivedRequest[], answer: Answer): RequestListener {
  return (raw, response) => {
    const chunks: Buffer[] = [];
    raw.on("data", (chunk: Buffer) => chunks.push(chunk));
    raw.on("end", () => {
      const request = {
        method: raw.method ?? "",
        url: raw.url ?? "",
        host: raw.headers.host ?? "",
        headers: raw.headers,
        body: Buffer.concat(chunks).toString("utf8"),
      };
      requests.push(request);
      answer(request, response, raw);
    });
  };
}

/** Starts a server with this leaf, or a plain one when `leaf` is null. */
export function startServer(o: {
  leaf: Leaf | null;
  answer?: Answer;
  listener?: RequestListener;
  /** Without one such a request is answered like any other. */
  upgrade?: Upgrade;
}): Promise<TestServer> {
  const requests: ReceivedRequest[] = [];
  const listener = o.listener ?? record(requests, o.answer ?? echo);
  const server: Server = o.leaf
    ? createHttpsServer({ ...o.leaf, ALPNProtocols: ["http/1.1"] }, listener)
    : createHttpServer(listener);
  if (o.upgrade !== undefined) server.on("upgrade", o.upgrade);
  let connections = 0;
  const open = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    connections += 1;
    open.add(socket);
    socket.on("close", () => open.delete(socket));
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      resolve({
        port: (server.address() as AddressInfo).port,
        requests,
        connections: () => connections,
        close: () =>
          new Promise((closed) => {
            server.close(() => closed());
            for (const socket of open) socket.destroy();
          }),
      });
    });
  });
}

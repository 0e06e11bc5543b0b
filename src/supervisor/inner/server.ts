// What answers inside the cell at http://sallyport.internal/v1/…: a server on a Unix socket that only the boundary knows. What
// comes here has been judged, scanned and written down like any other request; this file reads it and finds who answers.
// Rules: bodies are JSON objects and bounded; an answer is JSON, or lines of JSON as they come.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { JsonValue } from "#core/event.ts";

/** Bytes of a request's body. */
export const largestBody = 24 * 1024 * 1024;
/** Bytes of all bodies that are being read, so that many at once do not fill the boundary's memory. */
const mostBodies = 2 * largestBody;

export interface InnerRequest {
  readonly query: URLSearchParams;
  /** Empty where there was no body. */
  readonly body: { readonly [key: string]: unknown };
  /** Aborted when whoever asked is gone. */
  readonly gone: AbortSignal;
}

/** One value, or lines as they come. */
export type InnerAnswer = JsonObject | AsyncIterable<JsonObject>;
type JsonObject = { readonly [key: string]: JsonValue };

/** What cannot be done, as the asker is told. */
export class InnerRefusal extends Error {
  readonly status: 400 | 403 | 404 | 409 | 429 | 503;
  readonly code: string;
  readonly remedy: string;

  constructor(status: InnerRefusal["status"], code: string, message: string, remedy: string) {
    super(message);
    this.name = "InnerRefusal";
    this.status = status;
    this.code = code;
    this.remedy = remedy;
  }
}

export interface InnerRoute {
  readonly method: "GET" | "POST";
  /** `/v1/whoami` */
  readonly path: string;
  /** One line for who lists them. */
  readonly doc: string;
  answer(request: InnerRequest): Promise<InnerAnswer> | InnerAnswer;
}

export interface InnerServer {
  close(): void;
}

/** Listens on the socket's path. @throws Error of the system where it cannot */
export async function openInnerServer(path: string, routes: readonly InnerRoute[]): Promise<InnerServer> {
  const reading = { bytes: 0 };
  const server = createServer({ requestTimeout: 60_000 }, (request, response) => {
    void answer(request, response, routes, reading);
  });
  await listen(server, path);
  return {
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ path }, resolve);
  });
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  routes: readonly InnerRoute[],
  reading: Reading,
): Promise<void> {
  const aborted = new AbortController();
  response.once("close", () => aborted.abort());
  try {
    const { pathname, searchParams: query } = new URL(request.url ?? "/", "http://sallyport.internal");
    const here = routes.filter((route) => route.path === pathname);
    const route = here.find(({ method }) => method === request.method);
    if (route === undefined) throw unknown(here, routes);
    const found = await route.answer({ query, body: await readBody(request, reading), gone: aborted.signal });
    if (Symbol.asyncIterator in found) await stream(response, found as AsyncIterable<JsonObject>);
    else send(response, 200, found as JsonObject);
  } catch (error) {
    if (response.headersSent) response.destroy();
    else if (error instanceof InnerRefusal) refuse(response, error);
    else refuse(response, new InnerRefusal(503, "internal_error", "sallyport could not answer", "Try again."));
  }
}

function unknown(here: readonly InnerRoute[], routes: readonly InnerRoute[]): InnerRefusal {
  const [other] = here;
  const known = routes.map(({ method, path }) => `${method} ${path}`).join(", ");
  return other === undefined
    ? new InnerRefusal(404, "usage", "nothing answers at this path", `There are: ${known}.`)
    : new InnerRefusal(400, "usage", "this path is asked otherwise", `Use ${other.method} ${other.path}.`);
}

/** What of bodies is held in memory, over all requests. */
interface Reading {
  bytes: number;
}

async function readBody(request: IncomingMessage, reading: Reading): Promise<InnerRequest["body"]> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      length += chunk.length;
      reading.bytes += chunk.length;
      if (length > largestBody)
        throw new InnerRefusal(400, "usage", "the body is too long", `Send ${largestBody} bytes at most.`);
      if (reading.bytes > mostBodies)
        throw new InnerRefusal(429, "usage", "too much is being sent at once", "Send one body after another.");
      chunks.push(chunk);
    }
  } finally {
    reading.bytes -= length;
  }
  return length === 0 ? {} : objectOf(Buffer.concat(chunks).toString("utf8"));
}

function objectOf(text: string): InnerRequest["body"] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = null; // told below, with whatever else is no object
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as InnerRequest["body"];
  throw new InnerRefusal(400, "usage", "the body is no JSON object", 'Send one such as {"command":["true"]}.');
}

async function stream(response: ServerResponse, lines: AsyncIterable<JsonObject>): Promise<void> {
  response.writeHead(200, { "content-type": "application/x-ndjson", "cache-control": "no-store" });
  for await (const line of lines) {
    if (response.destroyed) return;
    if (!response.write(`${JSON.stringify(line)}\n`)) await drained(response);
  }
  response.end();
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    response.once("drain", resolve);
    response.once("close", resolve);
  });
}

function send(response: ServerResponse, status: number, value: JsonObject): void {
  const text = `${JSON.stringify(value)}\n`;
  response.writeHead(status, { "content-type": "application/json", "cache-control": "no-store" });
  response.end(text);
}

function refuse(response: ServerResponse, { status, code, message, remedy }: InnerRefusal): void {
  const text = JSON.stringify({ error: { code, message, remedy } });
  response.writeHead(status, { "content-type": "application/problem+json", "cache-control": "no-store" });
  response.end(`${text}\n`);
}

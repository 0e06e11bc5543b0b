import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { type ClientRequest, type IncomingMessage, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { InnerRefusal, type InnerRequest, type InnerServer, largestBody, openInnerServer } from "./server.ts";

let folder = "";
let socketPath = "";
let server: InnerServer;
let asked: InnerRequest | null = null;
const goneStream = Promise.withResolvers<void>();

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "sallyport-inner-"));
  socketPath = join(folder, "api.sock");
  server = await openInnerServer(socketPath, [
    {
      method: "POST",
      path: "/v1/echo",
      doc: "",
      answer(request) {
        asked = request;
        return { keys: Object.keys(request.body) };
      },
    },
    {
      method: "GET",
      path: "/v1/no",
      doc: "",
      answer() {
        throw new InnerRefusal(409, "usage", "not now", "Later.");
      },
    },
    {
      method: "GET",
      path: "/v1/broken",
      doc: "",
      answer() {
        throw new TypeError("a secret of the host");
      },
    },
    {
      method: "GET",
      path: "/v1/lines",
      doc: "",
      async *answer() {
        yield { line: 1 };
        yield { line: 2 };
      },
    } as never,
    {
      method: "GET",
      path: "/v1/endless",
      doc: "",
      answer({ gone }) {
        gone.addEventListener("abort", () => goneStream.resolve());
        return endless(gone);
      },
    },
  ]);
});
after(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

async function* endless(gone: AbortSignal) {
  for (let line = 0; !gone.aborted; line += 1) yield { line, filler: "x".repeat(10_000) };
}

function ask(method: string, path: string, body?: string | Buffer): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const sent: ClientRequest = request({ socketPath, method, path }, (response: IncomingMessage) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

const table: readonly (readonly [
  title: string,
  method: string,
  path: string,
  body: string | undefined,
  status: number,
  said: RegExp,
])[] = [
  ["a body is a JSON object", "POST", "/v1/echo", '{"a":1}', 200, /"keys":\["a"\]/],
  ["no body is an empty one", "POST", "/v1/echo", undefined, 200, /"keys":\[\]/],
  ["a list is none", "POST", "/v1/echo", "[1]", 400, /no JSON object/],
  ["null is none", "POST", "/v1/echo", "null", 400, /no JSON object/],
  ["half of one is none", "POST", "/v1/echo", "{", 400, /no JSON object/],
  ["another method is told the right one", "GET", "/v1/echo", undefined, 400, /Use POST \/v1\/echo/],
  ["a path that is not there names those that are", "GET", "/v1/x", undefined, 404, /GET \/v1\/no/],
  ["a refusal is what it says", "GET", "/v1/no", undefined, 409, /"message":"not now","remedy":"Later\."/],
  ["an error of our own tells nothing of it", "GET", "/v1/broken", undefined, 503, /^(?!.*secret).*internal_error/],
  ["lines come as they are", "GET", "/v1/lines", undefined, 200, /^{"line":1}\n{"line":2}\n$/],
];

for (const [title, method, path, body, status, said] of table) {
  test(title, async () => {
    const answer = await ask(method, path, body);
    assert.equal(answer.status, status, answer.text);
    assert.match(answer.text, said);
  });
}

test("a body as large as may be is read, and one byte more is not", async () => {
  const around = '{"a":""}'.length;
  const exact = `{"a":"${"x".repeat(largestBody - around)}"}`;
  assert.equal((await ask("POST", "/v1/echo", exact)).status, 200);
  const more = await ask("POST", "/v1/echo", `${exact} `).catch((error: Error) => ({ status: 0, text: error.message }));
  assert.ok(more.status === 400 || /EPIPE|ECONNRESET/.test(more.text), more.text);
});

test("many half-sent bodies do not fill the memory: the one too many is refused, and afterwards there is room again", async () => {
  const waiting = Array.from({ length: 4 }, () => {
    const sent = request({ socketPath, method: "POST", path: "/v1/echo" });
    const ended = new Promise<number>((resolve) => {
      sent.on("response", (response) => resolve(response.resume().statusCode ?? 0));
      sent.on("error", () => resolve(0));
    });
    sent.write(Buffer.alloc(largestBody - 1000, " "));
    return { sent, ended };
  });
  assert.ok([0, 429].includes(await Promise.race(waiting.map(({ ended }) => ended))));
  for (const { sent } of waiting) sent.destroy();
  await Promise.all(waiting.map(({ ended }) => ended));
  assert.equal((await ask("POST", "/v1/echo", "{}")).status, 200);
});

test("who is gone is known to be", async () => {
  const sent = request({ socketPath, path: "/v1/endless" });
  sent.on("error", () => undefined);
  sent.end();
  await new Promise<void>((resolve) => sent.on("response", (response) => response.once("data", () => resolve())));
  sent.destroy();
  await goneStream.promise;
  assert.ok(asked);
});

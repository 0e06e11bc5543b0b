// A model provider for tests and the quickstart: speaks Anthropic Messages, OpenAI Responses, OpenAI Chat Completions and Gemini's
// generateContent, whole and as server-sent events, well enough that unmodified agent CLIs drive it. The model behind it reads from a script: the answer
// to a conversation with n assistant turns is step n, so it keeps no state and a retried request gets the same answer.

import type { ServerResponse } from "node:http";
import type { Answer, ReceivedRequest, Upgrade } from "./https-server.ts";
import { geminiAnswer, geminiCall, geminiTurns } from "./provider-gemini.ts";
import { isCall, openaiEvents, openaiResponse } from "./provider-responses.ts";
import { acceptWebSocket } from "./websocket.ts";

/** One turn of the model: what it says, then the tool it calls. A turn without a tool ends the conversation. */
export interface Turn {
  readonly say: string;
  /** A text as input is OpenAI's custom tool, which takes a program instead of JSON. */
  readonly tool?: { readonly name: string; readonly input: { readonly [key: string]: unknown } | string };
}

export interface Script {
  readonly turns: readonly Turn[];
  /** The answer to requests that offer no tools: titles, summaries. */
  readonly aside: string;
}

export interface Usage {
  readonly input: number;
  readonly output: number;
}

interface Conversation {
  readonly stream: boolean;
  readonly model: string;
  readonly turn: Turn;
}

type Json = { readonly [key: string]: unknown };

const usage: Usage = { input: 1200, output: 80 };

function sse(response: ServerResponse, events: readonly Json[], named: boolean, end?: string): void {
  response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" });
  for (const event of events) {
    if (named) response.write(`event: ${String(event.type)}\n`);
    response.write(`data: ${JSON.stringify(event)}\n\n`);
  }
  response.end(end);
}

function json(response: ServerResponse, status: number, body: Json): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}

/**
 * The Responses API over a WebSocket: a message asks, and says only what is new since the last answer on this connection. Each is
 * given to `seen` as if it were a request's body.
 */
export function createProviderSocket(script: Script, seen: (message: ReceivedRequest) => void): Upgrade {
  return (request, socket, head) => {
    let calls = 0;
    acceptWebSocket(request, socket, head, (text, peer) => {
      const { method = "", url = "", headers } = request;
      seen({ method, url, host: headers.host ?? "", headers, body: text });
      const body = JSON.parse(text) as Json;
      if (body.type !== "response.create") return;
      const before = typeof body.previous_response_id === "string" ? calls : 0;
      const c = conversation(script, body, Math.max(before, count(body.input, isCall)));
      // Asked to get ready only: what it offers comes with the next message.
      const turn = body.generate === false ? null : c.turn;
      if (turn?.tool) calls = before + 1;
      for (const event of openaiEvents(openaiResponse(turn, c.model, usage))) peer.send(JSON.stringify(event));
    });
  };
}

/** Which step of the script this request asks for: one more than the assistant turns it already holds. */
function conversation(script: Script, body: Json, assistantTurns: number): Conversation {
  const offered = [body.tools, body.input].flatMap((list) => (Array.isArray(list) ? (list as readonly Json[]) : []));
  const tools = offered.filter(({ type, role }) => role === undefined || type === "additional_tools");
  const turn = tools.length === 0 ? { say: script.aside } : script.turns[assistantTurns];
  return {
    stream: body.stream === true,
    model: String(body.model ?? "unknown"),
    turn: turn ?? { say: script.turns.at(-1)?.say ?? script.aside },
  };
}

function count(items: unknown, of: (item: Json) => boolean): number {
  return Array.isArray(items) ? items.filter((item: Json) => of(item)).length : 0;
}

function messages(response: ServerResponse, c: Conversation): void {
  const content: Json[] = [{ type: "text", text: c.turn.say }];
  if (c.turn.tool)
    content.push({
      type: "tool_use",
      id: `toolu_${Date.now().toString(36)}`,
      name: c.turn.tool.name,
      input: c.turn.tool.input,
    });
  const stop = c.turn.tool ? "tool_use" : "end_turn";
  const message = {
    id: `msg_${Date.now().toString(36)}`,
    type: "message",
    role: "assistant",
    model: c.model,
    stop_sequence: null,
  };
  if (!c.stream) {
    json(response, 200, {
      ...message,
      content,
      stop_reason: stop,
      usage: { input_tokens: usage.input, output_tokens: usage.output },
    });
    return;
  }
  const events: Json[] = [
    {
      type: "message_start",
      message: { ...message, content: [], stop_reason: null, usage: { input_tokens: usage.input, output_tokens: 1 } },
    },
  ];
  content.forEach((block, index) => {
    const text = block.type === "text";
    events.push(
      {
        type: "content_block_start",
        index,
        content_block: text ? { type: "text", text: "" } : { ...block, input: {} },
      },
      {
        type: "content_block_delta",
        index,
        delta: text
          ? { type: "text_delta", text: block.text }
          : { type: "input_json_delta", partial_json: JSON.stringify(block.input) },
      },
      { type: "content_block_stop", index },
    );
  });
  events.push(
    {
      type: "message_delta",
      delta: { stop_reason: stop, stop_sequence: null },
      usage: { output_tokens: usage.output },
    },
    { type: "message_stop" },
  );
  sse(response, events, true);
}

function responses(response: ServerResponse, c: Conversation): void {
  const whole = openaiResponse(c.turn, c.model, usage);
  if (c.stream) sse(response, openaiEvents(whole), true);
  else json(response, 200, whole);
}

function completions(response: ServerResponse, c: Conversation): void {
  const call = c.turn.tool && {
    index: 0,
    id: `call_${Date.now().toString(36)}`,
    type: "function",
    function: { name: c.turn.tool.name, arguments: JSON.stringify(c.turn.tool.input) },
  };
  const base = { id: "chatcmpl-test", created: Math.floor(Date.now() / 1000), model: c.model };
  const finish = call ? "tool_calls" : "stop";
  const total = {
    prompt_tokens: usage.input,
    completion_tokens: usage.output,
    total_tokens: usage.input + usage.output,
  };
  const message = { role: "assistant", content: c.turn.say, ...(call ? { tool_calls: [call] } : {}) };
  if (!c.stream) {
    json(response, 200, {
      ...base,
      object: "chat.completion",
      choices: [{ index: 0, message, finish_reason: finish }],
      usage: total,
    });
    return;
  }
  const chunk = { ...base, object: "chat.completion.chunk" };
  sse(
    response,
    [
      { ...chunk, choices: [{ index: 0, delta: message, finish_reason: null }] },
      { ...chunk, choices: [{ index: 0, delta: {}, finish_reason: finish }] },
      { ...chunk, choices: [], usage: total },
    ],
    false,
    "data: [DONE]\n\n",
  );
}

/** The provider as an answer for `startServer`; a path it does not know is 404 in the provider's own words. */
export function createProvider(script: Script): Answer {
  return (request, response) => {
    const path = request.url.split("?")[0] ?? "";
    const gemini = geminiCall(path);
    if (request.method === "GET" && path.endsWith("/models")) {
      const data = [{ id: "test-model", object: "model", owned_by: "test" }];
      json(response, 200, { object: "list", data, models: [] });
      return;
    }
    if (path.endsWith("/hello")) return json(response, 200, { message: "hello" }); // is anybody there?
    if (request.headers.upgrade !== undefined) {
      // The provider's own word for "not over a WebSocket": clients go on with a POST.
      json(response, 426, { error: { type: "upgrade_refused", message: "send a POST" } });
      return;
    }
    let body: Json;
    try {
      body = JSON.parse(request.body) as Json;
    } catch {
      json(response, 400, { error: { type: "invalid_request_error", message: "the body is not JSON" } });
      return;
    }
    if (path.endsWith("/messages")) {
      messages(
        response,
        conversation(
          script,
          body,
          count(body.messages, (m) => m.role === "assistant"),
        ),
      );
    } else if (path.endsWith("/responses")) {
      responses(response, conversation(script, body, count(body.input, isCall)));
    } else if (path.endsWith("/chat/completions")) {
      completions(
        response,
        conversation(
          script,
          body,
          count(body.messages, (m) => m.role === "assistant"),
        ),
      );
    } else if (gemini !== null) {
      const c = conversation(script, body, geminiTurns(body));
      const answer = geminiAnswer(c.turn, gemini.model, usage);
      if (gemini.verb === "streamGenerateContent") sse(response, [answer], false);
      else json(response, 200, gemini.verb === "countTokens" ? { totalTokens: usage.input } : answer);
    } else {
      json(response, 404, { error: { type: "not_found_error", message: `no such path: ${path}` } });
    }
  };
}

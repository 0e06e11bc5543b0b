// OpenAI's Responses API: an answer as it is, and as the events of its stream.

import type { Turn, Usage } from "./provider.ts";

type Json = { readonly [key: string]: unknown };

interface OpenaiResponse extends Json {
  readonly output: readonly Json[];
}

/** True for an item that calls a tool. */
export function isCall({ type }: Json): boolean {
  return type === "function_call" || type === "custom_tool_call";
}

/** One turn as a `response` object; null is an answer that says nothing. */
export function openaiResponse(turn: Turn | null, model: string, usage: Usage): OpenaiResponse {
  const id = Date.now().toString(36);
  return {
    id: `resp_${id}`,
    object: "response",
    created_at: Math.floor(Date.now() / 1000),
    status: "completed",
    model,
    output: turn === null ? [] : outputOf(turn, id),
    error: null,
    incomplete_details: null,
    usage: {
      input_tokens: usage.input,
      input_tokens_details: { cached_tokens: 0 },
      output_tokens: usage.output,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: usage.input + usage.output,
    },
  };
}

function outputOf({ say, tool }: Turn, id: string): Json[] {
  const content = [{ type: "output_text", text: say, annotations: [] }];
  const message = { type: "message", id: `msg_${id}`, status: "completed", role: "assistant", content };
  if (tool === undefined) return [message];
  const call = { call_id: `call_${id}`, name: tool.name, status: "completed" };
  return [
    message,
    typeof tool.input === "string"
      ? { type: "custom_tool_call", id: `ctc_${id}`, ...call, input: tool.input }
      : { type: "function_call", id: `fc_${id}`, ...call, arguments: JSON.stringify(tool.input) },
  ];
}

/** The same as the events of a stream. */
export function openaiEvents(whole: OpenaiResponse): Json[] {
  const { output } = whole;
  const events: Json[] = [
    { type: "response.created", response: { ...whole, status: "in_progress", output: [], usage: null } },
  ];
  output.forEach((item, index) => {
    const at = { item_id: item.id, output_index: index };
    if (item.type === "message") {
      events.push(
        {
          type: "response.output_item.added",
          output_index: index,
          item: { ...item, status: "in_progress", content: [] },
        },
        {
          type: "response.content_part.added",
          ...at,
          content_index: 0,
          part: { type: "output_text", text: "", annotations: [] },
        },
        { type: "response.output_text.delta", ...at, content_index: 0, delta: textOf(item) },
        { type: "response.output_text.done", ...at, content_index: 0, text: textOf(item) },
      );
    } else {
      const [kind, key] =
        item.type === "custom_tool_call"
          ? ["custom_tool_call_input", "input"]
          : ["function_call_arguments", "arguments"];
      events.push(
        {
          type: "response.output_item.added",
          output_index: index,
          item: { ...item, status: "in_progress", [key]: "" },
        },
        { type: `response.${kind}.delta`, ...at, delta: item[key] },
        { type: `response.${kind}.done`, ...at, [key]: item[key] },
      );
    }
    events.push({ type: "response.output_item.done", output_index: index, item });
  });
  events.push({ type: "response.completed", response: whole });
  return events.map((event, sequence_number) => ({ ...event, sequence_number }));
}

function textOf({ content }: Json): string {
  return Array.isArray(content) ? (content as readonly { text: string }[]).map(({ text }) => text).join("") : "";
}

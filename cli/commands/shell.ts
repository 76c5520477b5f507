/** `shell`: JavaScript at the opened pipeline. @module */
import type { Pipeline } from "../../pipeline/pipeline.ts";
import { failureText } from "../fail.ts";
import { styles } from "../ansi.ts";
import { evaluate, isIncomplete, newScope } from "../shell_eval.ts";
import type { Context, FlagsOf } from "../spec.ts";
import type { SHELL } from "../specs/data.ts";

/** Opens the shell. */
export async function run(context: Context, flags: FlagsOf<typeof SHELL.flags>): Promise<number> {
  const pipeline = await context.open();
  const scope = newScope(atHand(pipeline));
  if (flags.eval !== undefined) {
    print(context, await evaluate(flags.eval, scope));
    return 0;
  }
  return context.io.terminal.in ? await converse(context, pipeline, scope) : await script(context, scope);
}

function atHand(pipeline: Pipeline): Record<string, unknown> {
  return {
    pipeline,
    tasks: Object.fromEntries(pipeline.tasks),
    repositories: Object.fromEntries(pipeline.repositories()),
  };
}

function print(context: Context, value: unknown): void {
  if (value === undefined) return;
  const text = typeof value === "string" && !context.io.terminal.out
    ? value
    : Deno.inspect(value, { colors: context.style.enabled, depth: 3, iterableLimit: 50 });
  context.io.out(`${text}\n`);
}

async function converse(context: Context, pipeline: Pipeline, scope: object): Promise<number> {
  const { io, style } = context;
  io.out(
    `${style.bold(pipeline.name)} is open: pipeline, tasks, repositories["task.link"]. Leave with Ctrl-D.\n`,
  );
  for (let code = io.ask(">"); code !== undefined; code = io.ask(">")) {
    while (isIncomplete(code)) {
      const more = io.ask("…");
      if (more === undefined) break;
      code += `\n${more}`;
    }
    if (code.trim() === "exit" || code.trim() === "quit") break;
    try {
      print(context, await evaluate(code, scope));
    } catch (error) {
      io.err(failureText(error, context.debug, styles(io.color)));
    }
  }
  return 0;
}

/** Runs lines from a pipe; the first that fails ends it. */
async function script(context: Context, scope: object): Promise<number> {
  let code = "";
  let rest = "";
  const decoder = new TextDecoder();
  for await (const chunk of context.io.input()) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop()!;
    for (const line of lines) {
      code += `${line}\n`;
      if (isIncomplete(code)) continue;
      print(context, await evaluate(code, scope));
      code = "";
    }
  }
  if ((code + rest).trim() !== "") print(context, await evaluate(code + rest, scope));
  return 0;
}

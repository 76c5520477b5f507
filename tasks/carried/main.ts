/**
 * The entry of a body that was carried somewhere: it runs once, over files, and the agent where it has links to many values.
 *
 * @module
 */
import { StopError } from "../../core/attempt.ts";
import { encodeText } from "../../core/bytes.ts";
import { withAllowance } from "../../executors/permissions.ts";
import { AgentClient } from "./agent.ts";
import type { CarriedContext } from "./context.ts";
import { bindCarried } from "./links.ts";

/** What the run is told of where it is. */
export interface Surroundings {
  /** The address of the agent, where it has one. */
  readonly address?: string | undefined;
  /** A folder that may be written. */
  readonly spool: string;
}

/** The exit code that tells that the agent could not be reached; why is the last that was said. */
const AGENT_FAILED = 75;

/**
 * Runs the body and leaves.
 *
 * @param context Who it is, and where its values lie.
 * @param module The namespace of its module.
 * @param surroundings Where it is.
 */
export async function main(
  context: CarriedContext,
  module: { readonly default?: unknown },
  { address = "", spool }: Surroundings,
): Promise<void> {
  const { links, agent: told, ...rest } = context;
  const exit = Deno.exit;
  const pending = new Set<Promise<unknown>>();
  const track = <T>(write: Promise<T>): Promise<T> => {
    pending.add(write);
    const over = (): void => void pending.delete(write);
    write.then(over, over);
    return write;
  };
  const fail = (error: unknown): never => {
    // The last line is the one that people see first.
    if (error instanceof Error && error.stack) Deno.stderr.writeSync(encodeText(`${error.stack}\n`));
    Deno.stderr.writeSync(encodeText(`${said(error, context.task)}\n`));
    if (agent?.lastWords === undefined) return exit(1);
    Deno.stderr.writeSync(encodeText(`${agent.lastWords}\n`));
    return exit(AGENT_FAILED);
  };
  const stop = new AbortController();
  const agent = told && new AgentClient(address, told, stop);
  const { default: body } = module;
  if (typeof body !== "function") {
    return fail(
      "The module exports no function as its default: export default async function (context) { ... }",
    );
  }
  Deno.exit = (code) =>
    fail(`The body called Deno.exit(${code ?? ""}) before it had returned; a body returns or throws`);
  Deno.addSignalListener("SIGTERM", () => stop.abort(new StopError("cancelled")));
  globalThis.addEventListener("unhandledrejection", (event) => fail(event.reason));
  globalThis.addEventListener("error", (event) => fail(event.error));
  const log = (...values: readonly unknown[]): void =>
    console.log(values.map((value) => typeof value === "string" ? value : Deno.inspect(value)).join(" "));
  // Loaded where it is needed.
  const many = agent && await import("./many.ts");
  const bound = Object.entries(links).map(([name, link]) =>
    [
      name,
      "view" in link ? many!.bindMany({ agent: agent!, track, spool }, name, link) : bindCarried(link, track),
    ] as const
  );
  try {
    await body({ ...rest, ...Object.fromEntries(bound), signal: stop.signal, log });
    while (pending.size > 0) await Promise.all(pending);
  } catch (error) {
    fail(error);
  }
  exit(stop.signal.aborted ? 143 : 0);
}

/** What an error says, and what to declare when the body was refused something. */
function said(error: unknown, task: string): string {
  if (!(error instanceof Error)) return typeof error === "string" ? error : Deno.inspect(error);
  return withAllowance(`${error.name}: ${error.message}`, task);
}

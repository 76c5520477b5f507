/**
 * The entry of a body that was carried somewhere: it runs once, over files.
 *
 * @module
 */
import { StopError } from "../../core/attempt.ts";
import { encodeText } from "../../core/bytes.ts";
import { withAllowance } from "../../executors/permissions.ts";
import type { CarriedContext } from "./context.ts";
import { bindCarried } from "./links.ts";

/**
 * Runs the body and leaves.
 *
 * @param context Who it is, and where its values lie.
 * @param module The namespace of its module.
 */
export async function main(context: CarriedContext, module: { readonly default?: unknown }): Promise<void> {
  const { links, ...rest } = context;
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
    return exit(1);
  };
  const { default: body } = module;
  if (typeof body !== "function") {
    return fail(
      "The module exports no function as its default: export default async function (context) { ... }",
    );
  }
  Deno.exit = (code) =>
    fail(`The body called Deno.exit(${code ?? ""}) before it had returned; a body returns or throws`);
  const stop = new AbortController();
  Deno.addSignalListener("SIGTERM", () => stop.abort(new StopError("cancelled")));
  globalThis.addEventListener("unhandledrejection", (event) => fail(event.reason));
  globalThis.addEventListener("error", (event) => fail(event.error));
  const log = (...values: readonly unknown[]): void =>
    console.log(values.map((value) => typeof value === "string" ? value : Deno.inspect(value)).join(" "));
  const bound = Object.entries(links).map(([name, link]) => [name, bindCarried(link, track)] as const);
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

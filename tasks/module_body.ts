/**
 * Bodies that are named by their module, so that they can run elsewhere than in this process.
 *
 * @module
 */
import { DefinitionError } from "../core/errors.ts";
import type { Bound } from "./bound.ts";
import type { FunctionContext } from "./function.ts";
import type { Links } from "./link.ts";

/** Marks bodies of any loaded copy of this package. */
const BRAND: unique symbol = Symbol.for("@datatask/datatask/module_body") as never;

/**
 * What the body of a task with these links gets: for the parameter of a body in a module of its own.
 *
 * @example
 * ```ts
 * import { type BodyContext, input, MemoryBlobRepository, output } from "@datatask/datatask";
 *
 * const links = { books: input(new MemoryBlobRepository("books")), sizes: output(new MemoryBlobRepository("sizes")) };
 *
 * // In the module of the body, which imports the type of the links and nothing else:
 * async function size({ books, sizes }: BodyContext<typeof links>) {
 *   await sizes.write(String((await books.text()).length));
 * }
 * ```
 */
export type BodyContext<L extends Links> = FunctionContext & Bound<L>;

/** A module whose default export is a body. */
export interface BodyModule {
  /** The body. */
  readonly default: (context: never) => unknown;
}

/** A body that is named by its module. Made by {@linkcode moduleBody}. */
export interface ModuleBody<C> {
  /** The address of the module: `file:///…`, `https://…`, `jsr:…`. */
  readonly module: string;
  /** What the body is called with. Never called: it tells the compiler which tasks the body fits. */
  readonly takes: (context: C) => void;
}

/**
 * A body that is the default export of a module, so that it can run in a worker, or on another machine.
 *
 * @param module The address of the module: `import.meta.resolve("./summary.ts")`.
 * @returns The body, for `functionTask`, which sees at compile time whether it fits the links.
 * @throws {DefinitionError} When it is no address.
 * @example
 * ```ts ignore
 * const summary = functionTask(
 *   "summary",
 *   { done, links, executor: workerPool() },
 *   moduleBody<typeof import("./summary.ts")>(import.meta.resolve("./summary.ts")),
 * );
 * ```
 */
export function moduleBody<M extends BodyModule>(
  module: string | URL,
): ModuleBody<Parameters<M["default"]>[0]> {
  const address = String(module);
  if (!URL.canParse(address)) {
    throw new DefinitionError(
      `${
        JSON.stringify(address)
      } is not the address of a module; write moduleBody<typeof import("./body.ts")>(import.meta.resolve("./body.ts"))`,
    );
  }
  const body = { module: new URL(address).href, takes: () => {} };
  Object.defineProperty(body, BRAND, { value: true });
  return body;
}

/**
 * Tells whether a body is named by its module.
 *
 * @param body A body.
 * @returns Whether it is.
 */
export function isModuleBody(body: unknown): body is ModuleBody<never> {
  return typeof body === "object" && body !== null && BRAND in body;
}

/**
 * The same body, run in this process.
 *
 * @param body The body.
 * @returns A function that loads the module when it is first called.
 */
export function inThisProcess({ module }: ModuleBody<never>): (context: never) => Promise<unknown> {
  let loading: Promise<{ readonly default?: unknown }> | undefined;
  return async (context) => {
    const { default: run } = await (loading ??= import(module));
    if (typeof run === "function") return await run(context);
    throw new DefinitionError(
      `Cannot use the module ${module}: its default export is ${
        run === undefined ? "missing" : `a ${typeof run}`
      }; export a function: export default async function (context) { ... }`,
    );
  };
}

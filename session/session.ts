/**
 * Sessions: the clients and connections of a pipeline, opened together and closed together.
 *
 * @module
 */
import { DefinitionError, describeError, SessionError } from "../core/errors.ts";
import { Opening } from "./opening.ts";
import { checkNeeds } from "./order.ts";
import type { Declared, OpenResource, Resource, ResourceOptions } from "./resource.ts";

/**
 * Resources with a lifetime. Declare them anywhere before the session opens; use them while it is open.
 *
 * Opening opens all of them, side by side unless one needs another. Closing closes them in the opposite order of their opening. When one
 * that is not optional fails, the others are called off, what was open is closed again, and the session can be opened anew.
 *
 * A session may be opened by several at a time (two pipelines that share a client): it opens once and closes with the last of them.
 *
 * @example Use a resource while its session is open
 * ```ts
 * import { Session } from "@datatask/datatask";
 * import assert from "node:assert/strict";
 *
 * const session = new Session();
 * const greeting = session.resource("greeting", (stack) => {
 *   stack.defer(() => {}); // close it here
 *   return "hello";
 * });
 *
 * await using _open = await session.open();
 * assert.equal(greeting(), "hello");
 * ```
 */
export class Session implements AsyncDisposable {
  readonly #declared = new Map<string, Declared>();
  #opening: Opening | undefined;
  #closing: Promise<void> | undefined;
  #holders = 0;

  /** Whether all resources are open. */
  get isOpen(): boolean {
    return this.#opening?.isOpen ?? false;
  }

  /** The names of its resources, in the order of their declaration. */
  get resourceNames(): readonly string[] {
    return [...this.#declared.keys()];
  }

  /**
   * Declares a resource.
   *
   * @param name What errors call it. No two of a session share a name.
   * @param open Opens it.
   * @param options Whether the session can do without it, and what must be open before it.
   * @returns A function that gives the resource while it is open.
   * @throws {DefinitionError} When the name is taken, or the session is open already.
   */
  resource<T>(name: string, open: OpenResource<T>, options: ResourceOptions = {}): Resource<T> {
    if (this.#declared.has(name)) {
      throw new DefinitionError(
        `Cannot declare resource "${name}": this session has one of that name; choose another name`,
        { subject: name },
      );
    }
    if (this.#opening) {
      throw new DefinitionError(
        `Cannot declare resource "${name}": the session is open already; declare it before the session opens`,
        { subject: name },
      );
    }
    const resource = Object.assign((): T => this.#give(name) as T, { resourceName: name });
    const needs = (options.needs ?? []).map((need) => this.#nameOf(name, need));
    this.#declared.set(name, { name, resource, open, optional: options.optional ?? false, needs });
    return resource;
  }

  /**
   * Opens all resources, or waits for them when somebody else opens them already. Call {@linkcode close} once for each call of this.
   *
   * @param options When to stop waiting; with `tolerant`, a resource that does not open is told only when it is used, and the rest is open.
   * @returns The session itself, so that `await using` closes it.
   * @throws {SessionError} With code `resource-failed` when one fails that is not optional; then nothing is left open for this caller.
   * @throws {DefinitionError} When resources need each other in a circle, or one that is not declared.
   */
  async open(
    options: { readonly signal?: AbortSignal | undefined; readonly tolerant?: boolean | undefined } = {},
  ): Promise<this> {
    const { signal, tolerant = false } = options;
    signal?.throwIfAborted();
    while (this.#closing) await this.#closing.catch(() => {});
    signal?.throwIfAborted();
    const opening = this.#opening ??= this.#start(tolerant);
    this.#holders++;
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    aborted.catch(() => {});
    const onAbort = (): void => reject(signal!.reason);
    signal?.addEventListener("abort", onAbort);
    try {
      await Promise.race([opening.done, aborted]);
      if (!tolerant) opening.check();
      return this;
    } catch (error) {
      if (this.#opening === opening) await this.close().catch(() => {});
      throw error;
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
  }

  /**
   * Gives the session back. With the last that has it open, all resources are closed, in the opposite order of their opening, each of
   * them whether or not others fail. Does nothing when the session is not open.
   *
   * @throws {SessionError} With code `resource-failed` when some failed to close; its cause holds their errors.
   */
  async close(): Promise<void> {
    if (this.#closing) return await this.#closing;
    if (!this.#opening || --this.#holders > 0) return;
    const opening = this.#opening;
    this.#closing = opening.close().then(reportUnclosed).finally(() => {
      this.#opening = this.#closing = undefined;
      this.#holders = 0;
    });
    await this.#closing;
  }

  /** Gives the session back: see {@linkcode close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #start(tolerant: boolean): Opening {
    checkNeeds(new Map([...this.#declared.values()].map(({ name, needs }) => [name, needs])));
    return new Opening([...this.#declared.values()], tolerant);
  }

  #nameOf(name: string, need: Resource | string): string {
    if (typeof need === "string") return need;
    if (this.#declared.get(need.resourceName)?.resource === need) return need.resourceName;
    throw new DefinitionError(
      `Cannot declare resource "${name}": it needs "${need.resourceName}", which belongs to another session; declare both in one`,
      { subject: name },
    );
  }

  #give(name: string): unknown {
    if (this.#opening) return this.#opening.give(name);
    throw new SessionError(
      "session-closed",
      `Cannot use resource "${name}": its session is not open; use it between session.open() and session.close()`,
      { operation: "use", subject: name },
    );
  }
}

function reportUnclosed(failures: readonly (readonly [name: string, error: unknown])[]): void {
  if (failures.length === 0) return;
  const texts = failures.map(([name, error]) => `"${name}": ${describeError(error)}`);
  throw new SessionError(
    "resource-failed",
    `Cannot close ${texts.join("; ")}; see that nothing of it is left behind`,
    {
      operation: "close",
      subject: failures[0]![0],
      cause: new AggregateError(failures.map(([, error]) => error), "some resources failed to close"),
    },
  );
}

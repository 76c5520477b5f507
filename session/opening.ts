/**
 * One opening of a session's resources, from the first that starts to the last that is closed.
 *
 * @module
 */
import { describeError, isDatataskError, SessionError } from "../core/errors.ts";
import type { Declared, Resource } from "./resource.ts";

/** What became of a resource. */
type State =
  | { readonly is: "opening" }
  | { readonly is: "open"; readonly value: unknown }
  | { readonly is: "failed"; readonly error: unknown }
  | { readonly is: "closed" };

/** The name of a resource, and an error that came of it. */
export type Failure = readonly [name: string, error: unknown];

/** One opening of all resources of a session. */
export class Opening {
  /** Settles when all are open, or when it failed and everything is closed again. */
  readonly done: Promise<void>;
  readonly #states = new Map<string, State>();
  readonly #tasks = new Map<string, Promise<void>>();
  readonly #opened: { readonly name: string; readonly stack: AsyncDisposableStack }[] = [];
  readonly #abort = new AbortController();
  readonly #failures: Failure[] = [];
  readonly #tolerant: boolean;
  /** What is not optional, did not open, and was let pass. */
  readonly #missing: Failure[] = [];
  #isOpen = false;
  #closing: Promise<readonly Failure[]> | undefined;

  /**
   * @param declared The resources, whose needs are known to be sound.
   * @param tolerant Whether one that does not open is told only when it is used.
   */
  constructor(declared: readonly Declared[], tolerant: boolean) {
    this.#tolerant = tolerant;
    const byName = new Map(declared.map((each) => [each.name, each]));
    for (const each of declared) this.#start(each, byName);
    this.done = this.#finish();
    this.done.catch(() => {});
  }

  /** Whether all are open. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Throws when something that is not optional did not open, and was let pass. */
  check(): void {
    if (this.#missing.length > 0) throw failed(this.#missing);
  }

  /** Gives a resource, from when it is open until it closes. */
  give(name: string): unknown {
    const state = this.#states.get(name) ?? { is: "opening" };
    if (state.is === "open") return state.value;
    if (state.is === "failed") {
      throw new SessionError(
        "resource-failed",
        `Cannot use resource "${name}": it did not open: ${describeError(state.error)}${
          // An error of ours says itself what to do.
          isDatataskError(state.error) ? "" : "; put that right and open the session again"}`,
        { operation: "use", subject: name, cause: state.error },
      );
    }
    const what = state.is === "opening"
      ? `it is not open yet; declare it under "needs" of what uses it`
      : `its session is closed; use it between session.open() and session.close()`;
    throw new SessionError("session-closed", `Cannot use resource "${name}": ${what}`, {
      operation: "use",
      subject: name,
    });
  }

  /** Calls off what is still opening, then closes all in the opposite order of their opening. */
  close(): Promise<readonly Failure[]> {
    return this.#closing ??= this.#closeAll();
  }

  #start(declared: Declared, byName: ReadonlyMap<string, Declared>): Promise<void> {
    const { name } = declared;
    const running = this.#tasks.get(name);
    if (running) return running;
    // Needs form no circle, so this recursion ends.
    const needed = declared.needs.map((need) => this.#start(byName.get(need)!, byName));
    const task = Promise.all(needed).then(() => this.#open(declared));
    this.#tasks.set(name, task);
    return task;
  }

  async #open(declared: Declared): Promise<void> {
    const { name, optional } = declared;
    if (this.#abort.signal.aborted) return;
    const stack = new AsyncDisposableStack();
    try {
      const value = await declared.open(stack, this.#abort.signal, (other) => this.#use(declared, other));
      this.#states.set(name, { is: "open", value });
      this.#opened.push({ name, stack });
    } catch (error) {
      const whole = await stack.disposeAsync().then(
        () => error,
        (unclosed) => new SuppressedError(unclosed, error, describeError(error)),
      );
      this.#states.set(name, { is: "failed", error: whole });
      if ((optional || this.#tolerant) && !this.#abort.signal.aborted) {
        if (!optional) this.#missing.push([name, whole]);
        return;
      }
      if (!this.#abort.signal.aborted) this.#failures.unshift([name, whole]);
      else if ((whole as Error | null)?.name !== "AbortError") this.#failures.push([name, whole]);
      this.#abort.abort(new DOMException(`Resource "${name}" failed to open`, "AbortError"));
    }
  }

  #use<T>(declared: Declared, other: Resource<T>): T {
    if (declared.needs.includes(other.resourceName)) return other();
    throw new SessionError(
      "session-closed",
      `Cannot use resource "${other.resourceName}" to open "${declared.name}": it may not be open yet; declare it under "needs" of "${declared.name}"`,
      { operation: "use", subject: other.resourceName },
    );
  }

  async #finish(): Promise<void> {
    await Promise.all(this.#tasks.values());
    if (!this.#abort.signal.aborted) {
      this.#isOpen = true;
      return;
    }
    const unclosed = await this.close();
    if (this.#failures.length === 0) {
      throw new SessionError("session-closed", "Cannot open the session: it was closed while it opened", {
        operation: "open",
      });
    }
    throw failed([...this.#failures, ...unclosed]);
  }

  async #closeAll(): Promise<readonly Failure[]> {
    if (!this.#isOpen) this.#abort.abort(new DOMException("The session is closed", "AbortError"));
    this.#isOpen = false;
    await Promise.all(this.#tasks.values());
    const failures: Failure[] = [];
    for (const { name, stack } of this.#opened.toReversed()) {
      try {
        await stack.disposeAsync();
      } catch (error) {
        failures.push([name, error]);
      }
      this.#states.set(name, { is: "closed" });
    }
    return failures;
  }
}

function failed(failures: readonly Failure[]): SessionError {
  const [name, first] = failures[0]!;
  const later = isDatataskError(first) && first.context.retry === "later";
  const more = failures.slice(1).map(([other, error]) => `; "${other}": ${describeError(error)}`).join("");
  return new SessionError(
    "resource-failed",
    `Cannot open the session: resource "${name}" did not open: ${describeError(first)}${more}`,
    {
      operation: "open",
      subject: name,
      ...(later ? { retry: "later" as const } : {}),
      cause: failures.length === 1 ? first : new AggregateError(failures.map(([, error]) => error)),
    },
  );
}

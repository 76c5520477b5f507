/**
 * Speaking to the agent: one request, again and again until it is answered, for as long as the task has patience.
 *
 * @module
 */
import { StopError } from "../../core/attempt.ts";
import { DatataskError, type ErrorCode, RepositoryError } from "../../core/errors.ts";
import { type Backoff, backoff } from "./backoff.ts";
import { AGENT_HEADER } from "../agent.ts";
import type { CarriedAgent } from "./context.ts";
import { Silence } from "./silence.ts";

/** How many requests that end by themselves are under way at once. */
const WIDTH = 16;

/** How long an answer may take, in milliseconds: then the connection counts as dead, and another one is made. What workers wait for as long. */
const SILENT_MS = 300_000;

/** What answers mean that no patience helps against. All others are tried again. */
const REFUSED: Readonly<Record<number, ErrorCode>> = {
  400: "invalid-key",
  403: "unsupported",
  404: "not-found",
  405: "unsupported",
  413: "invalid-value",
  416: "io",
  422: "invalid-value",
};

/** Whether an answer may also come from a gate in between. */
const anybody = (status: number): boolean => status === 400 || status === 413 || status >= 500;

/** Why an answer does not come to its end. */
export const CUT = "the connection was cut in the middle of the answer";

/** Answers that say that nothing is granted any more. */
const OVER: ReadonlySet<number> = new Set([401, 410]);

/** What is asked for. */
export interface Request {
  readonly method?: "GET" | "HEAD" | "PUT";
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: BodyInit;
  /** Which answers mean something to who asks, besides success. */
  readonly accept?: readonly number[];
  /** What is being done, for errors: `read "emma" of books`. */
  readonly doing: string;
  readonly signal?: AbortSignal | undefined;
}

/** Waits before another try, longer each time: told why the last one has failed, and how long to wait at the least, in milliseconds. */
export type Patience = (why: string, after?: number) => Promise<void>;

/** The agent, as a body's links see it. */
export class AgentClient {
  readonly #silentMs: number;
  readonly #address: string;
  readonly #told: CarriedAgent;
  readonly #stop: AbortController;
  #running = 0;
  readonly #waiting: (() => void)[] = [];
  /** Why it could not be reached. */
  #trouble: DatataskError | undefined;

  /**
   * @param address Its address.
   * @param told What comes after it, the token, and how long it is waited for.
   * @param stop Aborted when the attempt is over; ends all requests.
   * @param silentMs How long an answer may take before it is asked for anew, in milliseconds.
   */
  constructor(address: string, told: CarriedAgent, stop: AbortController, silentMs: number = SILENT_MS) {
    this.#silentMs = silentMs;
    this.#address = address;
    this.#told = told;
    this.#stop = stop;
  }

  /** What is said last when a body has failed: that the agent could not be reached, when it could not. */
  get lastWords(): string | undefined {
    return this.#trouble && `datatask[${this.#told.mark}] infrastructure: ${this.#trouble.message}`;
  }

  /** Ended when the attempt is. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /**
   * Asks.
   *
   * @param path What comes after the attempt's own part of the address.
   * @param request What is asked for.
   * @returns The answer: a success, or one that was to be accepted. Its body is not read yet.
   * @throws {DatataskError} When the agent refuses, or does not answer for too long.
   */
  async ask(path: string, request: Request): Promise<Response> {
    const wait = this.patience(request);
    for (;;) {
      const outcome = await this.#once(path, request);
      if (outcome instanceof Response) return outcome;
      await wait(outcome.why, outcome.after);
    }
  }

  /**
   * How to be patient with something: from the first failure on.
   *
   * @param request What is asked for.
   * @returns What waits before another try; it throws when patience is over.
   */
  patience({ doing, signal = this.signal }: Pick<Request, "doing" | "signal">): Patience {
    let pauses: Backoff | undefined;
    return async (why, after) => {
      pauses ??= backoff(this.#told.patienceMs);
      const waited = await pauses.pause(after, signal);
      if (waited === undefined) throw this.#fail(`Cannot ${doing}: ${why}, for ${pauses.seconds} seconds`);
      if (waited.long) console.error(`datatask: cannot ${doing} yet: ${why}; trying again`);
    };
  }

  /**
   * Asks, and reads the whole answer. Not too many of these are under way at once.
   *
   * @param path What comes after the attempt's own part of the address.
   * @param request What is asked for.
   * @returns The status of the answer, its headers, and its text.
   */
  async tell(
    path: string,
    request: Request,
  ): Promise<{ readonly status: number; readonly headers: Headers; readonly text: string }> {
    if (this.#running >= WIDTH) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running++;
    const wait = this.patience(request);
    try {
      for (;;) {
        const { status, headers, body } = await this.ask(path, request);
        try {
          return { status, headers, text: body ? await new Response(body).text() : "" };
        } catch (error) {
          // It broke off in the middle of the answer: whatever was asked for can be asked for again.
          if (!isCut(error)) throw error;
          await wait(CUT);
        }
      }
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running--;
    }
  }

  /** The answer, or why there is none. */
  async #once(
    path: string,
    { method = "GET", headers, body, accept = [], doing, signal }: Request,
  ): Promise<Response | { readonly why: string; readonly after?: number | undefined }> {
    const ends = signal && signal !== this.signal ? AbortSignal.any([signal, this.signal]) : this.signal;
    ends.throwIfAborted();
    const silence = new Silence(this.#silentMs);
    let response: Response;
    try {
      const answer = fetch(this.#address + this.#told.path + path, {
        method,
        ...(body !== undefined && { body }),
        headers: { ...headers, Authorization: `Bearer ${this.#told.token}` },
        redirect: "manual",
        signal: AbortSignal.any([ends, silence.signal]),
      });
      // How long a large value takes on its way there nobody knows.
      response = silence.over(await (body instanceof ReadableStream ? answer : silence.during(answer)));
    } catch (error) {
      ends.throwIfAborted();
      if (!isCut(error)) throw this.#fail(`Cannot ${doing}: ${(error as Error).message}`);
      await this.#look(doing);
      const { message, cause } = error as Error;
      return this.#nobody(cause instanceof Error ? cause.message : message);
    }
    const { status } = response;
    if (`/${response.headers.get(AGENT_HEADER)}` !== this.#told.path && !anybody(status)) {
      await response.body?.cancel();
      return this.#nobody(`another server does (${status})`);
    }
    if (response.ok || accept.includes(status)) return response;
    const text = (await response.text().catch(() => "")).trim();
    const why = `the agent answers ${status}${text && `: ${text}`}`;
    if (OVER.has(status)) {
      this.#stop.abort(new StopError("cancelled"));
      throw this.#fail(`Cannot ${doing}: ${why}`);
    }
    const code = REFUSED[status];
    if (code) throw new RepositoryError(code, text || `Cannot ${doing}: ${why}`, { operation: doing });
    return { why, after: Number(response.headers.get("retry-after")) * 1000 || undefined };
  }

  #nobody(why: string): { readonly why: string } {
    return { why: `the agent does not answer at ${this.#address}: ${why}` };
  }

  /** Looks whether the agent has moved: what this body may talk to was settled when it began. */
  async #look(doing: string): Promise<void> {
    const { file } = this.#told;
    if (file === undefined) return;
    const address = (await Deno.readTextFile(file).catch(() => "")).trim();
    if (address === "" || address === this.#address) return;
    throw this.#fail(
      `Cannot ${doing}: the agent is at ${address} now, and this body may talk to ${this.#address} only; it is run again`,
    );
  }

  #fail(message: string): DatataskError {
    return this.#trouble = new DatataskError("unavailable", message, { operation: "speak to the agent" });
  }
}

/**
 * Whether an error means that a connection could not be had, or broke.
 *
 * @param error What was thrown.
 * @returns Whether asking again can help.
 */
export function isCut(error: unknown): boolean {
  return error instanceof TypeError || error instanceof Deno.errors.Http;
}

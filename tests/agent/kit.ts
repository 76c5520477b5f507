/**
 * An agent in a folder of its own, and a worker that talks to it, for tests.
 *
 * @module
 */
import { type RunningAgent, startAgent } from "../../agent/mod.ts";
import type { Attempt } from "../../core/attempt.ts";
import { json } from "../../core/codec.ts";
import type { Key } from "../../core/key.ts";
import type { Admission, Grant, GrantedInput, GrantedOutput } from "../../tasks/agent.ts";
import type { AgentOptions } from "../../tasks/agent_options.ts";
import type { KeyFeed } from "../../tasks/runner.ts";

/** The attempt of a job of task `count`. */
export function attemptOf(job: string, attempt = 1): Attempt {
  return { task: "count", job, replica: 0, attempt };
}

/** A grant for a job of task `count`. */
export function grantOf(
  job: string,
  inputs: Readonly<Record<string, GrantedInput>> = {},
  outputs: Readonly<Record<string, GrantedOutput>> = {},
  more: Partial<Grant> = {},
): Grant {
  return {
    attempt: attemptOf(job),
    documents: json,
    inputs: new Map(Object.entries(inputs)),
    outputs: new Map(Object.entries(outputs)),
    ...more,
  };
}

/** Keys of which none is there before it is waited for. */
export function keyFeed(keys: AsyncIterable<Key>): KeyFeed {
  const iterator = keys[Symbol.asyncIterator]();
  return {
    next: async () => {
      const { done, value } = await iterator.next();
      return done ? { done, value: undefined } : { done: false, value };
    },
    ready: () => [],
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

/** What a worker sends. */
export interface Send {
  readonly method?: string;
  readonly body?: BodyInit;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  readonly client?: Deno.HttpClient;
}

/** A worker: it knows the address, the path and the token. */
export class Worker {
  readonly #admission: Admission;
  readonly address: string;

  constructor(admission: Admission, address: string) {
    this.#admission = admission;
    this.address = address;
  }

  /** The header that opens its links. */
  get authorization(): { readonly Authorization: string } {
    return { Authorization: `Bearer ${this.#admission.token}` };
  }

  /** The whole address of a path of its own. */
  url(path: string): string {
    return `${this.address}${this.#admission.path}${path}`;
  }

  /** Asks for something. */
  async fetch(path: string, { headers, ...send }: Send = {}): Promise<Response> {
    return await fetch(this.url(path), { ...send, headers: { ...this.authorization, ...headers } });
  }

  /** Asks for something, and reads the answer. */
  async ask(path: string, send: Send = {}): Promise<Answer> {
    const response = await this.fetch(path, send);
    return { status: response.status, text: await response.text(), headers: response.headers };
  }

  /** Puts a value. */
  async put(path: string, body: BodyInit, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    return await this.ask(path, { method: "PUT", body, headers });
  }
}

/** An answer that was read. */
export interface Answer {
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
}

/** An agent in a folder of its own. */
export class Place implements AsyncDisposable {
  /** The folder of all. */
  readonly folder: string;
  /** What the agent has told a person. */
  readonly notices: string[] = [];
  #agent: RunningAgent;
  readonly #options: AgentOptions;

  private constructor(folder: string, options: AgentOptions) {
    this.folder = folder;
    this.#options = options;
    this.#agent = undefined!;
  }

  /** Makes the folder, and starts the agent. */
  static async make(options: AgentOptions = {}): Promise<Place> {
    const place = new Place(await Deno.makeTempDir(), options);
    await place.start();
    return place;
  }

  get agent(): RunningAgent {
    return this.#agent;
  }

  get address(): string {
    const { url, hostname, port } = this.#agent.server;
    return url ?? `http://${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
  }

  /** Starts the agent, or the next one. */
  async start(pollMs = 200, patienceMs = 10_000): Promise<void> {
    this.#agent = await startAgent({
      folder: `${this.folder}/agent`,
      options: this.#options,
      notice: (message) => void this.notices.push(message),
      pollMs,
      patienceMs,
    });
  }

  /** Ends the agent. */
  async stop(): Promise<void> {
    await this.#agent[Symbol.asyncDispose]();
  }

  /** Lets an attempt in. */
  async admit(
    grant: Grant,
  ): Promise<Worker & { readonly leave: () => Promise<void>; readonly token: string }> {
    const admission = await this.#agent.admit(grant);
    return Object.assign(new Worker(admission, this.address), {
      leave: () => admission.leave(),
      token: admission.token,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await Deno.remove(this.folder, { recursive: true });
  }
}

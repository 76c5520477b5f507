/**
 * The agent of a run: loaded and started when a task first asks for it, and never by those that do without.
 *
 * @module
 */
import type { Agent } from "../tasks/agent.ts";
import type { AgentOptions } from "../tasks/agent_options.ts";

/** What an agent needs of its pipeline. */
export interface AgentHostInit {
  /** The state folder; nothing when there is none. */
  readonly state: string | undefined;
  readonly options: AgentOptions | undefined;
  /** Told what a person should know. */
  readonly notice: (message: string) => void;
}

/** Starts the agent once, however often it is asked for, and shuts it. */
export class AgentHost implements AsyncDisposable {
  readonly #init: AgentHostInit;
  #starting: Promise<Agent & AsyncDisposable> | undefined;
  #temporary: string | undefined;
  #closed = false;

  /** @param init What the agent needs. */
  constructor(init: AgentHostInit) {
    this.#init = init;
  }

  /** The agent. What has failed is tried again by who asks next. */
  readonly get = async (): Promise<Agent> => {
    if (this.#closed) throw new Error("The agent was asked for when the run was over");
    const starting = this.#starting ??= this.#start();
    try {
      return await starting;
    } catch (error) {
      if (this.#starting === starting) this.#starting = undefined;
      throw error;
    }
  };

  /** Shuts it, when it was started. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    const agent = await this.#starting?.catch(() => undefined);
    await agent?.[Symbol.asyncDispose]();
    if (this.#temporary !== undefined) await Deno.remove(this.#temporary, { recursive: true });
  }

  async #start(): Promise<Agent & AsyncDisposable> {
    const { state, options, notice } = this.#init;
    const { startAgent } = await import("../agent/mod.ts");
    const root = state ?? (this.#temporary ??= await Deno.makeTempDir({ prefix: "datatask-" }));
    return await startAgent({ folder: `${root}/agent`, options, notice });
  }
}

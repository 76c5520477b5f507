/**
 * Which attempts are in, which have left.
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { AgentServer } from "../executors/executor.ts";
import type { Admission, Grant } from "../tasks/agent.ts";
import type { AgentLimits } from "../tasks/agent_options.ts";
import { Admitted } from "./admitted.ts";
import { removeAll } from "./files.ts";
import { Refusal } from "./refusal.ts";
import { attemptName, makeToken } from "./token.ts";

/** How long a worker should wait whose attempt is not in: the next coordinator may be about to adopt it. In seconds. */
const RETRY_AFTER = { "Retry-After": "2" };

/** How many attempts are remembered that have left. */
const MOST_LEFT = 20_000;

/** After how long what lies about of an attempt that never came back is rubbish, in milliseconds. */
const ABANDONED = 7 * 86_400_000;

/** Which attempts are in, which have left. */
export class Admissions {
  readonly #secret: Uint8Array;
  readonly #folder: string;
  readonly #limits: AgentLimits;
  readonly #in = new Map<string, Admitted>();
  readonly #left = new Set<string>();

  /**
   * @param secret Signs tokens.
   * @param folder Where items lie until they are published.
   * @param limits What each may do.
   */
  constructor(secret: Uint8Array, folder: string, limits: AgentLimits) {
    this.#secret = secret;
    this.#folder = folder;
    this.#limits = limits;
  }

  /** How many are in. */
  get count(): number {
    return this.#in.size;
  }

  /**
   * Lets an attempt in.
   *
   * @param grant What it may do.
   * @param path What its paths begin with.
   * @param server Where the agent listens.
   * @returns What its worker needs to know.
   */
  async admit(grant: Grant, path: string, server: AgentServer): Promise<Admission> {
    const name = attemptName(grant.attempt);
    const folder = `${this.#folder}/${createHash("sha256").update(name).digest("hex").slice(0, 40)}`;
    const before = this.#in.get(name);
    const admitted = new Admitted(grant, folder, this.#limits, before?.reached ?? false);
    this.#in.set(name, admitted);
    this.#left.delete(name);
    // Whoever is in the middle of something goes on with it under the new grant.
    await before?.shutOut(new Refusal(503, "The attempt was let in again; try again", RETRY_AFTER));
    return {
      token: makeToken(this.#secret, grant.attempt),
      path,
      server,
      reached: () => admitted.reached,
      leave: async () => {
        if (this.#in.get(name) === admitted) this.#leave(name);
        await admitted.shutOut(over());
        if (!this.#in.has(name)) await removeAll(folder);
      },
    };
  }

  /**
   * The attempt of a name.
   *
   * @param name Which.
   * @returns It.
   * @throws {Refusal} When it has left, or is not in yet.
   */
  find(name: string): Admitted {
    const admitted = this.#in.get(name);
    if (admitted) return admitted;
    if (this.#left.has(name)) throw over();
    throw new Refusal(503, "The attempt is not let in now; try again", RETRY_AFTER);
  }

  /** Ends all requests: the agent leaves. The attempts may come back to the next. */
  async close(): Promise<void> {
    const leaving = new Refusal(503, "The coordinator is leaving; try again", RETRY_AFTER);
    await Promise.all([...this.#in.values()].map((admitted) => admitted.shutOut(leaving)));
    this.#in.clear();
  }

  /** Removes what lies about of attempts that never came back. */
  async sweep(now: number): Promise<void> {
    try {
      for (const { name } of [...Deno.readDirSync(this.#folder)]) {
        const path = `${this.#folder}/${name}`;
        if (now - (Deno.lstatSync(path).mtime?.getTime() ?? now) > ABANDONED) await removeAll(path);
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  #leave(name: string): void {
    this.#in.delete(name);
    this.#left.add(name);
    if (this.#left.size > MOST_LEFT) this.#left.delete(this.#left.keys().next().value!);
  }
}

function over(): Refusal {
  return new Refusal(410, "The attempt is over: it can read and write nothing any more");
}

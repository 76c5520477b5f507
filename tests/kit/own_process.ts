/**
 * Servers that a test starts for itself, kills and starts again.
 *
 * @module
 */
import { until } from "./waiting.ts";

/** A port of this machine at which nobody listens. */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/**
 * Tells whether somebody listens at a port of this machine.
 *
 * @param port Which.
 */
export async function listens(port: number): Promise<boolean> {
  return await Deno.connect({ hostname: "127.0.0.1", port }).then(
    (connection) => (connection.close(), true),
    () => false,
  );
}

/** A server in a process of its own, which listens at a port. */
export class OwnProcess {
  readonly #program: string;
  readonly #args: readonly string[];
  readonly #port: number;
  #child: Deno.ChildProcess | undefined;

  /**
   * Starts nothing yet.
   *
   * @param program The program.
   * @param args Its arguments.
   * @param port Where it will listen.
   */
  constructor(program: string, args: readonly string[], port: number) {
    this.#program = program;
    this.#args = args;
    this.#port = port;
  }

  /** Starts it, again too; returns when it listens. */
  async start(): Promise<void> {
    this.#child = new Deno.Command(this.#program, {
      args: [...this.#args],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    await until(`${this.#program} listens`, () => listens(this.#port));
  }

  /** Ends it as a crash would. */
  async kill(): Promise<void> {
    this.#child?.kill("SIGKILL");
    await this.#child?.status;
    this.#child = undefined;
  }
}

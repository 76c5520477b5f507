/**
 * A server of a test's own, which it may cut, stop and start again.
 *
 * @module
 */
import type { SshExecutorOptions } from "../../../executors/ssh/mod.ts";
import { address, program } from "./server.ts";
import { freePort, listens } from "../../kit/own_process.ts";
import { until } from "../../kit/waiting.ts";

/** A server, with the keys of the common one. */
export class OwnServer {
  /** Its port. */
  readonly port: number = freePort();
  readonly #folder = Deno.makeTempDirSync();
  readonly #keys = address.identity.replace(/\/[^/]*$/, "");

  /** How it is reached. */
  get options(): Partial<SshExecutorOptions> {
    return { port: this.port, knownHosts: `${this.#folder}/known_hosts` };
  }

  /** How it is reached through another port of this machine, which leads to its own. */
  at(port: number): Partial<SshExecutorOptions> {
    const known = Deno.readTextFileSync(`${this.#folder}/known_hosts`);
    const knownHosts = `${this.#folder}/known_hosts.${port}`;
    Deno.writeTextFileSync(knownHosts, known.replace(`:${this.port} `, `:${port} `));
    return { port, knownHosts };
  }

  /** Its pid. */
  get pid(): number {
    return Number(Deno.readTextFileSync(`${this.#folder}/pid`));
  }

  /** Starts it: with more lines for its configuration, and with another program for SFTP, or (empty) with none. */
  static async start(
    stack: AsyncDisposableStack,
    extra = "",
    sftp = "internal-sftp",
  ): Promise<OwnServer> {
    const server = new OwnServer();
    const key = Deno.readTextFileSync(`${server.#keys}/host.pub`).split(" ").slice(0, 2).join(" ");
    Deno.writeTextFileSync(`${server.#folder}/known_hosts`, `[127.0.0.1]:${server.port} ${key}\n`);
    Deno.writeTextFileSync(
      `${server.#folder}/config`,
      Deno.readTextFileSync(`${server.#keys}/config`)
        .replace(/^Port .*/m, `Port ${server.port}`)
        .replace(/^PidFile .*/m, `PidFile ${server.#folder}/pid`)
        .replace(/^Subsystem sftp .*/m, sftp && `Subsystem sftp ${sftp}`) + extra,
    );
    stack.defer(async () => {
      await server.stop();
      // Sessions of a server that was killed write their last lines when they notice.
      for (let tries = 1;; tries++) {
        try {
          return await Deno.remove(server.#folder, { recursive: true });
        } catch (error) {
          if (tries === 50) throw error;
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      }
    });
    await server.up();
    return server;
  }

  /** Starts it again. */
  async up(): Promise<void> {
    const { code, stderr } = await new Deno.Command(program, {
      args: ["-f", `${this.#folder}/config`, "-E", `${this.#folder}/log`],
    }).output();
    if (code !== 0) throw new Error(new TextDecoder().decode(stderr));
    await until("the server listens", () => listens(this.port));
  }

  /** Stops it, and cuts its connections. */
  async stop(): Promise<void> {
    if (!await listens(this.port)) return;
    const { pid } = this;
    const sessions = this.sessions();
    Deno.kill(pid, "SIGKILL");
    for (const session of sessions) this.#kill(session);
    await until("the server is gone", async () => !await listens(this.port));
  }

  #kill(pid: number): void {
    try {
      Deno.kill(pid, "SIGKILL");
    } catch {
      // It went by itself.
    }
  }

  /** The processes of its connections. */
  sessions(): number[] {
    const parents = new Map<number, number>();
    for (const { name } of Deno.readDirSync("/proc")) {
      if (!/^\d+$/.test(name)) continue;
      try {
        const stat = Deno.readTextFileSync(`/proc/${name}/stat`);
        const comm = stat.slice(stat.indexOf("(") + 1, stat.lastIndexOf(")"));
        if (comm === "sshd") {
          parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]));
        }
      } catch {
        // It is gone.
      }
    }
    const found = [this.pid];
    for (const parent of found) for (const [pid, ppid] of parents) if (ppid === parent) found.push(pid);
    return found.slice(1);
  }

  /** Cuts its connections; it takes new ones. */
  cut(): void {
    for (const session of this.sessions()) this.#kill(session);
  }
}

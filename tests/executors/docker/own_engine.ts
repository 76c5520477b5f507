/**
 * An engine of a test's own, which it may kill and start again.
 *
 * @module
 */
import assert from "node:assert/strict";
import { needs } from "../../../testing/needs.ts";
import { alive, until } from "../../kit/waiting.ts";

/** The programs that engines are made of. */
export const programs = needs("docker-program", ["DOCKER_PROGRAMS"]);

const SCRIPT = new URL("../../../.ci/services/docker.sh", import.meta.url).pathname;

/** An engine. */
export class OwnEngine {
  readonly #folder: string;
  readonly #settings: string;
  readonly #network = crypto.getRandomValues(new Uint8Array(2));

  private constructor(folder: string, settings: object) {
    this.#folder = folder;
    this.#settings = JSON.stringify(settings);
  }

  /** Starts it with some settings of `daemon.json`. */
  static async start(stack: AsyncDisposableStack, settings: object = {}): Promise<OwnEngine> {
    const folder = await Deno.makeTempDir({ prefix: "dt" });
    const engine = new OwnEngine(folder, settings);
    stack.defer(() => Deno.remove(folder, { recursive: true }).catch(() => {}));
    stack.defer(() => engine.#run("down", "--wipe"));
    stack.defer(() => engine.#orphans());
    await engine.up();
    return engine;
  }

  /** Its socket. */
  get socket(): string {
    return `${this.#folder}/docker/docker.sock`;
  }

  /** The image that it has. */
  readonly image = "datatask-test:1";

  /** Starts it again. */
  up(): Promise<void> {
    return this.#run("up");
  }

  /** Ends it, politely or not; returns when it is gone. Its containers are another matter. */
  async end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const pid = Number(await Deno.readTextFile(`${this.#folder}/docker/pid`));
    Deno.kill(pid, signal);
    await until("the engine is gone", () => !alive(pid));
  }

  /** Ends those who watch over containers for an engine that was killed: nobody else does. */
  #orphans(): void {
    for (const { name: pid } of Deno.readDirSync("/proc")) {
      if (!/^\d+$/.test(pid)) continue;
      try {
        const words = Deno.readTextFileSync(`/proc/${pid}/cmdline`).split("\0");
        if (!words[0]!.endsWith("containerd-shim-runc-v2")) continue;
        if (words.some((word) => word.startsWith(`${this.#folder}/`))) Deno.kill(Number(pid), "SIGKILL");
      } catch {
        // It has gone by itself.
      }
    }
  }

  async #run(...args: readonly string[]): Promise<void> {
    const [third, name] = this.#network;
    const env = {
      DATATASK_SERVICES: this.#folder,
      DOCKER_PROGRAMS: programs.get("DOCKER_PROGRAMS"),
      DOCKER_BRIDGE: `dt-own-${third}-${name}`,
      DOCKER_SUBNET: `172.30.${third}.1/24`,
      DOCKER_SETTINGS: this.#settings,
    };
    const { success, stderr } = await new Deno.Command("bash", {
      args: [SCRIPT, ...args],
      env,
      stdout: "null",
      stderr: "piped",
    }).output();
    assert(success, new TextDecoder().decode(stderr));
  }
}

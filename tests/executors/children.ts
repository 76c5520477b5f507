/**
 * Processes that a test has started, at their end.
 *
 * @module
 */
import assert from "node:assert/strict";

/**
 * Runs a coordinator as a process of its own, and kills it at some instant after it has told that it has begun.
 *
 * @param program Its module, which prints a line when it has begun.
 * @param args What it is told.
 * @param instant How many milliseconds later it is killed, or what is waited for before.
 * @returns Whether it was killed: it may have come to its end before.
 * @throws {AssertionError} When it never began, or failed before it was killed.
 */
export async function killCoordinator(
  program: URL,
  args: readonly string[],
  instant: number | (() => Promise<void>),
): Promise<boolean> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", program.pathname, ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.getReader();
  const { done } = await reader.read();
  if (!done) {
    if (typeof instant === "number") await new Promise((resolve) => setTimeout(resolve, instant));
    else await instant();
    killIfThere(child);
  }
  await reader.cancel();
  const { signal, code } = await child.status;
  assert(!done, `the coordinator ended with code ${code} before it had begun`);
  if (signal === "SIGKILL") return true;
  assert.equal(code, 0, "the coordinator failed before it was killed");
  return false;
}

/** A coordinator as a process of its own, which a test may stop, continue and kill. */
export class Coordinator {
  /** When it has told that it has begun, or has ended. */
  readonly begun: Promise<void>;
  /** How it has ended, and what it said on standard error. */
  readonly ended: Promise<{ readonly code: number; readonly killed: boolean; readonly said: string }>;
  readonly #child: Deno.ChildProcess;

  /**
   * Starts it.
   *
   * @param program Its module, which prints a line when it has begun.
   * @param args What it is told.
   */
  constructor(program: URL, args: readonly string[]) {
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", program.pathname, ...args],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const begun = Promise.withResolvers<void>();
    this.begun = begun.promise;
    this.ended = this.#see(begun.resolve);
  }

  async #see(begun: () => void) {
    const said = new Response(this.#child.stderr).text();
    for await (const _ of this.#child.stdout) begun();
    const { code, signal } = await this.#child.status;
    begun();
    return { code, killed: signal === "SIGKILL", said: await said };
  }

  /** Sends it a signal; does nothing when it has ended. */
  signal(signal: Deno.Signal): void {
    killIfThere(this.#child, signal);
  }
}

/**
 * Kills a coordinator at a random instant: it may have ended by itself just before.
 *
 * @param child Which.
 * @param signal How.
 */
function killIfThere(child: Deno.ChildProcess, signal: Deno.Signal = "SIGKILL"): void {
  try {
    child.kill(signal);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
  }
}

/**
 * Waits until this process has no child any more that works in a folder: shells of an executor that was closed see their run to its end, and go then.
 *
 * @param folder Which.
 */
export async function childrenGone(folder: string): Promise<void> {
  while (childrenIn(folder)) await new Promise((resolve) => setTimeout(resolve, 5));
}

function childrenIn(folder: string): boolean {
  for (const { name: pid } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    try {
      const [state, parent] = Deno.readTextFileSync(`/proc/${pid}/stat`).replace(/^.*\) /s, "").split(" ");
      if (Number(parent) !== Deno.pid) continue;
      // One that nobody has waited for yet shows no folder any more.
      if (state === "Z" || Deno.readLinkSync(`/proc/${pid}/cwd`).startsWith(folder)) return true;
    } catch {
      // It has ended meanwhile.
    }
  }
  return false;
}

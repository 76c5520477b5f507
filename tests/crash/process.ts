/** A coordinator as a process of its own. */

/** How it ended. */
export interface End {
  readonly code: number;
  readonly lines: readonly string[];
  readonly errors: string;
}

/** A coordinator that was started. */
export interface Started {
  readonly pid: number;
  /** When it has ended, however it did. */
  readonly ended: Promise<End>;
  /** Sends it a signal; does nothing when it has ended. */
  signal(signal: Deno.Signal): void;
  /** Kills it after a while; returns whether it was still there. */
  killAfter(ms: number): Promise<boolean>;
  /** Waits for a line that it writes. */
  line(wanted: (line: string) => boolean): Promise<void>;
}

/** What is done to it besides. */
export interface Disturbance {
  /** What is loaded before it. */
  readonly preload: string;
  /** What it finds in its environment. */
  readonly env: Readonly<Record<string, string>>;
}

/** What a program is started by, when not directly: a command that ends with where the program goes. */
export type Wrapper = readonly [command: string, ...args: string[]];

/** Starts a pipeline of these tests. */
export function start(
  folder: string,
  args: readonly string[],
  pipeline = "pipeline.ts",
  disturbance?: Disturbance,
  wrapper: Wrapper | readonly [] = [],
): Started {
  const path = (file: string): string => new URL(file, import.meta.url).pathname;
  const before = disturbance ? ["--preload", path(disturbance.preload)] : [];
  const program = [Deno.execPath(), "run", "-A", "--no-check", ...before, path(pipeline), folder, ...args];
  const [command, ...rest] = [...wrapper, ...program];
  const child = new Deno.Command(command!, {
    args: rest,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    env: { ...disturbance?.env, NO_COLOR: "1" },
  }).spawn();
  const lines: string[] = [];
  const waiting = new Set<{ wanted: (line: string) => boolean; found: () => void }>();
  const reading = (async () => {
    let rest = "";
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
      const parts = (rest + text).split("\n");
      rest = parts.pop()!;
      for (const line of parts) {
        lines.push(line);
        for (const one of waiting) if (one.wanted(line)) one.found();
      }
    }
  })();
  const errors = new Response(child.stderr).text();
  let over = false;
  const ended = (async (): Promise<End> => {
    const { code } = await child.status;
    over = true;
    await reading;
    for (const one of waiting) one.found();
    return { code, lines, errors: await errors };
  })();
  const signal = (name: Deno.Signal): void => {
    try {
      if (!over) child.kill(name);
    } catch (error) {
      // It may have ended by itself between the question and the signal.
      if (!(error instanceof TypeError)) throw error;
    }
  };
  return {
    pid: child.pid,
    ended,
    signal,
    async killAfter(ms) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const late = await Promise.race([
        new Promise<boolean>((resolve) => timer = setTimeout(() => resolve(true), ms)),
        ended.then(() => false),
      ]);
      clearTimeout(timer);
      if (!late || over) return false;
      signal("SIGKILL");
      return true;
    },
    line: (wanted) =>
      new Promise((resolve) => {
        if (over || lines.some(wanted)) return resolve();
        const one = {
          wanted,
          found: () => {
            waiting.delete(one);
            resolve();
          },
        };
        waiting.add(one);
      }),
  };
}

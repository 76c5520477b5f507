/**
 * Requests from other processes to the coordinator: files in a folder, taken away when they are answered.
 *
 * @module
 */
import { sleep, systemClock } from "../core/clock.ts";
import type { Key } from "../core/key.ts";
import type { FoundRun } from "../tasks/runner.ts";
import type { Coordinator } from "./coordinator.ts";
import type { LogPart } from "./live_log.ts";
import type { Run } from "./run.ts";

/** What can be asked of a running coordinator, with what it answers. */
export type Request =
  /** To cancel a job: whether it ran. */
  | { readonly do: "cancel"; readonly task: string; readonly job: Key }
  /** Which runs are under way. */
  | { readonly do: "tell" }
  /** What a job that runs has logged, from a line on: nothing when it does not run. */
  | {
    readonly do: "log";
    readonly task: string;
    readonly job: Key;
    readonly from: number;
    readonly attempt?: number;
  };

/** What each is answered with. */
export interface Answers {
  readonly cancel: boolean;
  readonly tell: readonly FoundRun[];
  readonly log: LogPart | false;
}

/**
 * Asks the running coordinator for something, and waits until it was answered.
 *
 * @param folder Where requests go.
 * @param request What.
 * @param timeoutMs How long to wait, in milliseconds.
 * @returns The answer; nothing when there was none.
 */
export async function ask<R extends Request>(
  folder: string,
  request: R,
  timeoutMs = 10_000,
): Promise<Answers[R["do"]] | undefined> {
  await Deno.mkdir(folder, { recursive: true });
  const name = `${folder}/${crypto.randomUUID()}`;
  await Deno.writeTextFile(`${name}.tmp`, JSON.stringify(request));
  await Deno.rename(`${name}.tmp`, `${name}.json`);
  const deadline = performance.now() + timeoutMs;
  try {
    while (performance.now() < deadline) {
      try {
        return JSON.parse(await Deno.readTextFile(`${name}.answer`));
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
      await sleep(systemClock, 20);
    }
    return undefined;
  } finally {
    for (const end of ["json", "answer"]) await Deno.remove(`${name}.${end}`).catch(() => {});
  }
}

/**
 * The answer of a run to a request.
 *
 * @param request What is asked.
 * @param run The run.
 * @param coordinator Who knows its attempts.
 * @returns The answer.
 */
export function answerTo(
  request: Request,
  run: Pick<Run, "cancel" | "running">,
  coordinator: Pick<Coordinator, "flight">,
): Answers[Request["do"]] {
  switch (request.do) {
    case "cancel":
      return run.cancel(request.task, request.job);
    case "log":
      return coordinator.flight(request.task, request.job)?.logPart(request) ?? false;
    case "tell":
      return run.running();
  }
}

/**
 * Answers requests until it is disposed of.
 *
 * @param folder Where requests go.
 * @param answer What to do; returns what to answer.
 * @returns What ends it.
 */
export async function serveRequests(
  folder: string,
  answer: (request: Request) => Answers[Request["do"]],
): Promise<AsyncDisposable> {
  await Deno.mkdir(folder, { recursive: true });
  // Nobody waits any more for what was asked of an earlier coordinator.
  for (const { name } of Deno.readDirSync(folder)) await Deno.remove(`${folder}/${name}`).catch(() => {});
  const watcher = Deno.watchFs(folder, { recursive: false });
  const look = async (): Promise<void> => {
    for (const { name } of [...Deno.readDirSync(folder)]) {
      if (!name.endsWith(".json")) continue;
      const path = `${folder}/${name}`;
      try {
        const found = answer(JSON.parse(await Deno.readTextFile(path)) as Request);
        await Deno.remove(path);
        const reply = path.replace(/json$/, "answer");
        await Deno.writeTextFile(`${reply}.tmp`, JSON.stringify(found));
        await Deno.rename(`${reply}.tmp`, reply);
      } catch { /* whoever asked is gone, or the file is none of ours */ }
    }
  };
  const serving = (async () => {
    await look();
    for await (const event of watcher) if (event.paths.some((path) => path.endsWith(".json"))) await look();
  })();
  return {
    async [Symbol.asyncDispose]() {
      watcher.close();
      await serving.catch(() => {});
    },
  };
}

/**
 * Tasks whose body is a script that runs as a process.
 *
 * @module
 */
import { type Codec, json } from "../core/codec.ts";
import { type Duration, parseDuration } from "../core/duration.ts";
import { definedBy, DefinitionError } from "../core/errors.ts";
import type { Key } from "../core/key.ts";
import { parseQuantity, type Quota } from "../core/quota.ts";
import type { Executor, ProcessWork } from "../executors/executor.ts";
import { localExecutor } from "../executors/local.ts";
import type { BlobRepository } from "../repositories/blob.ts";
import { input, type Link, type Links, output } from "./link.ts";
import type { ProcessLinks } from "./process_links.ts";
import type { Inside, ProcessPlan } from "./process_runner.ts";
import type { Script } from "./script.ts";
import { scriptRunner } from "./script_runner.ts";
import { defineTask, type Task, type TaskOptions } from "./task.ts";

/** What the function that makes a script gets besides the links. */
export interface ProcessContext {
  /** The job. */
  readonly job: Key;
  /** The name of the task. */
  readonly task: string;
  /** Which attempt this is: 1 for the first. */
  readonly attempt: number;
  /** Which replica: 0 for the run that counts. */
  readonly replica: number;
  /** What the job may use. */
  readonly quota: Quota;
}

/** What a process task can be told besides what every task can. */
export interface ProcessTaskOptions<L extends Links> extends TaskOptions<L> {
  /** What to run: a text or a script, or what makes one for a job. Its first line may name an interpreter: `#!/usr/bin/env python3`. */
  readonly script:
    | string
    | Script
    | ((context: ProcessContext & ProcessLinks<L>) => string | Script | Promise<string | Script>);
  /** Where it runs. Default: this machine. */
  readonly executor?: Executor<ProcessWork>;
  /** What the script reads from its standard input: a repository, which is then required, or the name of an input. Default: nothing. */
  readonly stdin?: BlobRepository | (keyof L & string);
  /** Where its standard output is published when it has succeeded. Default: it goes to the log. */
  readonly stdout?: BlobRepository;
  /** Where its standard error is published, or `"stdout"`: into standard output, in the order of writing. Default: it goes to the log. */
  readonly stderr?: BlobRepository | "stdout";
  /** What is added to its environment. */
  readonly environment?:
    | Readonly<Record<string, string>>
    | ((
      context: ProcessContext & ProcessLinks<L>,
    ) => Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>);
  /** How documents become files for the script and back. Default: JSON. */
  readonly documents?: Codec;
  /** For runs that need the agent: how long they try to reach it while the coordinator is away, before they give up. Default: one hour. */
  readonly patience?: Duration;
  /** Keeps what is downloaded on the worker, by its content, for the next jobs there: where, and how much. Default: nothing is kept. */
  readonly cache?: DownloadCache;
}

/** What a worker keeps of what it has downloaded. Many jobs may share it; what was used longest ago goes first. */
export interface DownloadCache {
  /** A folder on the worker, absolute. It is made. */
  readonly folder: string;
  /** How much it may hold. Default: `10Gi`. */
  readonly size?: number | string;
}

/** What a kind of task wants of an executor. */
export interface Wanted {
  /** The kind of work: `process`. */
  readonly kind: string;
  /** It, for people: `processes`. */
  readonly work: string;
  /** An executor that fits: `localExecutor()`. */
  readonly such: string;
}

/** An executor of processes. */
export const PROCESSES: Wanted = { kind: "process", work: "processes", such: "localExecutor()" };

/** The links that standard streams make. */
function streamLinks(
  name: string,
  links: Links,
  options: Omit<ProcessTaskOptions<Links>, "executor">,
  executor: Executor | undefined,
  wanted: Wanted,
): Links {
  const streams: Record<string, Link> = {};
  if (typeof options.stdin === "object") streams.stdin = { ...input(options.stdin), view: "key" };
  if (options.stdout) streams.stdout = { ...output(options.stdout), view: "key" };
  if (typeof options.stderr === "object") streams.stderr = { ...output(options.stderr), view: "key" };
  const faults = Object.keys(streams).filter((stream) => stream in links).map((stream) =>
    `Task ${name} has a link named "${stream}" and the option ${stream} too; rename the link, or leave the option out`
  );
  const { stdin } = options;
  if (typeof stdin === "string") {
    const link = links[stdin];
    if (link?.direction !== "in" || link.repository.kind !== "blob") {
      faults.push(
        `Task ${name} reads its standard input from "${stdin}", which is no input of blobs; name one, or give a repository`,
      );
    }
  }
  if (executor && executor.sees !== "files" && !executor.reach) {
    faults.push(
      `Task ${name} runs on ${executor.name}, which does not see the files of this machine and says no way to reach the agent; use an executor that does, such as ${wanted.such}`,
    );
  }
  if (options.cache && !options.cache.folder.startsWith("/")) {
    faults.push(
      `Task ${name} has its cache in ${
        JSON.stringify(options.cache.folder)
      }; write an absolute path on the worker`,
    );
  }
  if (executor && !executor.accepts.has(wanted.kind)) {
    faults.push(
      `Task ${name} runs on ${executor.name}, which takes no ${wanted.work}; use one that does, such as ${wanted.such}`,
    );
  }
  if (faults.length > 0) throw new DefinitionError(faults);
  return streams;
}

/**
 * A task whose body is a script that runs as a process.
 *
 * A link is a path to the script: inputs lie there, outputs must be put there. Outputs are published when the script has left with 0 and all
 * that are expected are there; otherwise they are thrown away. The process outlives the coordinator, and the next one takes it over. It is
 * the same on an executor whose work does not see the files of this machine: values travel through the agent.
 *
 * A script in any language finds its links in `DATATASK_INPUT_<LINK>` and `DATATASK_OUTPUT_<LINK>`, and itself in `DATATASK_JOB`,
 * `DATATASK_TASK`, `DATATASK_ATTEMPT`, `DATATASK_REPLICA`, `DATATASK_CPU` and `DATATASK_MEMORY` (bytes). It begins in an empty folder of its own.
 *
 * @param name Its name, unique in a pipeline.
 * @param options The script, where outcomes go, what it reads and writes, and what every task can be told.
 * @returns The task.
 * @throws {DefinitionError} With all that is wrong.
 * @example Counting words with a program
 * ```ts
 * import { FileRepository, input, MemoryMetadataRepository, output, processTask, sh } from "@datatask/datatask";
 * import assert from "node:assert/strict";
 *
 * const books = new FileRepository("./books", { extension: ".txt" });
 * const counts = new FileRepository("./counts", { extension: ".txt" });
 * const count = processTask("count", {
 *   done: new MemoryMetadataRepository("done"),
 *   links: { books: input(books), counts: output(counts) },
 *   script: ({ books, counts }) => sh`wc -w < ${books} > ${counts}`,
 * });
 * assert.equal(count.kind, "process");
 * ```
 */
export function processTask<const L extends Links = Record<never, never>>(
  name: string,
  options: ProcessTaskOptions<L>,
): Task<L> {
  return definedBy(processTask, () => {
    const plan = scriptPlan(
      name,
      options as unknown as ProcessTaskOptions<Links>,
      options.executor,
      PROCESSES,
    );
    const executor = options.executor ?? localExecutor();
    const runner = scriptRunner(executor, () => ({ ...plan, executor, inside: asProcess, together: false }));
    return defineTask<L>(name, "process", { ...options, links: plan.links as L }, runner);
  });
}

/** A process that runs as what it is. */
export const asProcess: Inside<ProcessWork> = { seen: (placed) => placed, work: ({ process }) => process };

/**
 * What all tasks whose body is a script have in common, wherever it runs.
 *
 * @param name The name of the task.
 * @param options What it was told.
 * @param executor Where it runs, when that was told.
 * @param wanted What kind of executor it needs.
 * @returns The plan, without the executor and what changes on the way to it.
 * @throws {DefinitionError} With all that is wrong.
 */
export function scriptPlan(
  name: string,
  options: Omit<ProcessTaskOptions<Links>, "executor">,
  executor: Executor | undefined,
  wanted: Wanted,
): Omit<ProcessPlan, "executor" | "inside" | "together"> {
  const links: Links = options.links ?? {};
  const streams = streamLinks(name, links, options, executor, wanted);
  type Make<T> = (context: Record<string, unknown>) => T | Promise<T>;
  const { script, environment } = options;
  return {
    links: { ...links, ...streams },
    script: typeof script === "function"
      ? (context) => (script as unknown as Make<string | Script>)(context)
      : () => script,
    environment:
      (typeof environment === "function" ? environment : () => environment ?? {}) as unknown as Make<
        Readonly<Record<string, string>>
      >,
    stdin: typeof options.stdin === "object" ? "stdin" : options.stdin,
    stdout: options.stdout !== undefined,
    stderr: typeof options.stderr === "object",
    mergeStderr: options.stderr === "stdout" || (!options.stdout && !options.stderr),
    documents: options.documents ?? json,
    patienceMs: parseDuration(options.patience ?? "1h", `patience of task ${name}`),
    cache: options.cache && {
      folder: options.cache.folder,
      bytes: parseQuantity(options.cache.size ?? "10Gi", `cache.size of task ${name}`),
    },
  };
}

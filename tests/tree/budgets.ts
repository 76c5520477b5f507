/**
 * What the entry points may cost. Start-up is mostly what is imported: a new package or built-in here is a decision, not an accident.
 *
 * @module
 */

/** What an entry point may reach at run time. */
export interface EntryBudget {
  /** Packages and built-ins that are loaded with it. */
  readonly eager: readonly string[];
  /** Packages and built-ins that it loads when they are needed. A package among them is downloaded all the same. */
  readonly lazy: readonly string[];
  /** How many modules of our own are loaded with it. Each costs about 0.3 ms at start. */
  readonly modules: number;
}

/** By entry point. The clients of S3, MongoDB, Kubernetes, SSH and Docker are in none of these: they have entry points of their own. */
export const ENTRY_BUDGETS: Readonly<Record<string, EntryBudget>> = {
  "mod.ts": {
    eager: [],
    lazy: [
      "node:async_hooks",
      "node:crypto",
      "node:http",
      "node:https",
      "node:zlib",
      "npm:js-yaml",
      "npm:modern-tar",
    ],
    modules: 121,
  },
  "cli.ts": { eager: ["node:util"], lazy: ["node:util"], modules: 60 },
};

/**
 * How long importing an entry point may take, as a multiple of what an empty program takes on the same machine at the same time. Held by
 * `deno run -A bench/startup.ts --check`, which is a step of `deno task ok`.
 */
export const START_BUDGETS: Readonly<Record<string, number>> = {
  ".": 4,
  "./cli": 3,
  "./cli --help": 3,
  "./offline": 9,
  "./testing": 7,
  "./s3": 13,
  "./mongodb": 14,
  "./group": 3,
  "./ssh": 9,
  "./docker": 14,
  "./kubernetes": 5,
  "./docker-registry": 4,
  "./sqlite": 4,
};

/** How many lines of code a file may have, comments and empty lines aside. */
export const MAX_CODE_LINES = 250;

/** Files that are longer, each with its reason. */
export const LONGER: Readonly<Record<string, string>> = {
  "executors/local_runs.ts": "one table of runs, and everything that may happen to one",
  "pipeline/coordinator.ts":
    "one state machine: what may happen between the start of an attempt and its record",
  "pipeline/pipeline.ts": "the face of the package: thin methods, one per question, with their documentation",
  "tasks/process_runner.ts": "the life of a process, from its links to its outcome",
  "testing/executor_suite.ts": "a list of cases",
  "testing/key_cases.ts": "a list of cases",
};

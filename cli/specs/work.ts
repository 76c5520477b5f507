/**
 * Commands that get work done.
 *
 * @module
 */
import { builtIn, JSON_FLAG } from "../spec.ts";

const SELECTION = {
  task: {
    kind: "list",
    short: "t",
    brief: "Only this task; may be given more than once",
    placeholder: "TASK",
    completes: "task",
  },
  notTask: {
    kind: "list",
    short: "T",
    brief: "All tasks but this one; may be given more than once",
    placeholder: "TASK",
    completes: "task",
  },
} as const;

/** `run` */
export const RUN = builtIn({
  name: "run",
  brief: "Run the jobs that are ready, until nothing is left to do",
  about: [
    "Jobs whose inputs appear while it runs are run too. What an earlier run has left behind, finished or still running, is taken over.",
    "Ctrl-C starts nothing more and waits for the running jobs; a second Ctrl-C stops them politely; a third leaves at once. Run again to go on.",
    "It ends with 0 when all is well, with 1 when a job has failed or is blocked, with 2 when the command line is wrong, and with 130 after Ctrl-C.",
  ],
  args: [],
  flags: {
    ...SELECTION,
    once: { kind: "boolean", brief: "Start what is ready now, wait for it, and end" },
    forever: { kind: "boolean", brief: "Go on watching for new keys until stopped" },
    watch: { kind: "boolean", brief: "The same as --forever" },
    failFast: { kind: "boolean", brief: "Stop at the first job that fails" },
    dryRun: { kind: "boolean", short: "n", brief: "Only say what would start; nothing is changed" },
    wait: { kind: "boolean", brief: "When somebody else runs this pipeline, wait until they have ended" },
    quiet: { kind: "boolean", short: "q", brief: "Show failures and the summary only" },
    progress: {
      kind: "choice",
      values: ["auto", "plain", "none"],
      brief: "How to show progress: in place on a terminal, a line for each event, or not at all",
    },
    json: { kind: "boolean", brief: "Print each event as a line of JSON" },
  },
  examples: [
    ["run", "run everything there is to do"],
    ["run -t fetch -t parse", "run two tasks only"],
    ["run --forever", "stay, and run jobs as their inputs arrive"],
    ["run --dry-run", "see what would start"],
  ],
});

/** `plan` */
export const PLAN = builtIn({
  name: "plan",
  brief: "Show what a run would start now, and what the rest waits for",
  args: [],
  flags: { ...SELECTION, json: JSON_FLAG },
  examples: [["plan", "what would start now"], ["plan -t parse --json", "for one task, as JSON"]],
});

/** `launch` */
export const LAUNCH = builtIn({
  name: "launch",
  brief: "Run one job now and wait for it",
  about: [
    "No other job is started, so that none holds it up; while somebody else runs the pipeline it is refused. A job that is not ready is refused, with the reason; --force runs it all the same.",
  ],
  args: [{ name: "TASK", completes: "task" }, { name: "JOB", completes: "job" }],
  flags: {
    force: { kind: "boolean", short: "f", brief: "Run it even when it is not ready, or is done already" },
    json: { kind: "boolean", brief: "Print the outcome as JSON" },
  },
  examples: [["launch summary moby-dick", "run this job now"], [
    "launch --force summary moby-dick",
    "run it again",
  ]],
});

/** `retry` */
export const RETRY = builtIn({
  name: "retry",
  brief: "Forget failures, so that the next run tries these jobs again",
  about: [
    "Name a task and its jobs, or give --failed. Jobs that were blocked by a failure become ready again once the job before them succeeds.",
  ],
  args: [{ name: "TASK", optional: true, completes: "task" }, {
    name: "JOB",
    optional: true,
    many: true,
    completes: "job",
  }],
  flags: {
    failed: {
      kind: "boolean",
      brief: "All failed jobs of the tasks named (all arguments are tasks), or of all tasks",
    },
    json: JSON_FLAG,
  },
  examples: [
    ["retry summary moby-dick", "one job"],
    ["retry --failed fetch parse", "all failed jobs of two tasks"],
    ["retry --failed", "all failed jobs there are"],
  ],
});

/** `cancel` */
export const CANCEL = builtIn({
  name: "cancel",
  brief: "Stop a running job; it is recorded as failed",
  about: ["It works from any terminal: the process that runs the pipeline is told."],
  args: [{ name: "TASK", completes: "task" }, { name: "JOB", completes: "job" }],
  flags: { json: JSON_FLAG },
  examples: [["cancel summary moby-dick", "stop this job"]],
});

/**
 * Commands that look, and change nothing.
 *
 * @module
 */
import { builtIn, JSON_FLAG } from "../spec.ts";

/** `status` */
export const STATUS = builtIn({
  name: "status",
  brief: "Show how many jobs of each task are in which state",
  about: [
    "With names of tasks it shows their repositories too, with the number of their keys and the first few of them.",
  ],
  args: [{ name: "TASK", optional: true, many: true, completes: "task" }],
  flags: {
    all: { kind: "boolean", short: "a", brief: "Show the repositories of all tasks" },
    json: JSON_FLAG,
  },
  examples: [["status", "all tasks at a glance"], ["status summary", "one task with its repositories"]],
});

/** `why` */
export const WHY = builtIn({
  name: "why",
  brief: "Explain why a job waits, runs, failed or is blocked",
  about: [
    "Without a job it explains the task: what each repository lets through, and which keys are missing.",
  ],
  args: [{ name: "TASK", completes: "task" }, { name: "JOB", optional: true, completes: "job" }],
  flags: { json: JSON_FLAG },
  examples: [["why summary moby-dick", "explain one job"], ["why summary", "explain a task"]],
});

/** `trace` */
export const TRACE = builtIn({
  name: "trace",
  brief: "Follow jobs through all tasks and repositories",
  about: [
    "For each task: how the job stands, under which key each link has it, and whether there is a value.",
  ],
  args: [{ name: "JOB", many: true, completes: "job" }],
  flags: { json: JSON_FLAG },
  examples: [["trace moby-dick", "where is this job?"], ["trace moby-dick emma --json", "two jobs, as JSON"]],
});

/** `logs` */
export const LOGS = builtIn({
  name: "logs",
  brief: "Print what a job has written",
  about: ["What a script writes and what a function logs can be read while it runs, from any terminal."],
  args: [{ name: "TASK", completes: "task" }, { name: "JOB", completes: "job" }],
  flags: {
    follow: { kind: "boolean", short: "f", brief: "Go on until the job has ended" },
    attempt: { kind: "number", brief: "Of which attempt; default: the last", placeholder: "N" },
    json: { kind: "boolean", brief: "Print each line of it as a line of JSON" },
  },
  examples: [
    ["logs summary moby-dick", "the last attempt"],
    ["logs -f summary moby-dick", "as it is written"],
    ["logs --attempt 1 summary moby-dick", "the first attempt"],
  ],
});

/** `ls` */
export const LS = builtIn({
  name: "ls",
  brief: "List keys, with set algebra over repositories",
  about: [
    "Without arguments it lists the repositories. They are written task.link, or task.link.name for one that the link keeps under the same key besides (cokeyed). a & b: in both; a | b: in either; a - b: in a and not in b (with blanks around the minus); a ^ b: in one of them. Parentheses group. A minus binds tighter than &, then ^, then |.",
    "The jobs of a task that are waiting, ready, running, retrying or blocked are written so, too: task.running. (Those that are over are repositories: task.success, task.failed.)",
    "Quote the expression for your shell. Keys are printed as they are found; --sort orders them.",
  ],
  args: [{ name: "EXPR", optional: true, many: true, completes: "repository" }],
  flags: {
    limit: { kind: "number", short: "n", brief: "Stop after this many keys", placeholder: "N" },
    sort: { kind: "boolean", short: "s", brief: "In alphabetical order" },
    count: { kind: "boolean", short: "c", brief: "Print how many there are" },
    json: JSON_FLAG,
  },
  examples: [
    ["ls", "the names of all repositories"],
    ["ls 'fetch.pages - parse.tables'", "pages that have no table"],
    ["ls --count '(a.out | b.out) & c.in'", "how many"],
    ["ls fetch.blocked", "jobs that will not start by themselves"],
  ],
});

/** `cat` */
export const CAT = builtIn({
  name: "cat",
  brief: "Print a value: raw bytes, a document, or the listing of a tree",
  about: [
    "NAME is a repository (task.link; ls lists them). PATH is a file in a tree, which is printed as it is.",
  ],
  args: [{ name: "NAME", completes: "repository" }, { name: "KEY", completes: "job" }, {
    name: "PATH",
    optional: true,
  }],
  flags: {
    tar: { kind: "boolean", brief: "Print a tree as a tar archive" },
    json: { kind: "boolean", brief: "Print a document as JSON, or the listing of a tree" },
  },
  examples: [
    ["cat summary.done moby-dick", "how a job ended"],
    ["cat render.pages moby-dick index.html", "one file of a tree"],
    ["cat --tar render.pages moby-dick | tar tv", "a tree as an archive"],
  ],
});

/** `graph` */
export const GRAPH = builtIn({
  name: "graph",
  brief: "Draw the pipeline",
  about: [
    "As JSON: nodes (type task or repository; id, label, kind; with --counts the counts of a task or the count of a repository) and edges (from and to, ids of nodes; link, direction: in, out, status or gate; key and many where the link says so).",
  ],
  args: [],
  flags: {
    format: {
      kind: "choice",
      short: "f",
      values: ["mermaid", "dot", "svg", "json"],
      brief: "How to draw it; default: as the name of the output says, else mermaid",
    },
    output: { kind: "text", short: "o", brief: "Write to this file", placeholder: "FILE", completes: "file" },
    counts: { kind: "boolean", short: "c", brief: "Show how many jobs and keys there are" },
    json: JSON_FLAG,
  },
  examples: [
    ["graph -o pipeline.svg", "a picture, for light and dark pages"],
    ["graph --counts", "Mermaid text, with numbers"],
    ["graph --json", "nodes and edges, for a program"],
    ["graph -f dot | dot -Tpng -o pipeline.png", "by way of Graphviz"],
  ],
});

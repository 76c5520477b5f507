/**
 * All that is otherwise loaded when it is first needed, for machines and images that will have no network:
 *
 *     deno cache pipeline.ts jsr:@datatask/datatask/offline
 *
 * Afterwards every command works with `--cached-only`. Importing it runs nothing.
 *
 * @module
 */
import "./commands/backup.ts";
import "./commands/cancel.ts";
import "./commands/cat.ts";
import "./commands/complete.ts";
import "./commands/completions.ts";
import "./commands/copy.ts";
import "./commands/doctor.ts";
import "./commands/graph.ts";
import "./commands/inject.ts";
import "./commands/launch.ts";
import "./commands/logs.ts";
import "./commands/ls.ts";
import "./commands/plan.ts";
import "./commands/restore.ts";
import "./commands/retry.ts";
import "./commands/rm.ts";
import "./commands/run.ts";
import "./commands/shell.ts";
import "./commands/status.ts";
import "./commands/trace.ts";
import "./commands/why.ts";
import "./graph/svg.ts";
import "./io.ts";
import "./program.ts";
import "./start.ts";
import "../cli.ts";
import "../deps/ajv.ts";
import "../executors/workers/subprocess_main.ts";
import "../executors/workers/thread_main.ts";
import "../pipeline/pipeline.ts";
import "../tasks/carried/main.ts";

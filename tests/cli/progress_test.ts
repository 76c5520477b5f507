import assert from "node:assert/strict";
import { styles, widthOf } from "../../cli/ansi.ts";
import { jsonLine } from "../../cli/progress/json.ts";
import { ProgressModel, stoppingText } from "../../cli/progress/model.ts";
import { Painter } from "../../cli/progress/painter.ts";
import { PlainProgress } from "../../cli/progress/plain.ts";
import { renderProgress } from "../../cli/progress/render.ts";
import { runExitCode, summaryLines } from "../../cli/progress/summary.ts";
import { NO_JOBS, type ProgressView } from "../../cli/progress/view.ts";
import type { PipelineEvent, RunSummary } from "../../pipeline/events.ts";
import type { Outcome } from "../../tasks/outcome.ts";
import { outcomeOf } from "../kit/outcome.ts";

const plain = styles(false);
const logsCommand = (task: string, job: string): string => `dt logs ${task} ${job}`;

const finished = (at: number, job: string, success = true, more: Partial<Outcome> = {}): PipelineEvent => ({
  type: "finished",
  at,
  attempt: { task: "count", job, replica: 0, attempt: 1 },
  outcome: outcomeOf(success, more),
});

const VIEW: ProgressView = {
  ms: 65_000,
  tasks: [
    { name: "count", counts: { ...NO_JOBS, done: 120, failed: 4, running: 8, ready: 268 }, perSecond: 12.5 },
    { name: "report", counts: { ...NO_JOBS, done: 20, blocked: 4, waiting: 376 }, perSecond: 0.5 },
    { name: "publish", counts: { ...NO_JOBS }, perSecond: undefined },
  ],
  running: [{ label: "count/moby-dick", where: "pid 4711", ms: 62_000 }, {
    label: "count/emma",
    where: "",
    ms: 900,
  }],
  failures: [{ label: "count/zork", text: "exit code 3", command: "dt logs count zork" }],
  note: undefined,
};

Deno.test("renderProgress() shows tasks, what runs longest, and the last failures", () => {
  assert.deepEqual(renderProgress(VIEW, { columns: 100, rows: 30 }, plain), [
    "count   ████████▓▒░░░░░░░░░░░░░░░░░░ 120/400  4 failed, 8 running, 22s left, 13/s, 268 ready",
    "report  █▓░░░░░░░░░░░░░░░░░░░░░░░░░░  20/400  4 blocked, 12m32s left, 30/min, 376 waiting",
    "publish ····························     0/0",
    "",
    "Running longest",
    "  count/moby-dick     1m2s  pid 4711",
    "",
    "Failed last",
    "  ✗ count/zork  exit code 3",
    "    dt logs count zork",
  ]);
});

Deno.test("renderProgress() fits every terminal, with and without colors", () => {
  const tasks = Array.from(
    { length: 40 },
    (_, i) => ({ ...VIEW.tasks[i % 3]!, name: `task-${"x".repeat(i)}-${i}` }),
  );
  for (const style of [plain, styles(true)]) {
    for (const columns of [10, 20, 40, 80, 200]) {
      for (const rows of [3, 6, 12, 24, 60]) {
        const lines = renderProgress(
          { ...VIEW, tasks, note: "Stopping: ".repeat(20) },
          { columns, rows },
          style,
        );
        assert.ok(lines.length < rows, `${lines.length} lines in ${rows} rows`);
        for (const line of lines) assert.ok(widthOf(line) < columns, `${JSON.stringify(line)} in ${columns}`);
      }
    }
  }
});

Deno.test("renderProgress() keeps tasks with something going on when there is no room for all", () => {
  const idle = { name: "idle", counts: { ...NO_JOBS, done: 1 }, perSecond: undefined };
  const tasks = [...Array.from({ length: 30 }, (_, i) => ({ ...idle, name: `idle-${i}` })), VIEW.tasks[0]!];
  const lines = renderProgress({ ...VIEW, tasks }, { columns: 80, rows: 20 }, plain);
  assert.ok(lines.some((line) => line.startsWith("count ")));
  assert.ok(lines.includes("… and 24 more tasks"));
});

Deno.test("renderProgress() fills the bar only when all jobs have ended", () => {
  const bar = (done: number, total: number): string =>
    renderProgress(
      {
        ...VIEW,
        tasks: [{ name: "t", counts: { ...NO_JOBS, done, waiting: total - done }, perSecond: undefined }],
      },
      { columns: 100, rows: 9 },
      plain,
    )[0]!;
  assert.match(bar(9999, 10000), /█░ /);
  assert.doesNotMatch(bar(10000, 10000), /░/);
});

Deno.test("ProgressModel knows what runs, what has failed, and how fast it goes", () => {
  const model = new ProgressModel(logsCommand);
  const counts = { count: { ...NO_JOBS, done: 10, running: 1, ready: 5 } };
  model.view(0, counts);
  model.apply({ type: "started", at: 0, attempt: { task: "count", job: "slow", replica: 0, attempt: 2 } });
  model.apply({
    type: "located",
    at: 1,
    attempt: { task: "count", job: "slow", replica: 0, attempt: 2 },
    where: "pid 7",
  });
  for (let i = 1; i <= 5; i++) model.apply(finished(i * 1000, `bad-${i}`, false, { exitCode: i }));
  const view = model.view(10_000, counts);
  assert.deepEqual(view.running, [{ label: "count/slow@2", where: "pid 7", ms: 10_000 }]);
  assert.deepEqual(view.failures.map(({ text }) => text), ["exit code 3", "exit code 4", "exit code 5"]);
  assert.equal(view.failures[2]!.command, "dt logs count bad-5");
  assert.equal(view.tasks[0]!.perSecond, 0.5);
  model.apply({
    type: "released",
    at: 11_000,
    attempt: { task: "count", job: "slow", replica: 0, attempt: 2 },
    why: "x",
  });
  assert.equal(model.runningCount, 0);
});

Deno.test("PlainProgress writes a line for each event that matters", () => {
  const lines: string[] = [];
  const progress = new PlainProgress({
    write: (line) => lines.push(line),
    quiet: false,
    logsCommand,
    time: () => "12:00:00",
  });
  const attempt = { task: "count", job: "emma", replica: 0, attempt: 1 };
  progress.apply({ type: "opened", at: 0, tasks: {}, adopted: 2 });
  progress.apply(finished(1000, "emma"));
  progress.apply(finished(1000, "zork", false, { exitCode: 3 }));
  progress.apply(finished(1000, "late", false, { reason: "timed-out", seconds: 90 }));
  progress.apply({
    type: "retrying",
    at: 1000,
    attempt,
    outcome: outcomeOf(false, { signal: "SIGKILL" }),
    retryAt: 3000,
  });
  progress.apply({ type: "trouble", at: 1000, message: "Cannot list x", error: new Error("it is\ngone") });
  progress.apply({ type: "skipped-names", at: 1000, repository: "files", names: ["a b"], count: 1 });
  assert.deepEqual(lines, [
    "12:00:00 took over 2 jobs that an earlier run had started",
    "12:00:00 count/emma done in 1.0s",
    "12:00:00 count/zork failed: exit code 3; see dt logs count zork",
    "12:00:00 count/late failed: timed out after 1m30s; see dt logs count late",
    "12:00:00 count/emma failed and is tried again in 2.0s: ended by SIGKILL",
    "12:00:00 trouble: Cannot list x: it is gone",
    '12:00:00 skipped 1 name that is no valid key in files: "a b"',
  ]);
});

Deno.test("PlainProgress sums a flood up, and loses nothing of it", () => {
  const lines: string[] = [];
  const progress = new PlainProgress({
    write: (line) => lines.push(line),
    quiet: false,
    logsCommand,
    time: () => "",
  });
  const jobs = 100_000;
  for (let i = 0; i < jobs; i++) progress.apply(finished(Math.floor(i / 10), `k${i}`, i % 1000 !== 0));
  progress.flush(10_000);
  assert.ok(lines.length <= 10 * 21, `${lines.length} lines`);
  let done = 0;
  let failed = 0;
  for (const line of lines) {
    done += line.includes(" done in ")
      ? 1
      : Number(/([\d,]+) more done/.exec(line)?.[1]?.replaceAll(",", "") ?? 0);
    failed += line.includes(" failed: ")
      ? 1
      : Number(/([\d,]+) more failed/.exec(line)?.[1]?.replaceAll(",", "") ?? 0);
  }
  assert.equal(done, jobs - 100);
  assert.equal(failed, 100);
});

Deno.test("PlainProgress tells trouble of one kind three times, and counts the rest", () => {
  const lines: string[] = [];
  const progress = new PlainProgress({
    write: (line) => lines.push(line),
    quiet: false,
    logsCommand,
    time: () => "",
  });
  const trouble = (message: string): void =>
    progress.apply({ type: "trouble", at: 0, message } as PipelineEvent & { readonly type: "trouble" });
  for (let i = 0; i < 100; i++) trouble(`Cannot record job "k${i}" of task t: no space: './done/.tmp-${i}'`);
  trouble("Cannot list books: the service is not there");
  progress.flush(0);
  assert.deepEqual(lines, [
    ...[0, 1, 2].map((i) => ` trouble: Cannot record job "k${i}" of task t: no space: './done/.tmp-${i}'`),
    " trouble: Cannot list books: the service is not there",
    " … 97 more of the trouble above",
  ]);
});

Deno.test("PlainProgress says only what failed when it is quiet", () => {
  const lines: string[] = [];
  const progress = new PlainProgress({
    write: (line) => lines.push(line),
    quiet: true,
    logsCommand,
    time: () => "",
  });
  for (let i = 0; i < 100; i++) progress.apply(finished(0, `k${i}`, i !== 50));
  progress.flush(0);
  assert.deepEqual(lines, [" count/k50 failed: failed; see dt logs count k50"]);
});

Deno.test("Painter goes back over the rows that its lines take, also when the terminal has become narrower", () => {
  let written = "";
  let columns = 80;
  const painter = new Painter((text) => written += text, () => columns);
  painter.paint(["a".repeat(50), "b"]);
  written = "";
  painter.paint(["c"]);
  assert.ok(written.includes("\x1b[2A\r"));
  painter.paint(["a".repeat(50), "b"]);
  columns = 20;
  written = "";
  painter.paint(["c"]);
  assert.ok(written.includes("\x1b[4A\r"), "50 columns take three rows of 20, and b one");
  painter.leave();
  written = "";
  painter.paint(["d"]);
  assert.ok(!written.includes("A\r"), "nothing to go back over");
});

Deno.test("jsonLine() gives one line, with the text of errors", () => {
  const line = jsonLine({ type: "trouble", at: 1, message: "m", error: new Error("a\nb") });
  assert.equal(line.indexOf("\n"), line.length - 1);
  assert.equal(JSON.parse(line).error, "a\nb");
});

const summary = (more: Partial<RunSummary>): RunSummary => ({
  succeeded: 0,
  failed: 0,
  started: 0,
  adopted: 0,
  stuck: 0,
  ms: 12_300,
  tasks: { count: { ...NO_JOBS, done: 12 } },
  ended: "complete",
  ...more,
});
const next = { retry: "dt retry --failed", why: (task: string): string => `dt why ${task}` };

Deno.test("summaryLines() says in one line that nothing was to do", () => {
  assert.deepEqual(summaryLines(summary({}), next), ["Nothing to do: 12 jobs done, 0 failed"]);
});

Deno.test("summaryLines() says that there are no jobs at all, and how to see why", () => {
  assert.deepEqual(summaryLines(summary({ tasks: { count: NO_JOBS } }), next), [
    "Nothing to do: there are no jobs, since no key is in all that a task requires",
    `See what is missing:  ${next.why("count")}`,
  ]);
});

Deno.test("summaryLines() says what was done, and what to do next", () => {
  const tasks = {
    count: { ...NO_JOBS, done: 396, failed: 4 },
    report: { ...NO_JOBS, blocked: 4, waiting: 2 },
  };
  assert.deepEqual(summaryLines(summary({ succeeded: 396, failed: 4, started: 400, tasks }), next), [
    "Done after 12s: 396 succeeded, 4 failed, 4 blocked, 2 waiting",
    "Try failed jobs again:  dt retry --failed",
    "See why jobs are blocked:  dt why report",
    "See what the others wait for:  dt why report",
  ]);
});

Deno.test("summaryLines() tells failures of this run from those before it, and what waits from what was left", () => {
  const tasks = { count: { ...NO_JOBS, done: 3, failed: 2, ready: 4 }, report: { ...NO_JOBS, waiting: 5 } };
  const words = { succeeded: 3, failed: 1, started: 4, tasks };
  assert.equal(
    summaryLines(summary({ ...words, ended: "stopped" }), next)[0],
    "Stopped after 12s: 3 succeeded, 1 failed, 1 failed before, 5 waiting, 4 left for the next run",
  );
  assert.equal(
    summaryLines(summary({ ...words, failed: 2, ended: "complete" }), next)[0],
    "Done after 12s: 3 succeeded, 2 failed, 9 waiting",
  );
  const stuck = { count: { ...NO_JOBS, done: 1, waiting: 1 } };
  assert.deepEqual(summaryLines(summary({ succeeded: 1, started: 1, stuck: 1, tasks: stuck }), next), [
    "Done after 12s: 1 succeeded, 0 failed, 1 left for the next run by trouble that is not theirs",
    "See what was left, and why:  dt why count",
  ]);
});

Deno.test("stoppingText() says what is waited for, and how to force it", () => {
  assert.equal(stoppingText("drain", 0), "Stopping: no job is running. Ctrl-C again to leave at once.");
  assert.match(stoppingText("drain", 1), /waiting for 1 running job\. Ctrl-C again to stop it\.$/);
  assert.match(stoppingText("stop", 2), /^Stopping 2 running jobs politely; they run again next time\./);
});

Deno.test("runExitCode() tells success, failure and Ctrl-C apart", () => {
  assert.equal(runExitCode(summary({ succeeded: 3 }), undefined), 0);
  assert.equal(runExitCode(summary({ failed: 1 }), undefined), 1);
  assert.equal(runExitCode(summary({ stuck: 1 }), undefined), 1);
  assert.equal(runExitCode(summary({ tasks: { a: { ...NO_JOBS, blocked: 1 } } }), undefined), 1);
  assert.equal(runExitCode(summary({ ended: "stopped", failed: 1 }), 130), 130);
  assert.equal(runExitCode(summary({ ended: "complete" }), 130), 0, "all was done before it could stop");
});

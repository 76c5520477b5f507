import assert from "node:assert/strict";

import { CLI, deno, ended, started, withPipeline } from "./own_program.ts";

Deno.test("cli.ts --help needs no permission", async () => {
  const { code, out, err } = await ended(deno("/", CLI, "--help"));
  assert.deepEqual([code, err], [0, ""]);
  assert.match(out, /^datatask {2}runs pipelines over data: /);
});

Deno.test("cli.ts finds the nearest pipeline upward, runs it, and says what was done", () =>
  withPipeline(1, async (dir) => {
    await Deno.mkdir(`${dir}/deep/er`, { recursive: true });
    const status = await ended(deno(`${dir}/deep/er`, "-A", CLI, "status", "--json"));
    assert.deepEqual([status.code, status.err], [0, ""]);
    const { code, out, err } = await ended(deno(dir, "-A", CLI, "run"));
    assert.deepEqual([code, err], [0, ""]);
    assert.match(out, /^\d\d:\d\d:\d\d copy\/. done in .*\n/);
    assert.match(out, /\nDone after .*: 3 succeeded, 0 failed\n$/);
  }));

Deno.test("main() makes a program of a pipeline, and sets its exit code", () =>
  withPipeline(1, async (dir) => {
    assert.equal((await ended(deno(dir, "-A", "pipeline.ts", "run", "--quiet"))).code, 0);
    assert.equal((await ended(deno(dir, "-A", "pipeline.ts", "ls", "copy.made", "--sort"))).out, "a\nb\nc\n");
    const wrong = await ended(deno(dir, "-A", "pipeline.ts", "why", "cpoy"));
    assert.deepEqual([wrong.code, wrong.out, wrong.err], [
      2,
      "",
      'datatask: There is no task "cpoy"; did you mean "copy"? List them with "deno run -A pipeline.ts status"\n',
    ]);
  }));

Deno.test("a program that defines what is wrong is ended with what is wrong and the line of its author, and no other", () =>
  withPipeline(1, async (dir) => {
    const text = await Deno.readTextFile(`${dir}/pipeline.ts`);
    const wrong = {
      'functionTask("co py", {': [/Task name "co py" is not valid; use letters, .*\n/, "functionTask("],
      "{ tasks: [copy, copy] }": [/Task copy is given twice; give it once\n/, "new Pipeline("],
    } as const;
    for (const [change, [message, culprit]] of Object.entries(wrong)) {
      const changed = text.replace(
        change.startsWith("{") ? "{ tasks: [copy] }" : /functionTask\("copy", \{/,
        change,
      );
      await Deno.writeTextFile(`${dir}/pipeline.ts`, changed);
      const { code, out, err } = await ended(deno(dir, "-A", "pipeline.ts", "run"));
      assert.deepEqual([code, out], [1, ""]);
      const [first, line, caret, ...frames] = err.trimEnd().split("\n");
      assert.match(`${first}\n`, message);
      assert.equal(line!.slice(caret!.indexOf("^")).slice(0, culprit.length), culprit);
      assert.deepEqual(frames.map((frame) => frame.replace(/:\d+:\d+$/, "")), [
        `    at file://${dir}/pipeline.ts`,
      ]);
    }
  }));

Deno.test("a missing permission is named with its flag", () =>
  withPipeline(1, async (dir) => {
    const none = await ended(deno(dir, "--no-prompt", CLI, "status"));
    assert.equal(none.code, 2);
    assert.match(
      none.err,
      /^datatask: Not allowed: this needs read access to ".*"; run again with --allow-read \(or -A, for all permissions\)\n$/,
    );

    const some = await ended(deno(dir, "--no-prompt", "--allow-read", CLI, "run"));
    assert.equal(some.code, 2);
    assert.match(some.err, /^datatask: .*--allow-write/);
    assert.doesNotMatch(some.err, /^\s+at /m);
  }));

Deno.test("there is no pipeline, and it says where it looked", async () => {
  const dir = await Deno.realPath(await Deno.makeTempDir());
  try {
    const { code, err } = await ended(deno(dir, "-A", CLI, "status"));
    assert.deepEqual([code, err], [
      2,
      `datatask: Cannot find a pipeline: there is no pipeline.ts or pipeline.js in ${dir} or above; go to its folder, or name it with -p FILE\n`,
    ]);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("a reader that leaves early is no error", () =>
  withPipeline(1, async (dir) => {
    const script =
      `${Deno.execPath()} run --no-lock --no-config -q -A ${CLI} ls | true; echo "\${PIPESTATUS[0]}"`;
    const { stdout, stderr } = await new Deno.Command("bash", { args: ["-c", script], cwd: dir }).output();
    assert.equal(new TextDecoder().decode(stderr), "");
    assert.match(new TextDecoder().decode(stdout), /^(0|141)\n$/);
  }));

Deno.test("Ctrl-C waits for the running jobs, starts nothing more, and ends with 130", () =>
  withPipeline("go", async (dir) => {
    const { child, rest, err, says } = await started(dir);
    child.kill("SIGINT");
    await says;
    await Deno.writeTextFile(`${dir}/go`, "");
    assert.equal((await child.status).code, 130);
    assert.equal(
      await err,
      "Stopping: nothing more is started; waiting for 2 running jobs. Ctrl-C again to stop them.\n",
    );
    const events = (await rest).trimEnd().split("\n").map((line) => JSON.parse(line));
    const { summary } = events.at(-1);
    assert.deepEqual([summary.ended, summary.succeeded, summary.failed], ["stopped", 2, 0]);
  }));

Deno.test("SIGTERM, like a second Ctrl-C, stops the running jobs; they have not failed and run again", () =>
  withPipeline(60_000, async (dir) => {
    const { child, rest, err } = await started(dir);
    child.kill("SIGTERM");
    assert.equal((await child.status).code, 143);
    assert.match(await err, /^Stopping 2 running jobs politely; they run again next time\./);
    const { summary } = JSON.parse((await rest).trimEnd().split("\n").at(-1)!);
    assert.deepEqual([summary.ended, summary.succeeded, summary.failed], ["stopped", 0, 0]);
    const status = JSON.parse((await ended(deno(dir, "-A", CLI, "status", "--json"))).out);
    assert.equal(status.tasks[0].counts.ready, 3);
  }));

/** Adds to what the body of `copy` does, before it is done. */
async function addToBody(dir: string, text: string): Promise<void> {
  const path = `${dir}/pipeline.ts`;
  const module = await Deno.readTextFile(path);
  await Deno.writeTextFile(path, module.replace("  await promise;\n", `  await promise;\n${text}\n`));
}

Deno.test("an error that belongs to no job is told, and takes no job down", () =>
  withPipeline(50, async (dir) => {
    await addToBody(
      dir,
      `if (given.key === "a") { void Promise.reject(new Error("late")); setTimeout(() => { throw "later"; }); }`,
    );
    const { code, out, err } = await ended(deno(dir, "-A", CLI, "run"));
    assert.match(out, /: 3 succeeded, 0 failed\n$/);
    assert.match(
      err,
      /^An error that belongs to no job: late \(file:\/\/\S+pipeline\.ts:\d+:\d+\); the run goes on\./,
    );
    assert.match(
      err,
      /\nAn error that belongs to no job: later; the run goes on\. A body .* add the missing await\n$/,
    );
    assert.equal(code, 1);
  }));

Deno.test("a run that a body ends with Deno.exit says so, does not end well, and goes on next time", () =>
  withPipeline(50, async (dir) => {
    await addToBody(dir, "if (!Deno.args.includes('--quiet')) Deno.exit(0);");
    const { code, err } = await ended(deno(dir, "-A", CLI, "run"));
    assert.deepEqual([code, err], [
      1,
      "The process was ended in the middle of the run, by Deno.exit in a body or in what it calls; run again\n",
    ]);
    assert.equal((await ended(deno(dir, "-A", CLI, "run", "--quiet"))).code, 0);
  }));

Deno.test("a second run says who runs the pipeline, and ends with 1", () =>
  withPipeline(60_000, async (dir) => {
    const { child, rest, err } = await started(dir);
    const second = await ended(deno(dir, "-A", CLI, "run"));
    const launched = await ended(deno(dir, "-A", CLI, "launch", "copy", "c"));
    child.kill("SIGTERM");
    await child.status;
    await Promise.all([rest, err]);
    assert.equal(second.code, 1);
    assert.ok(second.err.includes(String(child.pid)), second.err);
    assert.match(second.err, /; wait until it has ended, or stop it first; run --wait waits for it\n$/);
    assert.equal(launched.code, 1);
    assert.match(
      launched.err,
      /^datatask: Cannot launch "c" of task copy: the pipeline is being run by process /,
    );
    assert.doesNotMatch(launched.err, /--/);
  }));

Deno.test("a run whose output nobody reads any more stops politely, without a word", () =>
  withPipeline(500, async (dir) => {
    const script =
      `${Deno.execPath()} run --no-lock --no-config -q -A ${CLI} run --json | head -n 1 >first; echo "\${PIPESTATUS[0]}"`;
    await Deno.writeTextFile(`${dir}/in/d`, "x");
    const child = new Deno.Command("bash", {
      args: ["-c", script],
      cwd: dir,
      stdout: "piped",
      stderr: "piped",
    });
    const { stdout, stderr } = await child.output();
    assert.equal(new TextDecoder().decode(stderr), "");
    assert.equal(new TextDecoder().decode(stdout), "141\n");
    assert.equal(JSON.parse(await Deno.readTextFile(`${dir}/first`)).type, "opened");
  }));

Deno.test("a pipeline that may not even read the command line says which flag it needs", () =>
  withPipeline(1, async (dir) => {
    const { code, err } = await ended(deno(dir, "pipeline.ts", "run"));
    assert.equal(code, 2);
    assert.match(
      err,
      /^datatask: Not allowed: this needs read access to ".*cli\/start\.ts"; run again with --allow-read \(or -A, for all permissions\)\n$/,
    );
  }));

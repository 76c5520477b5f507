import assert from "node:assert/strict";
import {
  and,
  functionTask,
  inhibits,
  input,
  lookup,
  MemoryBlobRepository,
  MemoryMetadataRepository,
  or,
  outputs,
  Pipeline,
  requires,
  stream,
} from "../../mod.ts";
import { cli, toy } from "./held_io.ts";

/** A pipeline that has run: `emma` is done, `bad-1` has failed, `lost` was never counted. */
async function ran() {
  const it = toy();
  await it.books.put("emma", "a b c");
  await it.books.put("bad-1", "x");
  const { code, out } = await cli(["run"], it);
  assert.equal(code, 1, out);
  return it;
}

Deno.test("run does what there is to do, and says so", async () => {
  const it = toy();
  await it.books.put("emma", "a b c");
  const { code, out } = await cli(["run"], it);
  assert.equal(code, 0);
  assert.match(out, /count\/emma done in/);
  assert.match(out, /report\/emma done in/);
  assert.match(out, /\nDone after .*: 2 succeeded, 0 failed\n$/);
  const again = await cli(["run"], it);
  assert.deepEqual([again.code, again.out], [0, "Nothing to do: 2 jobs done, 0 failed\n"]);
});

Deno.test("run ends with 1 when a job has failed, and says how to see its log and to try again", async () => {
  const it = toy();
  await it.books.put("bad-1", "x");
  const { code, out } = await cli(["run"], it);
  assert.equal(code, 1);
  assert.match(out, /count\/bad-1 failed: cannot count bad-1; see dt logs count bad-1\n/);
  assert.match(
    out,
    /: 0 succeeded, 1 failed, 1 blocked\nTry failed jobs again: {2}dt retry --failed\nSee why jobs are blocked: {2}dt why report\n$/,
  );
  const again = await cli(["run"], it);
  assert.deepEqual(
    [again.code, again.out],
    [
      1,
      "Nothing to do: 0 jobs done, 1 failed, 1 blocked\nTry failed jobs again:  dt retry --failed\nSee why jobs are blocked:  dt why report\n",
    ],
  );
});

Deno.test("run --json prints events, one a line, and nothing else", async () => {
  const it = toy();
  await it.books.put("emma", "a b c");
  const { code, out, err } = await cli(["run", "--json"], it);
  assert.equal(code, 0);
  assert.equal(err, "");
  const types = out.trimEnd().split("\n").map((line) => JSON.parse(line).type);
  assert.equal(types[0], "opened");
  assert.equal(types.at(-1), "closed");
  assert.equal(types.filter((type) => type === "finished").length, 2);
});

Deno.test("run -t and -T choose tasks; --quiet and --progress none keep silent", async () => {
  const it = toy();
  await it.books.put("emma", "a b c");
  const first = await cli(["run", "-t", "count", "--quiet"], it);
  assert.match(first.out, /^Done after .*1 succeeded/);
  const second = await cli(["run", "-T", "count", "--progress", "none"], it);
  assert.match(second.out, /^Done after .*1 succeeded/);
});

Deno.test("run --dry-run changes nothing", async () => {
  const it = toy();
  await it.books.put("emma", "a b c");
  const { code, out } = await cli(["run", "--dry-run"], it);
  assert.equal(code, 0);
  assert.match(out, /^1 job would start now\n/);
  assert.equal(await it.words.has("emma"), false);
  assert.equal((await cli(["plan"], it)).out, out);
  assert.equal(JSON.parse((await cli(["plan", "--json"], it)).out).start[0].job, "emma");
});

Deno.test("plan says that nothing would start", async () => {
  assert.equal((await cli(["plan"], toy())).out, "Nothing would start: 0 jobs done, 0 failed\n");
});

Deno.test("status shows states, and repositories when a task is named", async () => {
  const it = await ran();
  const { out, code } = await cli(["status"], it);
  assert.equal(code, 0);
  assert.match(out, /^toy is not running\n\nTASK +WAITING/);
  assert.match(out, /count +- +- +- +- +1 +1 +-\n/);
  assert.match(out, /report +- +- +- +- +1 +- +1\n/);
  assert.match(
    (await cli(["status", "count"], it)).out,
    /count\.books +reads +2 +(bad-1, emma|emma, bad-1) +the books\n/,
  );
  assert.equal(JSON.parse((await cli(["status", "count", "--json"], it)).out).tasks.length, 1);
});

Deno.test("why explains a job, a blocked job, and a task", async () => {
  const it = await ran();
  const failed = (await cli(["why", "count", "bad-1"], it)).out;
  assert.match(failed, /^count\/bad-1 has failed\n/);
  assert.match(failed, /Attempts\n {2}1 .* cannot count bad-1\n/);
  assert.match(failed, /dt logs count bad-1/, "hints can be copied");
  assert.match((await cli(["why", "report", "bad-1"], it)).out, /^report\/bad-1 is blocked\n[^]*✗/);
  assert.match((await cli(["why", "report"], it)).out, /^report: 1 done, 1 blocked\n/);
  assert.match(
    (await cli(["why", "count"], it)).out,
    /\nFor example\n {2}bad-1 failed after .*: cannot count bad-1\n/,
  );
  assert.equal(JSON.parse((await cli(["why", "report", "bad-1", "--json"], it)).out).state, "blocked");
});

Deno.test("trace follows jobs", async () => {
  const it = await ran();
  const { out } = await cli(["trace", "emma", "bad-1"], it);
  assert.match(out, /^emma\n {2}count {2}done {2}done in [^]*✓ ← count\.words[^]*\n\nbad-1\n/);
  assert.equal(JSON.parse((await cli(["trace", "emma", "--json"], it)).out).length, 1);
});

Deno.test("ls does set algebra, counts, limits and sorts", async () => {
  const it = await ran();
  assert.equal((await cli(["ls", "count.books - count.words"], it)).out, "bad-1\n");
  assert.equal((await cli(["ls", "count.books", "-", "count.words"], it)).out, "bad-1\n");
  assert.equal((await cli(["ls", "--sort", "count.books | report.reports"], it)).out, "bad-1\nemma\n");
  assert.equal((await cli(["ls", "-c", "count.books"], it)).out, "2\n");
  assert.equal((await cli(["ls", "-s", "--limit", "1", "count.books"], it)).out, "bad-1\n");
  assert.equal((await cli(["ls", "--json", "count.failed"], it)).out, '["bad-1"]\n');
  assert.match((await cli(["ls"], it)).out, /count\.books +blobs +/);
  for (const words of [["ls", ""], ["ls", " ", ""]]) {
    const { code, out, err } = await cli(words, it);
    assert.deepEqual([code, out], [2, ""]);
    assert.equal(
      err,
      'datatask: EXPR is empty; write "dt ls" for the names of all repositories, or one of them\n',
    );
  }
});

Deno.test("run and plan refuse a choice that leaves no task", async () => {
  const it = toy();
  for (const command of ["run", "plan"]) {
    assert.deepEqual((await cli([command, "-t", "count", "-T", "count"], it)).err.split("; "), [
      'datatask: No task is left: --task names "count", and --not-task leaves it out',
      "take one of them away\n",
    ]);
    assert.equal(
      (await cli([command, "-t", "count,report"], it)).err,
      'datatask: There is no task "count,report"; give each by a flag of its own: -t count -t report\n',
    );
    const all = await cli([command, "-T", "count", "-T", "report"], it);
    assert.equal(all.code, 2);
    assert.match(all.err, /No task is left: there is "count", "report", and --not-task leaves them out;/);
  }
});

Deno.test("ls lists jobs by their state, and takes them into expressions", async () => {
  const it = await ran();
  assert.equal((await cli(["ls", "report.blocked"], it)).out, "bad-1\n");
  assert.equal((await cli(["ls", "count.running | count.retrying | count.waiting"], it)).out, "");
  await it.books.put("walden", "I went");
  assert.equal((await cli(["ls", "count.ready"], it)).out, "walden\n");
  assert.equal((await cli(["ls", "-s", "count.books - count.ready"], it)).out, "bad-1\nemma\n");
  assert.deepEqual(await it.pipeline.jobs("count", "done"), ["emma"]);
  assert.deepEqual(await it.pipeline.jobs("count", "failed"), ["bad-1"]);
  await assert.rejects(it.pipeline.jobs("nobody", "ready"), { code: "usage" });
  const mistyped = await cli(["ls", "count.redy"], it);
  assert.equal(mistyped.code, 2);
  assert.match(mistyped.err, /[Tt]ask "count" has no link "redy"; did you mean "count\.ready"\?/);
  assert.match(
    (await cli(["complete", "--", "ls", "count.ru"], it)).out,
    /^count\.running\tjobs that are running\n$/,
  );
  assert.equal((await cli(["cat", "count.running", "emma"], it)).code, 2);
});

Deno.test("cat prints bytes as they are, documents as YAML or JSON, and trees", async () => {
  const it = await ran();
  const bytes = new Uint8Array([0, 255, 10, 128]);
  await it.books.put("raw", bytes);
  assert.deepEqual((await cli(["cat", "count.books", "raw"], it)).bytes, bytes);
  await it.settings.set("emma", { a: [1, "1"] });
  assert.equal((await cli(["cat", "count.settings", "emma"], it)).out, 'a:\n  - 1\n  - "1"\n');
  assert.deepEqual(JSON.parse((await cli(["cat", "count.settings", "emma", "--json"], it)).out), {
    a: [1, "1"],
  });
});

Deno.test("inject and cat carry trees in both directions, as folders and as tar", async () => {
  const it = toy();
  const dir = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${dir}/in/sub`, { recursive: true });
    await Deno.writeTextFile(`${dir}/in/a.txt`, "hello");
    await Deno.writeTextFile(`${dir}/in/sub/b.txt`, "there");
    await Deno.symlink("a.txt", `${dir}/in/link`);
    assert.equal((await cli(["inject", "count.trees", "emma", `${dir}/in`], it)).code, 0);
    const list = (await cli(["cat", "count.trees", "emma"], it)).out;
    for (const line of [/5 {2}a\.txt\n/, /- {2}link -> a\.txt\n/, /- {2}sub\/\n/, /5 {2}sub\/b\.txt\n/]) {
      assert.match(list, line);
    }
    assert.equal((await cli(["cat", "count.trees", "emma", "link"], it)).out, "hello");
    const tar = (await cli(["cat", "count.trees", "emma", "--tar"], it)).bytes.slice();
    assert.equal((await cli(["inject", "count.trees", "copy"], { ...it, stdin: tar })).code, 0);
    assert.equal((await cli(["cat", "count.trees", "copy", "sub/b.txt"], it)).out, "there");
    const missing = await cli(["cat", "count.trees", "emma", "nope"], it);
    assert.equal(missing.err, 'datatask: Cannot read "nope" in "emma" of the trees: there is no such file\n');
    assert.equal(missing.code, 1);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("inject into what says how jobs ended names where it is kept, and why tells to put nothing into a view", async () => {
  const it = toy();
  const { code, err } = await cli(["inject", "count.done", "emma"], { ...it, stdin: "a: 1\n" });
  assert.deepEqual([code, err], [
    2,
    "datatask: Cannot put a value into count.done: it is count.success and count.failed together; put it into count.success, for a job that shall count as done, or into count.failed\n",
  ]);
  const [pages, authors] = ["the pages", "the authors"].map((name) => new MemoryBlobRepository(name));
  await pages!.put("emma", "");
  const read = functionTask("read", {
    done: new MemoryMetadataRepository("what is read"),
    links: {
      pages: requires(pages!),
      both: requires(and(pages!, authors!)),
      none: inhibits(or(pages!, authors!)),
    },
  }, () => {});
  const { out } = await cli(["why", "read", "emma"], {
    pipeline: new Pipeline({ name: "views", tasks: [read], state: null }),
  });
  assert.match(
    out,
    /not in both .*which it needs\n {4}it is made of the pages and the authors: put what is missing there\n/,
  );
  assert.match(out, /from starting\n {4}it is made of the pages and the authors: remove it there\n/);
});

Deno.test("inject checks documents, and replaces only when it is told to", async () => {
  const it = toy();
  const first = await cli(["inject", "count.settings", "emma"], { ...it, stdin: "a: 1\n" });
  assert.deepEqual([first.code, first.err], [0, 'Put "emma" into count.settings (the settings)\n']);
  const second = await cli(["inject", "count.settings", "emma"], { ...it, stdin: "a: 2\n" });
  assert.deepEqual([second.code, second.err], [
    1,
    'datatask: Cannot put "emma" into count.settings (the settings): there is a value already; add --force to replace it\n',
  ]);
  assert.equal(
    (await cli(["inject", "-f", "count.settings", "emma", "-"], { ...it, stdin: '{"a": 3}' })).code,
    0,
  );
  assert.deepEqual(await it.settings.get("emma"), { a: 3 });
  const bad = await cli(["inject", "count.settings", "x"], { ...it, stdin: "a: [1\n" });
  assert.equal(bad.code, 2);
  assert.match(
    bad.err,
    /^datatask: Cannot read a document from the standard input: line 2, column 1: .*; write YAML or JSON\n$/,
  );
  const empty = await cli(["inject", "count.settings", "x"], { ...it, stdin: " \n" });
  assert.equal(
    empty.err,
    "datatask: Cannot read a document from the standard input: expected a document, but the input is empty; write YAML or JSON\n",
  );
  const gone = await cli(["inject", "count.books", "x", "/nowhere/at/all"], it);
  assert.deepEqual([gone.code, gone.err], [
    2,
    "datatask: Cannot read /nowhere/at/all: there is no such file; check the path\n",
  ]);
});

Deno.test("rm shows what goes, and asks", async () => {
  const it = await ran();
  const no = await cli(["rm", "count", "emma"], { ...it, answers: ["n"] });
  assert.equal(no.code, 1);
  assert.match(no.out, /count\.words.*: emma\nNothing was deleted\n$/);
  assert.match(no.err, /Delete \d values\? \[y\/N\]/);
  assert.equal(await it.words.has("emma"), true);
  const yes = await cli(["rm", "count", "emma"], { ...it, answers: ["y"] });
  assert.equal(yes.code, 0);
  assert.equal(await it.words.has("emma"), false);
  assert.equal(
    (await cli(["rm", "count", "emma"], it)).out,
    "Nothing to delete: there are no such values in count\n",
  );
});

Deno.test("rm says what cannot be followed, with commands as they can be run; why and graph show links to many values", async () => {
  const it = toy();
  await it.books.put("emma", "a b");
  const pages = new MemoryBlobRepository("the pages");
  const split = functionTask("split", {
    done: new MemoryMetadataRepository("what is split"),
    links: { books: input(it.books), pages: outputs(pages, { keys: "name" }) },
  }, ({ job, pages }) => pages.write(`${job}-1`, "text"));
  const read = functionTask("read", {
    done: new MemoryMetadataRepository("what is read"),
    links: { books: requires(it.books), pages: stream(pages), any: lookup(pages) },
  }, async ({ pages }) => void await Array.fromAsync(pages));
  const pipeline = new Pipeline({ tasks: [split, read], state: null });
  assert.equal((await cli(["run"], { pipeline })).code, 0);
  const rm = await cli(["rm", "-r", "--dry-run", "split", "emma"], { pipeline });
  assert.match(
    rm.err,
    /^Which items of split\.pages come from which job cannot be told, .*: dt rm split\.pages KEY\n$/,
  );
  assert.match(
    (await cli(["why", "read", "emma"], { pipeline })).out,
    /✓ items of pages \(the pages\) came to it while it ran; 1 is there now/,
  );
  const graph = await cli(["graph"], { pipeline });
  for (const text of ["pages #40;items, name#41;", "pages #40;stream#41;", "any #40;lookup#41;"]) {
    assert(graph.out.includes(text), text);
  }
});

Deno.test("rm -r refuses a key that is nowhere, from which much might follow", async () => {
  const it = await ran();
  const { code, err } = await cli(["rm", "-r", "-y", "count", "emna"], it);
  assert.deepEqual([code, err], [
    2,
    'datatask: Task "count" knows no job "emna"; did you mean "emma"? List its keys with "dt ls count.books"\n',
  ]);
  const value = await cli(["rm", "-r", "-y", "count.words", "emna"], it);
  assert.deepEqual([value.code, value.err], [
    2,
    'datatask: There is no "emna" in count.words, from which something could follow; see its keys with "dt ls count.words", or name the task and the job that made it\n',
  ]);
  assert.equal(await it.words.has("emma"), true);
});

Deno.test("rm needs --yes where nobody can be asked; --dry-run only looks", async () => {
  const it = await ran();
  const refused = await cli(["rm", "count.words", "emma"], it);
  assert.deepEqual([refused.code, refused.err], [
    2,
    "datatask: Cannot ask whether to delete 1 value: the input is no terminal; add --yes to delete, or --dry-run to look\n",
  ]);
  assert.equal((await cli(["rm", "--dry-run", "count.words", "emma"], it)).code, 0);
  assert.equal(await it.words.has("emma"), true);
  const json = await cli(["rm", "--json", "--yes", "-r", "count.words", "--all"], it);
  assert.equal(json.code, 0);
  assert.ok(JSON.parse(json.out).some(({ key }: { key: string }) => key === "emma"));
  assert.equal(await it.words.has("emma"), false);
  const both = await cli(["rm", "count.words", "emma", "--all"], it);
  assert.deepEqual([both.code, both.err], [
    2,
    "datatask: rm takes keys or --all, and not both; leave one of them out\n",
  ]);
  const neither = await cli(["rm", "count.words"], it);
  assert.equal(
    neither.err,
    'datatask: rm needs the keys to delete; write "dt rm count.words KEY...", or --all for all of them\n',
  );
});

Deno.test("retry forgets failures", async () => {
  const it = await ran();
  const one = await cli(["retry", "count", "bad-1"], it);
  assert.deepEqual([one.code, one.out], [
    0,
    "1 job will be tried again by the next run, or by the one that goes on now\n",
  ]);
  assert.equal((await cli(["retry", "--failed"], it)).out, "No job has failed; there is nothing to retry\n");
  const wrong = await cli(["retry", "count", "emma"], it);
  assert.deepEqual([wrong.code, wrong.err], [
    2,
    'datatask: Cannot retry "emma" of task count: it has not failed, it is done; see "dt why count emma"\n',
  ]);
  const nothing = await cli(["retry", "count"], it);
  assert.equal(
    nothing.err,
    'datatask: retry needs a TASK and its jobs, or --failed; write "dt retry --failed count" for all failed jobs\n',
  );
});

Deno.test("retry --failed forgets the failures of all tasks, or of those that are named, and the next run tries them", async () => {
  const it = await ran();
  await it.books.put("bad-2", "x");
  assert.equal((await cli(["run"], it)).code, 1);
  assert.deepEqual(JSON.parse((await cli(["retry", "--failed", "--json", "report"], it)).out), []);
  const { code, out } = await cli(["retry", "--failed"], it);
  assert.deepEqual([code, out], [
    0,
    "2 jobs will be tried again by the next run, or by the one that goes on now\n",
  ]);
  assert.match((await cli(["why", "count", "bad-1"], it)).out, /^count\/bad-1 is ready\n/);
  assert.match((await cli(["run"], it)).out, /: 0 succeeded, 2 failed, 2 blocked\n/);
  const again = JSON.parse((await cli(["retry", "--failed", "--json", "count"], it)).out);
  assert.deepEqual(again.map(({ task, job }: { task: string; job: string }) => [task, job]).sort(), [
    ["count", "bad-1"],
    ["count", "bad-2"],
  ]);
});

Deno.test("launch runs one job, refuses one that is not ready, and is forced", async () => {
  const it = toy();
  await it.books.put("emma", "a b c");
  const done = await cli(["launch", "count", "emma"], it);
  assert.equal(done.code, 0, done.err);
  assert.match(done.out, /^count\/emma done in /);
  const again = await cli(["launch", "count", "emma"], it);
  assert.equal(again.code, 2);
  assert.match(
    again.err,
    /^datatask: Cannot launch "emma" of task count: .*; use --force to run it all the same\n$/,
  );
  assert.equal(JSON.parse((await cli(["launch", "-f", "--json", "count", "emma"], it)).out).success, true);
  await it.books.put("bad-2", "x");
  const failed = await cli(["launch", "count", "bad-2"], it);
  assert.equal(failed.code, 1);
  assert.match(failed.out, /^count\/bad-2 failed: cannot count bad-2\n$/);
});

Deno.test("cancel says that a job does not run", async () => {
  const it = await ran();
  const { code, err } = await cli(["cancel", "count", "emma"], it);
  assert.deepEqual([code, err], [
    2,
    'datatask: Cannot cancel job "emma" of task count: it is not running; see "dt why count emma"\n',
  ]);
});

Deno.test("logs --json prints each line as JSON", async () => {
  const books = new MemoryBlobRepository("books");
  await books.put("emma", "x");
  const logs = new MemoryBlobRepository("logs");
  const say = functionTask(
    "say",
    { done: new MemoryMetadataRepository("done"), links: { books: input(books) }, logs },
    ({ log }) => {
      log('one "é"');
      log("two");
    },
  );
  const it = { pipeline: new Pipeline({ tasks: [say], state: null }) };
  await it.pipeline.run().finished;
  assert.match((await cli(["logs", "say", "emma"], it)).out, /one "é"\n.*two\n$/);
  const { out } = await cli(["logs", "say", "emma", "--json"], it);
  const lines = out.trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(lines.map(({ task, job }) => [task, job]), [["say", "emma"], ["say", "emma"]]);
  assert.match(lines[0].line, /one "é"$/);
  assert.match(lines[1].line, /two$/);
});

Deno.test("logs says that there is none", async () => {
  const it = await ran();
  const { code, err } = await cli(["logs", "count", "emma", "--attempt", "9"], it);
  assert.equal(code, 1);
  assert.equal(
    err,
    'datatask: There is no log for attempt 9 of job "emma" of task count: it is done; see "dt why count emma"\n',
  );
});

Deno.test("graph draws in four languages", async () => {
  const it = await ran();
  assert.match((await cli(["graph"], it)).out, /^flowchart LR\n/);
  assert.match((await cli(["graph", "-f", "dot", "--counts"], it)).out, /^digraph "toy" \{\n/);
  assert.match((await cli(["graph", "-f", "svg", "-c"], it)).out, /^<svg /);
  const dir = await Deno.makeTempDir();
  const { code, err } = await cli(["graph", "-o", `${dir}/p.svg`], it);
  assert.deepEqual([code, err], [0, `Wrote ${dir}/p.svg\n`]);
  assert.match(await Deno.readTextFile(`${dir}/p.svg`), /^<svg /);
  for (
    const [path, why] of [
      [
        `${dir}/none/p.svg`,
        "the folder that it belongs in is not there; make it first, or name another place",
      ],
      [`${dir}/p.svg/p.svg`, "there is a file where a folder must be; name another place"],
      [dir, "it is a folder; name a file"],
      [`${dir}/${"p".repeat(300)}`, "its name is too long; name another place"],
    ] as const
  ) {
    const { code, err } = await cli(["graph", "-o", path], it);
    assert.deepEqual([code, err], [2, `datatask: Cannot write ${path}: ${why}\n`]);
  }
  const png = await cli(["graph", "-o", `${dir}/p.png`], it);
  assert.deepEqual([png.code, png.err], [
    2,
    "datatask: Cannot draw a graph as .png; end the name of the file in .svg, .dot, .json or .mmd, or say what it is by --format\n",
  ]);
  await Deno.remove(dir, { recursive: true });
});

Deno.test("graph --json gives nodes and edges, and the same as -f json", async () => {
  const it = await ran();
  const { code, out, err } = await cli(["graph", "--json"], it);
  assert.deepEqual([code, err], [0, ""]);
  assert.equal((await cli(["graph", "-f", "json"], it)).out, out);
  assert.equal((await cli(["graph", "--json", "-f", "json"], it)).out, out);
  const { nodes, edges } = JSON.parse(out);
  const words = `repository:${it.words.driver.identity}`;
  assert.deepEqual(nodes.find(({ id }: { id: string }) => id === "task:count"), {
    type: "task",
    id: "task:count",
    label: "count",
    kind: "function",
  });
  assert.deepEqual(nodes.find(({ id }: { id: string }) => id === words), {
    type: "repository",
    id: words,
    label: "the words",
    kind: "blob",
  });
  assert.deepEqual(edges.filter(({ link }: { link: string }) => link === "words"), [
    { from: "task:count", to: words, link: "words", direction: "out" },
    { from: words, to: "task:report", link: "words", direction: "in" },
  ]);
  const counted = JSON.parse((await cli(["graph", "--json", "--counts"], it)).out).nodes;
  const [count] = counted.filter(({ label }: { label: string }) => label === "count");
  assert.deepEqual([count.counts.done, count.counts.failed], [1, 1]);
  assert.equal(counted.find(({ id }: { id: string }) => id === words).count, 1);
});

Deno.test("doctor looks at everything", async () => {
  const it = await ran();
  const { code, out } = await cli(["doctor"], it);
  assert.equal(code, 0);
  for (const name of ["deno", "pipeline", "session", "count.books", "state", "coordinator", "clock"]) {
    assert.match(out, new RegExp(`^(ok {2}|warn) {2}${name}: `, "m"));
  }
  assert.match(out, /warn {2}state: none: .*\n {6}give the pipeline a folder/);
  const checks = JSON.parse((await cli(["doctor", "--json"], it)).out);
  assert.ok(checks.every(({ state }: { state: string }) => state === "ok" || state === "warn"));
});

Deno.test("doctor names a repository that cannot be listed, and what to do", async () => {
  const it = toy();
  it.books.driver.keys = () => {
    throw new Error("the disk is on fire");
  };
  const { code, out } = await cli(["doctor"], it);
  assert.equal(code, 1);
  assert.match(
    out,
    /FAIL {2}count\.books: Cannot list the books: the disk is on fire\n {6}see that its store/,
  );
});

Deno.test("shell evaluates an expression, and lines from a pipe", async () => {
  const it = await ran();
  assert.equal(
    (await cli(["shell", "-e", "await repositories['count.words'].has('emma')"], it)).out,
    "true\n",
  );
  const script = "const x = 2\nfunction twice(n) {\n  return n * 2\n}\ntwice(x)\npipeline.name\n";
  assert.equal((await cli(["shell"], { ...it, stdin: script })).out, "4\ntoy\n");
  const failed = await cli(["shell"], { ...it, stdin: "nope.x\n" });
  assert.equal(failed.code, 1);
  assert.match(failed.err, /nope is not defined; at hand are pipeline, tasks, repositories/);
  const talk = await cli(["shell"], { ...it, answers: ["1 +", "2", "throw new Error('no')", "exit"] });
  assert.equal(talk.code, 0);
  assert.match(talk.out, /\n3\n$/);
  assert.match(talk.err, /datatask: no;/);
});

Deno.test("names that are unknown are answered with what was meant, and how to list them", async () => {
  const it = await ran();
  for (
    const [words, message] of [
      [["status", "cuont"], 'There is no task "cuont"; did you mean "count"? List them with "dt status"'],
      [["why", "zzz"], 'There is no task "zzz"; the tasks are count, report'],
      [["run", "-t", "cont"], 'There is no task "cont"; did you mean "count"? List them with "dt status"'],
      [["cat", "count.wrods", "emma"], 'Task "count" has no link "wrods"; did you mean "count.words"?'],
      [
        ["cat", "count", "emma"],
        '"count" is a task, and a repository is wanted; write one of count.books, count.settings, count.trees, count.words, count.done, count.success, count.failed',
      ],
      [
        ["cat", "cuont.words", "emma"],
        'There is no repository "cuont.words"; did you mean "count.words"? List them with "dt ls"',
      ],
      [
        ["why", "count", "emmma"],
        'Task "count" knows no job "emmma"; did you mean "emma"? List its keys with "dt ls count.books"',
      ],
      [
        ["trace", "emmma"],
        'No task knows a job "emmma"; did you mean "emma"? See what there is with "dt status --all"',
      ],
      [
        ["cat", "count.words", "../x"],
        '"../x" cannot be a key; use 1 to 128 of A-Z a-z 0-9 . _ - with a letter or digit at both ends',
      ],
      [
        ["ls", "count.nope"],
        'Cannot read the expression: task "count" has no link "nope"; its links are books, settings, trees, words, done, success, failed\n  count.nope\n  ^',
      ],
      [
        ["ls", "count.books-count.words"],
        'Cannot read the expression: "count.books-count.words" is read as one name; put blanks around the minus\n  count.books-count.words\n  ^',
      ],
      [
        ["cat", "count.books", "emma", "x"],
        "Cannot print x of count.books: it holds no trees; leave the path out",
      ],
      [
        ["cat", "count.books", "emma", "--json"],
        "Cannot print a value of count.books as JSON: it holds raw bytes; leave --json out",
      ],
      [["completions", "bsh"], 'There are no completions for "bsh"; did you mean "bash" or "zsh"?'],
      [["run", "--once", "--forever"], "run takes --once or --forever, and not both; leave one of them out"],
      [
        ["graph", "--json", "-f", "svg"],
        "graph takes --json or --format, and not both; leave one of them out",
      ],
      [["rum"], 'There is no command "rum"; did you mean "rm" or "run"?'],
      [["status", "-p", "other.ts"], "dt is a pipeline of its own; leave -p out"],
      [["xyzzy"], 'There is no command "xyzzy"; see all commands with "dt --help"'],
      [["--onc"], 'There is no flag --onc before a command; see "dt --help"'],
      [["help", "rum"], 'There is no command "rum"; did you mean "rm" or "run"?'],
    ] as const
  ) {
    const { code, err, out } = await cli(words, it);
    assert.equal(err, `datatask: ${message}\n`);
    assert.equal(code, 2, words.join(" "));
    assert.equal(out, "");
  }
});

Deno.test("a key that is not there ends with 1, and names similar ones", async () => {
  const it = await ran();
  const { code, err } = await cli(["cat", "count.words", "emna"], it);
  assert.deepEqual([code, err], [
    1,
    'datatask: Cannot read "emna" of count.words (the words): there is no such key; did you mean "emma"? List its keys with "dt ls count.words"\n',
  ]);
});

Deno.test("help and version need no pipeline", async () => {
  const help = await cli(["--help"]);
  assert.equal(help.code, 0);
  assert.match(help.out, /^datatask/);
  assert.equal((await cli(["help"])).out, help.out);
  assert.match(
    (await cli(["rm", "--help"])).out,
    /^Delete jobs with what they have made, so that they are done again\.\n\nUsage: dt rm NAME \[KEY\.\.\.\] \[flags\]/,
  );
  assert.equal((await cli(["help", "rm"])).out, (await cli(["rm", "-h"])).out);
  assert.match((await cli(["--version"])).out, /^datatask \d+\.\d+\.\d+ \(deno /);
  const nothing = await cli([]);
  assert.equal(nothing.code, 2);
  assert.equal(nothing.out, "");
  assert.match(nothing.err, /^datatask/);
});

Deno.test("errors show their stacks with --debug only", async () => {
  const it = toy();
  it.books.driver.keys = () => {
    throw new Error("broken");
  };
  const plain = await cli(["ls", "count.books"], it);
  assert.equal(plain.code, 1);
  assert.equal(plain.err, "datatask: Cannot list the books: broken\n");
  assert.match((await cli(["ls", "count.books", "--debug"], it)).err, /Caused by: Error: broken\n {4}at /);
});

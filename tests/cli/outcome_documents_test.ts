/** Documents in `done` that hold no outcome: every command that reads outcomes says which, what is wrong, and what to do. */
import assert from "node:assert/strict";
import { input } from "../../mod.ts";
import { Pipeline } from "../../pipeline/pipeline.ts";
import { MemoryBlobRepository } from "../../repositories/memory.ts";
import { YamlMetadataRepository } from "../../repositories/yaml.ts";
import { functionTask } from "../../tasks/function.ts";
import { inFolder } from "../kit/folder.ts";
import { outcomeOf } from "../kit/outcome.ts";
import { cli, type Done } from "./held_io.ts";

interface Kept {
  /** The file of an outcome, below the folder. */
  write(path: string, text: string): Promise<void>;
  command(...words: readonly string[]): Promise<Done>;
  readonly folder: string;
}

/** A task `count` over the books `emma` and `persuasion`, whose outcomes are files. */
function withResults(use: (kept: Kept) => Promise<void>): Promise<void> {
  return inFolder(async (folder) => {
    const books = new MemoryBlobRepository("the books");
    for (const key of ["emma", "persuasion"]) await books.put(key, "x");
    const count = functionTask("count", {
      done: YamlMetadataRepository.files(`${folder}/results`),
      links: { books: input(books) },
    }, () => {});
    const pipeline = new Pipeline({ tasks: [count], state: null });
    await count.outcomes.prepare();
    await use({
      folder,
      write: (path, text) => Deno.writeTextFile(`${folder}/results/${path}`, text),
      command: (...words) => cli(words, { pipeline }),
    });
  });
}

const FIELDS = "success, reason, start, end, seconds, attempt, timeout, host";

const WRONG: readonly (readonly [text: string, wrong: string])[] = [
  ["hello\n", `it is no outcome: it should be a mapping of ${FIELDS}, and is "hello"`],
  ["- 1\n", `it is no outcome: it should be a mapping of ${FIELDS}, and is a list`],
  ["", "it is no valid YAML: expected a document, but the input is empty"],
  ["null\n", `it is no outcome: it should be a mapping of ${FIELDS}, and is null`],
  [
    "success: yes\nreason: succeeded\nstart: noon\nend: 2026-01-01T00:00:00Z\nseconds: 1\nattempt: 0\ntimeout: false\n",
    'it is no outcome: success should be true or false, and is "yes"; start should be a time in ISO 8601, and is "noon"; attempt should be 1 or more, and is 0; host should be a text, and is missing',
  ],
  [
    JSON.stringify({ ...outcomeOf(false), error: "broken", earlier: [1] }),
    'it is no outcome: error should be a mapping with a name and a message, and is "broken"; earlier should be a list of outcomes, and is a list',
  ],
];

Deno.test("why, trace and doctor say which outcome of whom is none, what is wrong with it, and what to do", () =>
  withResults(async ({ folder, write, command }) => {
    for (const [text, wrong] of WRONG) {
      await write("emma.yaml", text);
      const problem =
        `Cannot read "emma" of YAML in files ${folder}/results/*.yaml: ${wrong}; correct or delete it (dt rm count.success emma deletes it, and the job runs again)`;
      const why = await command("why", "count", "emma");
      assert.equal(why.code, 0);
      assert.equal(
        why.out.split("\n\n")[0],
        `count/emma is done\nIt counts as done\n! Its outcome cannot be read: ${problem}`,
      );
      assert.doesNotMatch(why.out, /undefined|Attempts|\?/);
      const json = JSON.parse((await command("why", "count", "emma", "--json")).out);
      assert.deepEqual([json.state, json.problems.length], ["done", 1]);

      const trace = await command("trace", "emma");
      assert.equal(trace.code, 0);
      assert.ok(
        trace.out.startsWith(`emma\n  count  done\n    ! Its outcome cannot be read: ${problem}\n`),
        trace.out,
      );

      const doctor = await command("doctor");
      assert.equal(doctor.code, 1);
      assert.ok(
        doctor.out.includes(`FAIL  outcomes of count: ${problem}\n      meanwhile these jobs count as `),
        doctor.out,
      );
      assert.match(doctor.out, /\n1 to mend, /, "it is told of once");
    }
  }));

Deno.test("an outcome that is no YAML is told with its place; of a failure, how to try again", () =>
  withResults(async ({ write, command }) => {
    await write("_failed/emma.yaml", "a: [1\n");
    const problem =
      /Cannot read "emma" of YAML in files \S+: it is no valid YAML: line 2, column 1: .*; correct or delete it \(dt retry count emma deletes it, and the job runs again\)\n/;
    const why = (await command("why", "count", "emma")).out;
    assert.match(
      why,
      /^count\/emma has failed\nIt counts as failed; see dt logs count emma, then dt retry count emma\n! /,
    );
    assert.match(why, problem);
    assert.match((await command("trace", "emma")).out, problem);
    assert.match((await command("doctor")).out, problem);
    assert.equal((await command("retry", "count", "emma")).code, 0);
    assert.match((await command("why", "count", "emma")).out, /^count\/emma is ready\n/);
  }));

Deno.test("a success that is no outcome goes by the command that is named, and the job runs again", () =>
  withResults(async ({ write, command }) => {
    await write("emma.yaml", "hello\n");
    assert.equal((await command("rm", "--yes", "count.success", "emma")).code, 0);
    assert.match((await command("run")).out, /: 2 succeeded, 0 failed\n$/);
    assert.match((await command("why", "count", "emma")).out, /^count\/emma is done\nIt succeeded after /);
    assert.match((await command("doctor")).out, /^ok {4}outcomes of count: 2 documents read$/m);
  }));

Deno.test("status, why and doctor tell of a record of attempts that is none; it counts as none", () =>
  withResults(async ({ folder, write, command }) => {
    await write("_attempts/emma.yaml", "retryAt: soon\n");
    const problem =
      `Cannot read "emma" of YAML in files ${folder}/results/_attempts/*.yaml: it is no record of attempts: outcomes should be a list of outcomes, one or more, and is missing; retryAt should be a time in ISO 8601, and is "soon"; correct or delete it\n`;
    const status = await command("status");
    assert.equal(status.code, 0);
    assert.ok(
      status.out.includes(
        `! Task count: Cannot read the attempts of job "emma"; they count as none: ${problem}`,
      ),
      status.out,
    );
    assert.match(status.out, /count +- +2 /);
    assert.equal(JSON.parse((await command("status", "--json")).out).tasks[0].unread.length, 1);
    const why = (await command("why", "count", "emma")).out;
    assert.ok(why.includes(`\n! The record of its attempts cannot be read: ${problem}`), why);
    assert.ok((await command("doctor")).out.includes(`FAIL  outcomes of count: ${problem}`));
  }));

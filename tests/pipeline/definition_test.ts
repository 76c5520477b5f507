import assert from "node:assert/strict";
import {
  functionTask,
  input,
  isPipeline,
  isRepository,
  MemoryMetadataRepository,
  output,
  Pipeline,
  type Pool,
} from "../../mod.ts";
import { observed } from "../../repositories/layers/observed.ts";
import { blobs, copy, each, inMemory, outcomes } from "./kit.ts";

Deno.test("A pipeline that is wrong says all that is wrong, at once", async () => {
  const a = await blobs("a");
  const done = outcomes("shared");
  const pool: Pool = { name: "small", capacity: { cpu: 2, memory: 100 }, width: 9 };
  const tasks = [
    each("one", a, () => {}, { done }),
    each("two", a, () => {}, { done }),
    each("one", a),
    functionTask("idle", { done: outcomes(), links: { out: output(a) } }, () => {}),
    functionTask("keyed", { done: outcomes(), links: { a: input(a, { key: (job) => job }) } }, () => {}),
    each("big", a, () => {}, { pool, quota: { cpu: 3, memory: "1Ki" } } as never),
    each("odd", a, () => {}, { quota: { gpu: 1, license: 3 } }),
  ];
  assert.throws(() => inMemory(tasks, { name: "not a name", resources: { license: 2 } }), {
    code: "invalid-definition",
    faults: [
      'The pipeline name "not a name" is not valid; use letters, digits, ".", "_" and "-"',
      "Tasks one and two keep their outcomes in the same repository, shared; give each its own",
      "There are two tasks named one; give one of them another name",
      "Task idle requires nothing under the job's own key, so that it has no jobs; add an input(...) or requires(...)",
      "Task keyed requires nothing under the job's own key, so that it has no jobs; add an input(...) or requires(...)",
      "Task big needs cpu 3, but pool small has 2; lower its quota, or raise the capacity",
      "Task big needs memory 1024, but pool small has 100; lower its quota, or raise the capacity",
      "Task odd needs gpu, which neither pool in-process nor the pipeline has; add { resources: { gpu: ... } } to the pipeline",
      "Task odd needs license 3, but the pipeline has 2; lower its quota, or raise the capacity",
    ],
    message: /^9 faults:\n- The pipeline name/,
  });
});

Deno.test("Two tasks cannot share failures or attempts, nor one store under layers, nor one repository for two kinds", async () => {
  const a = await blobs("a");
  const make = (name: string, done: unknown) => each(name, a, () => {}, { done: done as never });
  const [shared, other] = [outcomes("shared"), () => outcomes("other")];
  const clash = "Tasks x and y keep their outcomes in the same repository, shared; give each its own";
  assert.throws(
    () =>
      inMemory([
        make("x", { success: other(), failed: shared, attempts: other() }),
        make("y", { success: other(), failed: other(), attempts: shared }),
      ]),
    { message: clash },
  );
  assert.throws(() => inMemory([make("x", shared), make("y", shared.with(observed(() => {})))]), {
    message: clash,
  });
  const same = make("x", other());
  assert.throws(() => inMemory([same, same, same]), { message: "Task x is given twice; give it once" });
  assert.throws(() => inMemory([make("x", { success: shared, failed: shared, attempts: other() })]), {
    message:
      "Task x keeps outcomes of two kinds in one repository, shared; give { success, failed, attempts } a repository each",
  });
});

Deno.test("Names that there are not are errors that suggest the nearest", async () => {
  const pipeline = inMemory([each("summary", await blobs("a")), each("report", await blobs("b"))]);
  const near = { code: "usage", message: 'There is no task "sumary"; did you mean "summary"?' };
  const far = { code: "usage", message: 'There is no task "zzz"; there are summary, report' };
  assert.throws(() => pipeline.task("sumary"), near);
  assert.throws(() => pipeline.task("zzz"), far);
  assert.throws(() => pipeline.run({ tasks: ["sumary"] }), near);
  assert.throws(() => pipeline.run({ notTasks: ["zzz"] }), far);
  assert.throws(() => pipeline.run({ only: { task: "sumary", jobs: [] } }), near);
  assert.throws(() => pipeline.run({ only: { task: "summary", jobs: ["no key!"] } }), {
    code: "invalid-key",
  });
  await assert.rejects(pipeline.plan({ tasks: ["sumary"] }), near);
  await assert.rejects(pipeline.why("sumary", "x"), near);
  await assert.rejects(pipeline.whyTask("sumary"), near);
  await assert.rejects(pipeline.trace("no key!"), { code: "invalid-key" });
  await assert.rejects(pipeline.why("summary", "../x"), { code: "invalid-key" });
  assert.throws(() => inMemory([]).task("x"), { message: 'There is no task "x"' });
});

Deno.test("A pipeline knows its tasks and all of their repositories by name", async () => {
  const [a, b] = [await blobs("a"), await blobs("b")];
  const meta = new MemoryMetadataRepository("meta");
  const logs = await blobs("logs");
  const first = functionTask("first", {
    done: outcomes("done"),
    logs,
    links: { a: input(a), b: output(b, { cokeyed: { meta } }) },
  }, () => {});
  const pipeline = inMemory([first, copy("second", b, a)]);
  assert.deepEqual([...pipeline.tasks.keys()], ["first", "second"]);
  const names = [...pipeline.repositories()].map(([name, repository]) => {
    assert(isRepository(repository));
    return `${name}: ${repository.name}`;
  });
  assert.deepEqual(names.filter((name) => name.startsWith("first")), [
    "first.a: a",
    "first.b: b",
    "first.b.meta: meta",
    "first.done: outcomes in done",
    "first.success: done",
    "first.failed: done/_failed",
    "first.logs: logs",
  ]);
});

Deno.test("isPipeline knows pipelines, and nothing else", () => {
  assert(isPipeline(new Pipeline({ tasks: [], state: null })));
  for (const other of [undefined, null, {}, [], "pipeline", { tasks: new Map() }]) assert(!isPipeline(other));
});

Deno.test("A pipeline keeps its state in a folder of its name, beside others", async () => {
  const state = await Deno.makeTempDir();
  try {
    const a = await blobs("a", "1");
    const [one, two] = ["one", "two"].map((name) =>
      new Pipeline({ tasks: [each("task", a, ({ log }) => log(name))], state, name })
    ) as [Pipeline, Pipeline];
    await Promise.all([one.run().finished, two.run().finished]);
    assert.equal(one.state, `${state}/one`);
    assert.equal(await new Response(await one.logs("task", "1")).text(), "one\n");
    assert.equal(await new Response(await two.logs("task", "1")).text(), "two\n");
    assert.equal(await two.logs("task", "none"), undefined);
    await one.close();
    await two.close();
    assert.equal(inMemory([]).state, undefined);
    assert.equal(
      new Pipeline({ tasks: [], state: new URL(`file://${state}/with%20space`) }).state,
      `${state}/with space/pipeline`,
    );
  } finally {
    await Deno.remove(state, { recursive: true });
  }
});

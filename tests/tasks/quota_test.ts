/** Tests of quotas that are shares of what there is. */
import assert from "node:assert/strict";
import { DatataskError } from "../../core/errors.ts";
import { dockerExecutor } from "../../executors/docker/mod.ts";
import { executorGroup } from "../../executors/group/mod.ts";
import { kubernetesExecutor } from "../../executors/kubernetes/mod.ts";
import { sshExecutor } from "../../executors/ssh/mod.ts";
import {
  containerTask,
  FileRepository,
  functionTask,
  input,
  localExecutor,
  MemoryBlobRepository,
  MemoryMetadataRepository,
  moduleBody,
  output,
  Pipeline,
  podTask,
  processTask,
  type QuotaInit,
  sh,
  type Task,
  workerPool,
  YamlMetadataRepository,
} from "../../mod.ts";
import { cli } from "../cli/held_io.ts";

const given = () => ({
  done: new MemoryMetadataRepository("done"),
  links: { pages: input(new MemoryBlobRepository("pages")) },
});

const capacity = { cpu: 4, memory: "1Gi", gpu: 8 };
const quota = { cpu: "50%", memory: "max", gpu: "25%" };
const shares = { cpu: 2, memory: 2 ** 30, gpu: 2 };

Deno.test("a share of a quota is a share of what the executor has, wherever that is", () => {
  const script = () => sh`true`;
  const ssh = sshExecutor({ host: "worker-1", user: "ada", capacity });
  const docker = dockerExecutor({ host: "tcp://engine:2375", capacity });
  const kubernetes = kubernetesExecutor({ context: "dev", capacity, resources: { gpu: "example.org/gpu" } });
  const tasks: Task[] = [
    processTask("local", { ...given(), quota, script, executor: localExecutor({ capacity }) }),
    processTask("ssh", { ...given(), quota, script, executor: ssh }),
    containerTask("docker", { ...given(), quota, script, image: "alpine", executor: docker }),
    containerTask("kubernetes", { ...given(), quota, script, image: "alpine", executor: kubernetes }),
    functionTask(
      "workers",
      { ...given(), quota, executor: workerPool({ capacity }) },
      moduleBody<{ readonly default: (context: unknown) => void }>("file:///body.ts"),
    ),
  ];
  for (const task of tasks) assert.deepEqual(task.quota, shares, task.name);
  const whole = processTask("whole", { ...given(), quota: { cpu: "max" }, script });
  assert.deepEqual(whole.quota, { cpu: navigator.hardwareConcurrency }, "this machine, when nothing is said");
});

Deno.test("a share of a group is a share of its largest member, since a run is on one of them", () => {
  const executor = executorGroup({
    name: "machines",
    executors: [
      localExecutor({ name: "small", capacity: { cpu: 2, memory: "8Gi" } }),
      localExecutor({ name: "large", capacity: { cpu: 8, memory: "4Gi", gpu: 1 } }),
    ],
  });
  const task = processTask("train", {
    ...given(),
    quota: { cpu: "max", memory: "50%" },
    script: "true",
    executor,
  });
  assert.deepEqual(task.quota, { cpu: 8, memory: 2 ** 31 });
  // The definition is sound: a member has as much.
  new Pipeline({ tasks: [task] });
});

Deno.test("a share of what nobody knows, or of too much, is refused with what to write", () => {
  const refused = (quota: QuotaInit, executor = sshExecutor({ host: "worker-1", user: "ada" })): string => {
    try {
      processTask("train", { ...given(), quota, script: "true", executor });
    } catch (error) {
      assert.ok(error instanceof DatataskError && error.code === "invalid-definition", String(error));
      return error.message;
    }
    throw new assert.AssertionError({ message: "it was taken" });
  };
  assert.equal(
    refused({ cpu: "max" }),
    'Cannot tell how much quota of task train: cpu "max" is: pool ssh ada@worker-1 has no capacity of cpu; write an amount, or say how much it has: { capacity: { cpu: ... } }',
  );
  const half = localExecutor({ name: "here", capacity: { cpu: 2 } });
  assert.throws(
    () => processTask("train", { ...given(), quota: { memory: "50%" }, script: "true", executor: half }),
    {
      message:
        'Cannot tell how much quota of task train: memory "50%" is: pool here has no capacity of memory; write an amount, or say how much it has: { capacity: { memory: ... } }, or, for the memory of this machine, run with --allow-sys=systemMemoryInfo',
    },
  );
  for (const share of ["0%", "101%"]) {
    assert.equal(
      refused({ cpu: share }),
      `Cannot read quota of task train: cpu "${share}"; write a share above 0% and up to 100%, or "max" for all there is`,
    );
  }
  assert.match(refused({ cpu: "half" }), /^Cannot read quota of task train: cpu "half"; write a /);
  assert.throws(
    () => localExecutor({ capacity: { cpu: "50%" } }),
    /Cannot read capacity of executor local: cpu/,
  );
  assert.throws(
    () => functionTask("train", { ...given(), quota: { cpu: "50%" } }, () => {}),
    /pool in-process has no capacity of cpu/,
  );
  assert.throws(
    () =>
      podTask("watch", {
        ...given(),
        quota: { cpu: "50%" },
        executor: kubernetesExecutor({ capacity: { cpu: 8 } }),
        everywhere: true,
        manifest: { spec: { containers: [{ name: "main", image: "alpine" }] } },
        script: "true",
      }),
    /Task watch runs on every node, and no node is known before; write an amount of cpu in place of "50%"/,
  );
});

Deno.test("shares are given to runs, counted against each other, and said by plan and why", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const pages = new FileRepository(`${folder}/pages`);
    const seen = new FileRepository(`${folder}/seen`);
    const train = processTask("train", {
      done: YamlMetadataRepository.files(`${folder}/done`),
      links: { pages: input(pages), seen: output(seen) },
      quota: { cpu: "75%", memory: "max" },
      executor: localExecutor({ capacity: { cpu: 4, memory: "1Gi" } }),
      script: ({ seen }) => sh`printf '%s %s' "$DATATASK_CPU" "$DATATASK_MEMORY" > ${seen}`,
    });
    const pipeline = new Pipeline({ name: "shares", tasks: [train], state: `${folder}/state` });
    await using licensed = new Pipeline({
      name: "shares",
      tasks: [{ ...train, quota: { ...train.quota, licence: 1 } }],
      resources: { licence: 2 },
      state: `${folder}/licensed`,
    });
    for (const page of ["1", "2"]) await pages.put(page, "");
    const plan = await cli(["plan"], { pipeline });
    assert.match(plan.out, /^1 job would start now\n/);
    assert.match(plan.out, /\n {2}train {2}waits for cpu: it needs 3 of 4, next 2\n/);
    const [wait] = JSON.parse((await cli(["plan", "--json"], { pipeline })).out).wait;
    assert.deepEqual(wait, { task: "train", job: "2", for: "cpu", needs: 3, of: 4 });
    const why = await cli(["why", "train", "2"], { pipeline });
    assert.match(
      why.out,
      /as soon as there is room in pool local: it needs 3 of 4 cpu and 1Gi of 1Gi memory\n/,
    );
    assert.match(
      (await licensed.why("train", "2")).text,
      /it needs 3 of 4 cpu and 1Gi of 1Gi memory, and 1 of 2 licence of the pipeline$/,
    );
    const running: number[] = [];
    await pipeline.open();
    const run = pipeline.run();
    let now = 0;
    for await (const event of run) {
      if (event.type === "started") running.push(++now);
      if (event.type === "finished") now--;
    }
    await pipeline.close();
    assert.deepEqual(running, [1, 1]);
    assert.equal(await seen.text("2"), `3 ${2 ** 30}`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

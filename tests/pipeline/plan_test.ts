import assert from "node:assert/strict";
import fc from "npm:fast-check@^4";
import { type Action, type Candidate, plan, type PlanTask, type Policy, type Snapshot } from "../../mod.ts";
import { exceeded } from "../../core/quota.ts";

/** A task of a plan, as tests write it: ready jobs as numbers (of the task's priority) or with a priority each. */
interface TaskInit extends Partial<Omit<PlanTask, "candidates" | "priority" | "name">> {
  readonly ready?: readonly (number | Candidate)[];
  readonly at?: number;
  readonly priority?: PlanTask["priority"];
}

function snapshot(
  tasks: Record<string, TaskInit>,
  pool: { capacity?: Record<string, number>; width?: number } = {},
  resources: Record<string, number> = {},
  pools: Snapshot["pools"] = new Map(),
): Snapshot {
  return {
    pools: new Map([["p", { capacity: pool.capacity ?? {}, width: pool.width ?? Infinity }], ...pools]),
    resources,
    tasks: Object.entries(tasks).map(([name, { ready = [], at = 0, priority, ...rest }]): PlanTask => ({
      name,
      pool: "p",
      quota: {},
      running: rest.live?.length ?? 0,
      concurrency: Infinity,
      allowance: Infinity,
      replicas: 1,
      overtaken: 0,
      live: [],
      ...rest,
      candidates: () =>
        ready.map((one) => typeof one === "number" ? { job: one, priority: at } : one)
          .toSorted((a, b) => b.priority - a.priority)[Symbol.iterator](),
      priority: priority ?? (() => at),
    })),
  };
}

const show = ({ do: what, task, job, replica }: Action): string =>
  `${what === "stop" ? "-" : ""}${task}/${job}${replica ? `#${replica}` : ""}`;

function actions(of: Snapshot, policy?: Policy): string[] {
  return plan(of, policy).actions.map(show);
}

function waits(of: Snapshot, policy?: Policy): string[] {
  return plan(of, policy).waits.map(({ task, job, for: what }) => `${task}/${job}: ${what}`);
}

Deno.test("plan starts all that is ready when there is room", () => {
  assert.deepEqual(actions(snapshot({ a: { ready: [1, 2] }, b: { ready: [3] } })), ["a/1", "a/2", "b/3"]);
  assert.deepEqual(actions(snapshot({})), []);
});

Deno.test("plan goes by priority, then by the order of tasks, then by the order of jobs", () => {
  const tasks = {
    low: { ready: [1, 2], at: 1 },
    high: { ready: [3, 4], at: 5 },
    same: { ready: [{ job: 5, priority: 5 }, { job: 6, priority: 1 }] },
  };
  assert.deepEqual(actions(snapshot(tasks)), ["high/3", "high/4", "same/5", "low/1", "low/2", "same/6"]);
});

Deno.test("plan keeps within concurrency, rate, width, capacity and named resources, and says what for", () => {
  const table: [string, Snapshot, string[], string[]][] = [
    ["concurrency", snapshot({ a: { ready: [1, 2, 3], running: 1, concurrency: 3 } }), ["a/1", "a/2"], [
      "a/3: concurrency",
    ]],
    ["rate", snapshot({ a: { ready: [1, 2], allowance: 1 } }), ["a/1"], ["a/2: rate"]],
    ["no rate left", snapshot({ a: { ready: [1], allowance: 0 } }), [], ["a/1: rate"]],
    ["width", snapshot({ a: { ready: [1, 2], running: 1 } }, { width: 2 }), ["a/1"], ["a/2: room in pool p"]],
    [
      "capacity",
      snapshot({ a: { ready: [1, 2], quota: { cpu: 2 } } }, { capacity: { cpu: 3 } }),
      ["a/1"],
      ["a/2: cpu"],
    ],
    [
      "named",
      snapshot({ a: { ready: [1, 2], quota: { gpu: 1 } }, b: { ready: [3], quota: { gpu: 1 } } }, {}, {
        gpu: 1,
      }),
      ["a/1"],
      ["a/2: gpu", "b/3: gpu"],
    ],
    [
      "fractions add up",
      snapshot({ a: { ready: [1, 2, 3, 4], quota: { cpu: 0.1 } } }, { capacity: { cpu: 0.3 } }),
      ["a/1", "a/2", "a/3"],
      ["a/4: cpu"],
    ],
    ["what has no limit", snapshot({ a: { ready: [1], quota: { memory: 1e12 } } }), ["a/1"], []],
  ];
  for (const [name, of, starts, waiting] of table) {
    assert.deepEqual(actions(of), starts, name);
    assert.deepEqual(waits(of), waiting, name);
  }
});

Deno.test("plan counts each pool by itself, and named resources across pools", () => {
  const pools: Snapshot["pools"] = new Map([["q", { capacity: { cpu: 1 }, width: 9 }]]);
  const one = snapshot(
    { a: { ready: [1, 2], quota: { cpu: 1 } }, b: { ready: [3, 4], quota: { cpu: 1 }, pool: "q" } },
    { capacity: { cpu: 1 } },
    {},
    pools,
  );
  assert.deepEqual(actions(one), ["a/1", "b/3"]);
  const shared = snapshot(
    { a: { ready: [1], quota: { license: 1 } }, b: { ready: [3], quota: { license: 1 }, pool: "q" } },
    {},
    { license: 1 },
    pools,
  );
  assert.deepEqual(actions(shared), ["a/1"]);
});

Deno.test("plan fills room that the next job does not fit with smaller jobs, but not for ever", () => {
  const tasks = (overtaken: number) =>
    snapshot({
      big: { ready: [1], at: 2, quota: { cpu: 4 }, overtaken },
      small: { ready: [2, 3, 4], at: 1, quota: { cpu: 1 }, running: 1 },
    }, { capacity: { cpu: 4 } });
  assert.deepEqual(actions(tasks(0)), ["small/2", "small/3", "small/4"]);
  assert.deepEqual(plan(tasks(0)).overtakes, new Map([["big", 3]]));
  assert.deepEqual(actions(tasks(98)), ["small/2", "small/3"], "two more, then the pool is kept for it");
  assert.deepEqual(actions(tasks(100)), []);
  assert.deepEqual(waits(tasks(100)), [
    "big/1: cpu",
    "small/2: room in pool p, kept for a job that was overtaken too often",
  ]);
  assert.deepEqual(actions(tasks(1), { maxOvertakes: 3 }), ["small/2", "small/3"]);
});

Deno.test("plan keeps room for an overtaken job in its own pool only", () => {
  const of = snapshot(
    {
      big: { ready: [1], at: 2, quota: { cpu: 4 }, overtaken: 100 },
      here: { ready: [2], at: 1, quota: { cpu: 1 }, running: 1 },
      there: { ready: [3], at: 0, pool: "q" },
    },
    { capacity: { cpu: 4 } },
    {},
    new Map([["q", { capacity: {}, width: 1 }]]),
  );
  assert.deepEqual(actions(of), ["there/3"]);
});

Deno.test("plan starts no more than maxStarts at a time, the best first", () => {
  const of = snapshot({ a: { ready: [1, 2, 3], at: 1 }, b: { ready: [4], at: 2 } });
  assert.deepEqual(actions(of, { maxStarts: 2 }), ["b/4", "a/1"]);
});

/** The pipeline of the scaling rehearsal: a builder, and two fuzzers that fill idle capacity. */
function scaling(
  capacity: number,
  live: { builders: number[]; fuzzer_2: number[]; fuzzer_1: number[]; ready?: number[] },
): Snapshot {
  const replicable = (at: number, factor: number, cpu: number, replicas: number[]): TaskInit => ({
    at,
    replicas: 1000,
    quota: { cpu },
    priority: (_, replica) => at * factor ** replica,
    ...(replicas.length === 0
      ? { ready: [0] }
      : { live: [{ job: 0, replicas: replicas.filter((n) => n > 0) }] }),
  });
  return snapshot({
    fuzzer_1: replicable(1, 0.75, 1, live.fuzzer_1),
    fuzzer_2: replicable(2, 0.5, 2, live.fuzzer_2),
    builder: {
      at: 3,
      quota: { cpu: 5 },
      ready: live.ready ?? [],
      live: live.builders.map((job) => ({ job, replicas: [] })),
    },
  }, { capacity: { cpu: capacity } });
}

const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

Deno.test("plan fills idle capacity with replicas, and takes them back: 7, then 24, then a second builder", () => {
  const small = scaling(7, { builders: [], fuzzer_2: [], fuzzer_1: [], ready: [0] });
  assert.deepEqual(actions(small), ["builder/0", "fuzzer_2/0"]);
  assert.deepEqual(waits(small), ["fuzzer_1/0: cpu"]);

  const large = actions(scaling(24, { builders: [], fuzzer_2: [], fuzzer_1: [], ready: [0] }));
  const count = (task: string): number => large.filter((action) => action.startsWith(task)).length;
  assert.deepEqual([count("builder"), count("fuzzer_1"), count("fuzzer_2")], [1, 9, 5]);

  const full = { builders: [0], fuzzer_2: upTo(5), fuzzer_1: upTo(9) };
  assert.deepEqual(actions(scaling(24, full)), [], "what runs as it should is left alone");

  const second = scaling(24, { ...full, ready: [1] });
  assert.deepEqual(actions(second), ["-fuzzer_1/0#6", "-fuzzer_1/0#7", "-fuzzer_1/0#8", "-fuzzer_2/0#4"]);
  assert.deepEqual(waits(second), ["builder/1: replicas to give way"]);
  const gone = { builders: [0], fuzzer_2: upTo(4), fuzzer_1: upTo(6), ready: [1] };
  assert.deepEqual(actions(scaling(24, gone)), ["builder/1"]);
  assert.deepEqual(actions(scaling(24, { ...gone, builders: [0, 1], ready: [] })), []);
});

Deno.test("plan gives way to a job that is ready however much lower its priority is than a replica's", () => {
  const of = snapshot({
    eager: { replicas: 3, quota: { cpu: 1 }, at: 100, live: [{ job: 1, replicas: [1, 2] }] },
    humble: { ready: [7], quota: { cpu: 1 }, at: -100 },
  }, { capacity: { cpu: 3 } });
  assert.deepEqual(actions(of), ["-eager/1#2"]);
});

Deno.test("plan starts no replica beyond the rate, and none of a job that was held back", () => {
  const of = snapshot({ a: { ready: [1, 2], replicas: 5, allowance: 3, concurrency: 1 } });
  assert.deepEqual(actions(of), ["a/1", "a/1#1", "a/1#2"]);
});

const nat = (max: number) => fc.nat(max);
const someTask = fc.record({
  ready: fc.uniqueArray(nat(20), { maxLength: 8 }),
  liveJobs: fc.uniqueArray(
    fc.record({
      job: fc.integer({ min: 100, max: 110 }),
      replicas: fc.uniqueArray(fc.integer({ min: 1, max: 3 }), { maxLength: 3 }),
    }),
    { maxLength: 3, selector: ({ job }) => job },
  ),
  at: fc.integer({ min: -3, max: 3 }),
  cpu: fc.constantFrom(0, 0.1, 0.5, 1, 2),
  gpu: fc.constantFrom(0, 1),
  pool: fc.constantFrom("p", "q"),
  concurrency: fc.constantFrom(1, 2, 5, Infinity),
  allowance: fc.constantFrom(0, 1, 3, Infinity),
  replicas: fc.integer({ min: 1, max: 4 }),
  overtaken: fc.constantFrom(0, 99, 100),
});
const someWorld = fc.record({
  tasks: fc.array(someTask, { maxLength: 4 }),
  cpu: fc.constantFrom(1, 2, 4.5, 10),
  width: fc.constantFrom(1, 3, 20),
  gpu: fc.constantFrom(1, 2),
});

type World = typeof someWorld extends fc.Arbitrary<infer T> ? T : never;

function fromWorld({ tasks, cpu, width, gpu }: World): Snapshot {
  return snapshot(
    Object.fromEntries(tasks.map((task, i) => {
      const live = task.liveJobs.map(({ job, replicas }) => ({
        job,
        replicas: task.replicas > 1 ? replicas.filter((r) => r < task.replicas) : [],
      }));
      const { ready, at, pool, concurrency, allowance, replicas, overtaken } = task;
      const quota = { cpu: task.cpu, gpu: task.gpu };
      return [`t${i}`, {
        ready,
        at,
        pool,
        concurrency,
        allowance,
        replicas,
        overtaken,
        quota,
        live,
        running: live.length,
        priority: (_: number, r: number) => at - r,
      }];
    })),
    { capacity: { cpu }, width },
    { gpu },
    new Map([["q", { capacity: { cpu }, width }]]),
  );
}

/** What would run after the plan, by task. */
function after(of: Snapshot, actions: readonly Action[]): Map<PlanTask, string[]> {
  return new Map(of.tasks.map((task) => {
    const runs = new Set(
      task.live.flatMap(({ job, replicas }) => [0, ...replicas].map((replica) => `${job}#${replica}`)),
    );
    for (const action of actions.filter((action) => action.task === task.name)) {
      const run = `${action.job}#${action.replica}`;
      if (action.do === "stop") assert(runs.delete(run), `${run} runs not, and is stopped`);
      else {
        assert(!runs.has(run), `${run} runs, and is started`);
        runs.add(run);
      }
    }
    return [task, [...runs]];
  }));
}

Deno.test("plan starts nothing above capacity, width, resources, concurrency or rate, and nothing twice", () => {
  fc.assert(fc.property(someWorld, (world) => {
    const of = fromWorld(world);
    const { actions } = plan(of);
    const runs = after(of, actions);
    const started = (task: PlanTask) =>
      actions.filter((action) => action.do === "start" && action.task === task.name);
    for (const task of of.tasks) {
      const first = started(task).filter(({ replica }) => replica === 0).length;
      assert(first === 0 || task.running + first <= task.concurrency, "concurrency");
      assert(started(task).length <= task.allowance, "rate");
    }
    // Stops come first, but what was stopped is still there when the rest starts: both together must fit.
    const total = (pool: string | undefined, name?: string): [number, number] => {
      let [before, begun] = [0, 0];
      for (const task of of.tasks.filter((task) => pool === undefined || task.pool === pool)) {
        const one = name === undefined ? 1 : task.quota[name] ?? 0;
        before += one * task.live.reduce((sum, { replicas }) => sum + 1 + replicas.length, 0);
        begun += one * started(task).length;
      }
      return [before, begun];
    };
    for (
      const [pool, name, limit] of [
        ["p", "cpu", world.cpu],
        ["q", "cpu", world.cpu],
        ["p", undefined, world.width],
        ["q", undefined, world.width],
        [undefined, "gpu", world.gpu],
      ] as const
    ) {
      const [before, begun] = total(pool, name);
      if (begun > 0) {
        assert.equal(exceeded({ it: before + begun }, { it: limit }), undefined, `${pool} ${name}`);
      }
    }
    // A replica beyond the first needs the one before it.
    for (const [task, all] of runs) {
      for (const run of all) {
        const [job, replica] = run.split("#");
        if (replica !== "0") assert(all.includes(`${job}#0`), `${task.name} ${run}`);
      }
    }
  }));
});

Deno.test("plan is pure: it changes nothing, and comes to the same twice", () => {
  const freeze = <T>(value: T): T => {
    if (typeof value !== "object" || value === null) return value;
    for (const part of Object.values(value)) freeze(part);
    return Object.freeze(value);
  };
  fc.assert(fc.property(someWorld, (world) => {
    const of = freeze(fromWorld(world));
    assert.deepEqual(plan(of), plan(of));
    assert.deepEqual(plan(fromWorld(world)), plan(of));
  }));
});

Deno.test("plan comes to the same in whatever order tasks are given, when no two have one priority", () => {
  fc.assert(fc.property(someWorld, fc.infiniteStream(nat(1000)), (world, order) => {
    const tasks = world.tasks.map((task, i) => ({ ...task, at: i * 10, replicas: 1 }));
    const of = fromWorld({ ...world, tasks });
    const shuffled = [...of.tasks].map((task) => ({ task, at: order.next().value as number })).sort((a, b) =>
      a.at - b.at
    ).map(({ task }) => task);
    const sorted = (of: Snapshot): string[] => plan(of).actions.map(show).sort();
    assert.deepEqual(sorted({ ...of, tasks: shuffled }), sorted(of));
  }));
});

Deno.test("plan leaves no job waiting that fits, but for limits, rates and room that is kept", () => {
  fc.assert(fc.property(someWorld, (world) => {
    const tasks = world.tasks.map((task) => ({ ...task, replicas: 1, overtaken: 0 as const }));
    const of = fromWorld({ ...world, tasks });
    const { waits } = plan(of);
    const started = plan(of).actions;
    for (const task of of.tasks) {
      const begun = started.filter((action) => action.task === task.name).length;
      const ready = [...{ [Symbol.iterator]: task.candidates }].length;
      const wait = waits.find((wait) => wait.task === task.name);
      assert.equal(
        begun < ready,
        wait !== undefined,
        `${task.name}: what does not start has a reason, and what starts has none`,
      );
    }
  }));
});

Deno.test("plan starts what waits for others only where room remains for these, beside all that wait", () => {
  const tasks = (running: number, behind: readonly string[], makers = 0): Snapshot =>
    snapshot(
      {
        make: { ready: [1, 2], at: 0, running: makers },
        read: { ready: [3, 4, 5, 6], at: 9, running, behind },
      },
      { width: 4 },
    );
  assert.deepEqual(actions(tasks(0, ["make"])), ["read/3", "read/4", "read/5", "make/1"]);
  assert.deepEqual(waits(tasks(0, ["make"])), [
    "read/6: room in pool p, kept for what it waits for while it runs",
    "make/2: room in pool p",
  ]);
  assert.deepEqual(actions(tasks(3, ["make"])), ["make/1"]);
  assert.deepEqual(actions(tasks(2, ["make"], 2)), [], "the room of makers is theirs again when they end");
  assert.deepEqual(actions(tasks(0, [])), ["read/3", "read/4", "read/5", "read/6"]);
  assert.deepEqual(actions(tasks(0, ["gone"])), ["read/3", "read/4", "read/5", "read/6"]);
});

Deno.test("plan keeps room of every kind for what others wait for: cores, and resources that pools share", () => {
  const own = snapshot({
    make: { ready: [1], quota: { cpu: 3 } },
    read: { ready: [2, 3], at: 9, quota: { cpu: 1 }, behind: ["make"] },
  }, { capacity: { cpu: 4 } });
  assert.deepEqual(actions(own), ["read/2", "make/1"]);
  const shared = snapshot(
    {
      make: { ready: [1], pool: "q", quota: { gpu: 1 } },
      read: { ready: [2, 3], at: 9, quota: { gpu: 1 }, behind: ["make"] },
    },
    {},
    { gpu: 2 },
    new Map([["q", { capacity: {}, width: Infinity }]]),
  );
  assert.deepEqual(actions(shared), ["read/2", "make/1"]);
  const apart = snapshot(
    { make: { ready: [1], pool: "q" }, read: { ready: [2, 3], at: 9, behind: ["make"] } },
    { width: 2 },
    {},
    new Map([["q", { capacity: {}, width: 1 }]]),
  );
  assert.deepEqual(actions(apart), ["read/2", "read/3", "make/1"]);
});

import assert from "node:assert/strict";
import type { Attempt } from "../../../core/attempt.ts";
import type { QuotaInit } from "../../../core/quota.ts";
import type { Executor, ProcessWork } from "../../../executors/executor.ts";
import { ExecutorError } from "../../../core/errors.ts";
import { executorGroup } from "../../../executors/group/mod.ts";
import { localExecutor } from "../../../executors/local.ts";
import { ManualClock } from "../../../testing/manual_clock.ts";
import { testExecutor } from "../../../testing/executor_suite.ts";
import { inFolder } from "../../kit/folder.ts";
import { noServer } from "../suite.ts";
import { coded } from "./kit.ts";

const attempt = (job: string): Attempt => ({ task: "work", job, replica: 0, attempt: 1 });
const work = (script: string): ProcessWork => ({
  kind: "process",
  script,
  environment: {},
  mergeStderr: true,
  notes: { made: "by a test" },
});
const group = (...capacities: QuotaInit[]): Executor<ProcessWork> =>
  executorGroup({
    name: "machines",
    executors: capacities.map((capacity, i) => localExecutor({ name: `machine-${i + 1}`, capacity })),
  });
const whole = (
  status: { state: string; exitCode?: number | undefined },
): unknown[] => [status.state, status.exitCode];

testExecutor("executorGroup() of two local ones", {
  async make(stack) {
    const state = await Deno.makeTempDir();
    stack.defer(() => Deno.remove(state, { recursive: true }));
    return {
      executor: group({ cpu: 64 }, { cpu: 64 }),
      state,
      async leftovers() {
        try {
          return (await Array.fromAsync(Deno.readDir(`${state}/machines/places`))).map(({ name }) => name);
        } catch {
          return [];
        }
      },
    };
  },
  reopen: () => group({ cpu: 64 }, { cpu: 64 }),
  except: noServer,
});

Deno.test("executorGroup() has what its members have together, and no limit where one of them has none", () => {
  assert.deepEqual(group({ cpu: 2, memory: "1Gi" }, { cpu: 3, memory: "2Gi" }).capacity, {
    cpu: 5,
    memory: 3 * 2 ** 30,
  });
  assert.deepEqual(group({ cpu: 2, gpu: 1 }, { cpu: 3 }).capacity, { cpu: 5 });
});

Deno.test("executorGroup() refuses members that cannot stand for each other", () => {
  const local = localExecutor({ name: "one" });
  assert.throws(
    () => executorGroup({ name: "none", executors: [] }),
    coded("invalid-definition", /Executor group none has no members; give it executors/),
  );
  assert.throws(
    () => executorGroup({ name: "twice", executors: [local, localExecutor({ name: "one" })] }),
    coded(
      "invalid-definition",
      /Executor group twice has two members named one; give each a name of its own/,
    ),
  );
  assert.throws(
    () => executorGroup({ name: "mixed", executors: [local, { ...local, name: "other", sees: "nothing" }] }),
    coded(
      "invalid-definition",
      /Executor group mixed has members of different kinds: one and other; make a group for each kind/,
    ),
  );
});

Deno.test("executorGroup() sends each run where there is the most room, and lets one wait that has none", () =>
  inFolder(async (state) => {
    const executor = group({ cpu: 2 }, { cpu: 4 });
    await executor.open({ state });
    try {
      const sleeps = work("while [ ! -e ../../go ]; do sleep 0.02; done");
      const start = (job: string, cpu: number) => executor.start(attempt(job), sleeps, { quota: { cpu } });
      await start("a", 3);
      await start("b", 2);
      const placed = new Map<string, string>();
      for await (const { name } of Deno.readDir(`${state}/machines/places`)) {
        const { attempt, executor } = JSON.parse(await Deno.readTextFile(`${state}/machines/places/${name}`));
        placed.set(attempt.job, executor);
      }
      assert.deepEqual([placed.get("a"), placed.get("b")], ["machine-2", "machine-1"]);
      let started = false;
      const third = executor.start(attempt("c"), work("exit 3"), { quota: { cpu: 2 } }).then(() =>
        started = true
      );
      const stop = new AbortController();
      const fourth = executor.start(attempt("d"), sleeps, { quota: { cpu: 4 }, signal: stop.signal });
      stop.abort(new Error("no more"));
      await assert.rejects(fourth, /no more/);
      assert.equal(started, false);
      await executor.stop(attempt("b"), { graceMs: 0 });
      await third;
      assert.deepEqual(whole(await executor.wait(attempt("c"))), ["finished", 3]);
      await assert.rejects(
        start("e", 5),
        coded(
          "cannot-start",
          /Cannot start work\/e on machines: none of its members has as much as it needs \(cpu: 5\); ask for less, or add a larger one/,
        ),
      );
      await executor.stop(attempt("a"), { graceMs: 0 });
      for (const job of ["a", "b", "c"]) await executor.forget(attempt(job));
      assert.deepEqual(await Array.fromAsync(Deno.readDir(`${state}/machines/places`)), []);
    } finally {
      await executor.close();
    }
  }));

/** A listing that fails at once. */
const rejecting = (fail: () => never): AsyncIterable<never> => ({
  [Symbol.asyncIterator]: () => ({ next: () => Promise.resolve().then(fail) }),
});

/** An executor that can be away: what is asked of it then fails as a host that does not answer. */
function mayBeAway(name: string, capacity: QuotaInit): { executor: Executor<ProcessWork>; away: boolean } {
  const inner = localExecutor({ name, capacity });
  const it = { away: false, executor: inner };
  it.executor = new Proxy(inner, {
    get(target, property) {
      const value = Reflect.get(target, property);
      if (typeof value !== "function") return value;
      if (property === "close") return value.bind(target);
      return (...args: unknown[]) => {
        const gone = (): never => {
          throw coded.error(`Cannot reach ${name}: nobody answers`);
        };
        if (!it.away) return value.apply(target, args);
        if (property === "probe") {
          return Promise.resolve({ healthy: false, reason: `Cannot reach ${name}: nobody answers` });
        }
        return property === "list" ? rejecting(gone) : Promise.resolve().then(gone);
      };
    },
  });
  return it;
}

Deno.test("executorGroup() sends runs to those that are there, and keeps those of one that is away", () =>
  inFolder(async (state) => {
    const make = () => {
      const [left, right] = [mayBeAway("left", { cpu: 16 }), mayBeAway("right", { cpu: 4 })];
      const clock = new ManualClock();
      const executor = executorGroup({ name: "machines", executors: [left.executor, right.executor], clock });
      return { left, right, executor, clock };
    };
    const first = make();
    await first.executor.open({ state });
    const quota = { cpu: 1 };
    await first.executor.start(attempt("long"), work("sleep 0.5; exit 5"), { quota });
    first.left.away = true;
    await assert.rejects(
      first.executor.start(attempt("lost"), work("exit 0"), { quota }),
      coded("unavailable", /Cannot reach left: nobody answers/),
    );
    // It is not asked again for a while.
    await first.executor.start(attempt("lost"), work("exit 7"), { quota });
    assert.deepEqual(whole(await first.executor.wait(attempt("lost"))), ["finished", 7]);
    await first.executor.forget(attempt("lost"));
    const probe = await first.executor.probe();
    assert.deepEqual([probe.healthy, probe.reason], [true, "left: Cannot reach left: nobody answers"]);
    first.right.away = true;
    await assert.rejects(
      first.executor.start(attempt("none"), work("exit 0"), { quota }),
      coded("unavailable", /Cannot reach right: nobody answers/),
    );
    await assert.rejects(
      first.executor.start(attempt("none"), work("exit 0"), { quota }),
      coded(
        "unavailable",
        /Cannot start work\/none on machines: no member that could take it answers: left: .*; right: /,
      ),
    );
    // And it is asked again after a while.
    first.left.away = false;
    first.clock.advance(1000);
    await first.executor.start(attempt("back"), work("exit 9"), { quota });
    assert.deepEqual(whole(await first.executor.wait(attempt("back"))), ["finished", 9]);
    await first.executor.forget(attempt("back"));
    await first.executor.close();

    const second = make();
    second.left.away = true;
    await second.executor.open({ state });
    const listed = await Array.fromAsync(second.executor.list());
    assert.deepEqual(
      listed.map(({ attempt, state, where, notes }) => [attempt.job, state, where, notes.made]),
      [["long", "running", "left", "by a test"]],
    );
    assert(listed[0]!.state === "running");
    assert.equal(listed[0]!.waiting, "its executor cannot be asked: Cannot reach left: nobody answers");
    await assert.rejects(
      second.executor.stop(attempt("long"), { graceMs: 0 }),
      coded(
        "unavailable",
        /Cannot stop work\/long on machines: left does not answer: Cannot reach left: nobody answers/,
      ),
    );
    const ended = second.executor.wait(attempt("long"));
    second.left.away = false;
    second.clock.advance(60_000);
    assert.deepEqual(whole(await ended), ["finished", 5]);
    await second.executor.forget(attempt("long"));
    await second.executor.close();

    const third = make();
    third.left.away = third.right.away = true;
    await assert.rejects(
      third.executor.open({ state }),
      coded(
        "unavailable",
        /Cannot open executor machines: none of its members answers; Cannot reach left: nobody answers/,
      ),
    );
  }));

Deno.test("executorGroup() keeps nothing open when it does not open, and the places of others when one of them closes it", () =>
  inFolder(async (state) => {
    const [left, right] = [
      mayBeAway("left", { cpu: 2 }),
      localExecutor({ name: "right", capacity: { cpu: 1 } }),
    ];
    let opened = 0;
    const counted: Executor<ProcessWork> = new Proxy(left.executor, {
      get(target, property) {
        if (property === "open") opened++;
        if (property === "close") opened--;
        return Reflect.get(target, property);
      },
    });
    const wrong = {
      ...right,
      name: "wrong",
      sees: right.sees,
      accepts: right.accepts,
      capacity: right.capacity,
    };
    const refused = executorGroup({
      name: "refused",
      executors: [
        counted,
        {
          ...wrong,
          open: () => Promise.reject(new ExecutorError("denied", "Cannot open wrong: not this key")),
        } as Executor<ProcessWork>,
      ],
    });
    await assert.rejects(refused.open({ state }), coded("denied", /not this key/));
    assert.equal(opened, 0);

    const folders: string[] = [];
    const far = (executor: Executor<ProcessWork>): Executor<ProcessWork> =>
      new Proxy(executor, {
        get(target, property) {
          if (property === "reach") {
            return {
              folder: () => Promise.resolve(folders[folders.push(target.name) - 1]),
              address: () => Promise.resolve(target.name),
            };
          }
          const value = Reflect.get(target, property);
          return typeof value === "function" ? value.bind(target) : value;
        },
      });
    const both = executorGroup({
      name: "both",
      executors: [far(right), far(localExecutor({ name: "more", capacity: { cpu: 1 } }))],
    });
    await both.open({ state });
    await both.open({ state });
    const quota = { cpu: 1 };
    await both.reach!.folder(attempt("one"), { quota });
    await both.close();
    await both.reach!.folder(attempt("two"), { quota });
    assert.deepEqual(folders, ["right", "more"]);
    const server = { hostname: "127.0.0.1", port: 1 };
    assert.equal(await both.reach!.address(server, { attempt: attempt("one") }), "right");
    await both.start(attempt("one"), work("exit 3"), { quota });
    assert.deepEqual(whole(await both.wait(attempt("one"))), ["finished", 3]);
    await both.forget(attempt("one"));
    await both.close();
  }));

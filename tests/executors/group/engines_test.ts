/** A group of two Docker Engines, one of which is cut off, or killed and started again. */
import type { ContainerWork } from "../../../executors/container_work.ts";
import { dockerExecutor } from "../../../executors/docker/mod.ts";
import type { Executor } from "../../../executors/executor.ts";
import { executorGroup } from "../../../executors/group/mod.ts";
import { testExecutor } from "../../../testing/executor_suite.ts";
import type { Front } from "../../kit/front.ts";
import { asProcesses } from "../as_processes.ts";
import { api, docker, frontAt, image, socket } from "../docker/kit.ts";
import { OwnEngine, programs } from "../docker/own_engine.ts";
import { BIG } from "../suite.ts";

/** The sockets of two engines, of each state. */
const sockets = new Map<string, readonly [string, string]>();
const fronts = new Map<string, Front>();
const engines = new Map<string, OwnEngine>();

const group = ([left, right]: readonly [string, string]): Executor<ContainerWork> =>
  executorGroup({
    name: "engines",
    executors: [
      dockerExecutor({ name: "left", socket: left, capacity: { cpu: 64 } }),
      dockerExecutor({ name: "right", socket: right, capacity: { cpu: 64 } }),
    ],
  });

/** Containers of a state, whichever member has started them. */
async function leftovers(state: string, at: readonly string[]): Promise<string[]> {
  const found = new Set<string>();
  for (const member of ["left", "right"]) {
    const label = `datatask.state=${await Deno.readTextFile(`${state}/engines/${member}/docker/identity`)}`;
    for (const socket of at) {
      const filters = JSON.stringify({ label: [label] });
      const all = await api<{ Id: string }[]>("GET", "/containers/json", { all: "1", filters }, {}, socket);
      for (const { Id } of all) found.add(Id);
    }
  }
  return [...found];
}

testExecutor("executorGroup() of two engines", {
  async make(stack, fault) {
    const state = await Deno.makeTempDir();
    stack.defer(() => Deno.remove(state, { recursive: true }));
    let other = socket;
    if (fault === "cut") {
      other = `${state}/front.sock`;
      fronts.set(state, frontAt(stack, other));
    }
    if (fault === "restart") {
      const engine = await OwnEngine.start(stack, { "live-restore": true });
      engines.set(state, engine);
      other = engine.socket;
    }
    const both = [socket, other] as const;
    sockets.set(state, both);
    return {
      executor: asProcesses(group(both), { image, network: "none" }),
      state,
      leftovers: () => leftovers(state, both),
    };
  },
  reopen: ({ state }) => asProcesses(group(sockets.get(state)!), { image, network: "none" }),
  cut: ({ state }) => fronts.get(state)!.cut(),
  async restart({ state }) {
    await engines.get(state)!.end("SIGKILL");
    await engines.get(state)!.up();
  },
  limitsMemory: true,
  big: BIG,
  many: 8,
  test: (name, fn, ignored, fault) =>
    Deno.test({
      name,
      fn,
      ignore: !docker.available || ignored !== undefined || (fault === "restart" && !programs.available),
    }),
});

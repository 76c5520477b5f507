import { dockerExecutor } from "../../../executors/docker/mod.ts";
import { type ExecutorHarness, testExecutor } from "../../../testing/executor_suite.ts";
import { asProcesses } from "../as_processes.ts";
import type { Front } from "../../kit/front.ts";
import { BIG } from "../suite.ts";
import { containersOf, docker, freshState, frontAt, image, socket } from "./kit.ts";
import { OwnEngine, programs } from "./own_engine.ts";

const executor = (at: string) => asProcesses(dockerExecutor({ socket: at }), { image, network: "none" });

/** The ways to the engine, and engines of their own, of those that cut or restart them, by their state. */
const fronts = new Map<string, Front>();
const engines = new Map<string, OwnEngine>();

const harness = (endsRuns: boolean): ExecutorHarness => ({
  async make(stack, fault) {
    const state = freshState(stack);
    let at = socket;
    if (fault === "cut") {
      at = `${state}/front.sock`;
      fronts.set(state, frontAt(stack, at));
    }
    if (fault === "restart") {
      const engine = await OwnEngine.start(stack, { "live-restore": !endsRuns });
      engines.set(state, engine);
      at = engine.socket;
    }
    return { executor: executor(at), state, leftovers: () => containersOf(state, at) };
  },
  reopen: () => executor(socket),
  cut: ({ state }) => fronts.get(state)!.cut(),
  async restart({ state }) {
    await engines.get(state)!.end("SIGKILL");
    await engines.get(state)!.up();
  },
  endsRuns,
  limitsMemory: true,
  big: BIG,
  many: 8,
});

testExecutor("dockerExecutor()", {
  ...harness(false),
  test: (name, fn, ignored, fault) =>
    Deno.test({
      name,
      fn,
      ignore: !docker.available || ignored !== undefined || (fault === "restart" && !programs.available),
    }),
});

testExecutor("dockerExecutor() whose engine ends its containers", {
  ...harness(true),
  test: (name, fn, _, fault) => fault === "restart" && Deno.test({ ...programs.test, name, fn }),
});

import { dockerExecutor } from "../../../executors/docker/mod.ts";
import { testExecutor } from "../../../testing/executor_suite.ts";
import { containersOf, docker, freshState, image, socket } from "./kit.ts";
import { asProcesses } from "../as_processes.ts";

const executor = () => asProcesses(dockerExecutor({ socket }), { image, network: "none" });

testExecutor("dockerExecutor()", {
  make(stack) {
    const state = freshState(stack);
    return { executor: executor(), state, leftovers: () => containersOf(state) };
  },
  reopen: executor,
  big: Number(Deno.env.get("DATATASK_BIG") ?? 5_000_000),
  many: 8,
  test: (name, fn, ignored) => Deno.test({ name, fn, ignore: !docker.available || ignored !== undefined }),
});

import { dockerExecutor } from "../../../executors/docker/mod.ts";
import { testExecutor } from "../../../testing/executor_suite.ts";
import { asProcesses, containersOf, docker, freshState, socket } from "./kit.ts";

testExecutor("dockerExecutor()", {
  make(stack) {
    const state = freshState(stack);
    return { executor: asProcesses(dockerExecutor({ socket })), state, leftovers: () => containersOf(state) };
  },
  reopen: () => asProcesses(dockerExecutor({ socket })),
  big: Number(Deno.env.get("DATATASK_BIG") ?? 5_000_000),
  many: 8,
  test: (name, fn, ignored) => Deno.test({ name, fn, ignore: !docker.available || ignored !== undefined }),
});

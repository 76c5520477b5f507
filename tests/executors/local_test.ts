import { localExecutor } from "../../executors/local.ts";
import { fakeExecutor } from "../../testing/fake_executor.ts";
import { testExecutor } from "../../testing/executor_suite.ts";
import { childrenGone } from "./children.ts";

/** Names of what is left of runs in a state folder. */
function leftovers(state: string): string[] {
  // What lies in .new is kept for other runs until the executor is closed.
  return [...Deno.readDirSync(`${state}/runs`)].filter(({ name }) => name !== ".new").flatMap(({ name }) =>
    [...Deno.readDirSync(`${state}/runs/${name}`)].map((entry) => `${name}/${entry.name}`)
  );
}

testExecutor("localExecutor()", {
  make(stack) {
    const state = Deno.makeTempDirSync();
    stack.defer(() => Deno.removeSync(state, { recursive: true }));
    if (Deno.build.os === "linux") stack.defer(() => childrenGone(state));
    return { executor: localExecutor(), state, leftovers: () => leftovers(state) };
  },
  reopen: () => localExecutor(),
  big: Number(Deno.env.get("DATATASK_BIG") ?? 5_000_000),
});

testExecutor("fakeExecutor()", {
  make: () => ({ executor: fakeExecutor(), state: "" }),
  runsScripts: false,
});

import { localExecutor } from "../../executors/local.ts";
import { fakeExecutor } from "../../testing/fake_executor.ts";
import { testExecutor } from "../../testing/executor_suite.ts";
import { childrenGone } from "./children.ts";
import { leftLocally } from "./places.ts";
import { BIG, noServer } from "./suite.ts";

testExecutor("localExecutor()", {
  make(stack) {
    const state = Deno.makeTempDirSync();
    stack.defer(() => Deno.removeSync(state, { recursive: true }));
    if (Deno.build.os === "linux") stack.defer(() => childrenGone(state));
    return { executor: localExecutor(), state, leftovers: () => leftLocally(state) };
  },
  reopen: () => localExecutor(),
  big: BIG,
  except: noServer,
});

testExecutor("fakeExecutor()", {
  make: () => ({ executor: fakeExecutor(), state: "" }),
  runsScripts: false,
});
